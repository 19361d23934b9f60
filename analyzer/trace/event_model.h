/* SPDX-License-Identifier: MIT
 *
 * What writer and reader expect of the next event. Private to event_coder.c. Everything here is
 * defined in docs/trace-format.md: a change is a change of the format.
 *
 * A guess is a whole event in 30 bits: its type, how it names the block that leaves, the kind of
 * the block that enters and how its address is named; and above them how often it was right of
 * late. It stands where the events before lead to, and is right if what it names is what happened.
 */
#ifndef TRACE_EVENT_MODEL_H
#define TRACE_EVENT_MODEL_H

#include "trace/kinds.h"
#include "trace/live.h"

#define EVENT_GUESS_BITS 16
#define EVENT_NEAR_BITS 12
#define EVENT_NEAR 4
#define EVENT_RINGS 1024
#define EVENT_RING_DEPTH 16
#define EVENT_HISTORIES 256
#define EVENT_RANKS 16             /* looked at from either end of the list by age */
#define EVENT_NEIGHBOURS 8         /* looked at on either side of the block that left last */
#define EVENT_CHUNK_HEADER_BYTES 8 /* between a block's usable end and the next one, in glibc */
#define EVENT_END_OUT 256          /* in end_call: REALLOC_OUT, */
#define EVENT_END_UNKNOWN 257      /* and FREE_UNKNOWN */

#define EVENT_CONFIDENCE_ONE (1u << 30)
#define EVENT_CONFIDENCE_MOST (3u << 30)

static inline uint32_t event_guess(unsigned type, unsigned slot, unsigned place, uint32_t kind)
{
    return type | slot << 3 | place << 9 | kind << 14;
}
static inline unsigned event_guess_type(uint32_t guess)
{
    return guess & 7;
}
static inline unsigned event_guess_slot(uint32_t guess)
{
    return guess >> 3 & 63;
}
static inline unsigned event_guess_place(uint32_t guess)
{
    return guess >> 9 & 31;
}
static inline uint32_t event_guess_kind(uint32_t guess)
{
    return guess >> 14 & 0xffff;
}

/* The symbols of a thread's last events. */
struct event_history {
    uint64_t recent; /* the last five, each shifted by 13 bits against the next */
    uint32_t last, before_last;
};

/* Where an event is guessed at: after the last five events of its thread, the last two, the last.
 */
struct event_context {
    uint32_t *recent, *pair, *last;
    uint16_t *near; /* kinds that followed the last one; a number + 1 each, 0 where there is none */
};

/* The addresses that were freed last, of one thread and about one size. */
struct event_ring {
    uint64_t address[EVENT_RING_DEPTH]; /* 0: none */
    uint32_t newest;                    /* index, modulo EVENT_RING_DEPTH */
};

struct event_tables {
    uint32_t recent[1u << EVENT_GUESS_BITS], pair[1u << EVENT_GUESS_BITS],
        last[1u << EVENT_GUESS_BITS]; /* guesses; 0: none */
    uint16_t near[1u << EVENT_NEAR_BITS][EVENT_NEAR];
    struct event_ring rings[EVENT_RINGS];
};

/* Of a short group only a little of the tables was used: what, is noted in these units. */
#define EVENT_SHORT_GROUP 2048u
#define EVENT_UNIT_BYTES 512u
#define EVENT_UNITS (sizeof(struct event_tables) / EVENT_UNIT_BYTES + 2)

struct event_model {
    struct kinds kinds;
    struct event_tables tables;
    uint8_t used[EVENT_UNITS]; /* units of the tables, in a short group */
    /* from here on all is cleared when a group begins */
    uint64_t events; /* of the group so far */
    struct event_history history[EVENT_HISTORIES];
    uint8_t end_call[258]; /* by the call that made the block, and EVENT_END_* */
    uint32_t last_symbol;  /* of any thread */
    uint32_t last_link;
    uint32_t last_stack;               /* the highest one declared */
    uint32_t near_older, near_younger; /* neighbours of the block that last left its place */
    uint64_t last_address;             /* of events that name one outright */
    uint64_t carve;                    /* behind the last block made at no address freed before */
    uint64_t behind;                   /* behind the last block made */
};

struct event_model *event_model_new(void);
void event_model_free(struct event_model *m);
void event_model_reset(struct event_model *m);
/* SEEP_KINDS_MAX kinds are known, and another one comes. */
void event_model_forget_kinds(struct event_model *m);

static inline void event_model_use(struct event_model *m, const void *at, size_t bytes)
{
    size_t first = (size_t)((const char *)at - (const char *)&m->tables);
    m->used[first / EVENT_UNIT_BYTES] = 1;
    m->used[(first + bytes - 1) / EVENT_UNIT_BYTES] = 1;
}

static inline uint32_t event_hash(uint64_t v, unsigned bits)
{
    return (uint32_t)(v * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}

static inline struct event_history *event_model_history(struct event_model *m, uint32_t thread)
{
    return &m->history[thread % EVENT_HISTORIES];
}

static inline uint32_t *event_model_recent(struct event_model *m, const struct event_history *h)
{
    return &m->tables.recent[event_hash(h->recent, EVENT_GUESS_BITS)];
}

static inline struct event_context event_model_context(struct event_model *m,
                                                       const struct event_history *h)
{
    uint64_t pair = (uint64_t)h->before_last << 32 | h->last;
    return (struct event_context){event_model_recent(m, h),
                                  &m->tables.pair[event_hash(pair, EVENT_GUESS_BITS)],
                                  &m->tables.last[event_hash(h->last, EVENT_GUESS_BITS)],
                                  m->tables.near[event_hash(h->last, EVENT_NEAR_BITS)]};
}

/* The next event will be guessed from this history. Fetches what it is guessed by: what is done
 * until then hides the time it takes. */
static inline void event_model_prepare(struct event_model *m, const struct event_history *h)
{
    struct event_context x = event_model_context(m, h);
    if (m->events < EVENT_SHORT_GROUP) {
        event_model_use(m, x.recent, sizeof *x.recent);
        event_model_use(m, x.pair, sizeof *x.pair);
        event_model_use(m, x.last, sizeof *x.last);
        event_model_use(m, x.near, EVENT_NEAR * sizeof *x.near);
    }
    __builtin_prefetch(x.recent, 1);
    __builtin_prefetch(x.pair, 1);
    __builtin_prefetch(x.last, 1);
}

static inline void event_model_remember(struct event_model *m, struct event_history *h,
                                        uint32_t symbol)
{
    h->recent = h->recent << 13 ^ symbol;
    h->before_last = h->last;
    h->last = symbol;
    m->last_symbol = symbol;
    m->events++;
    event_model_prepare(m, h);
}

/* A guess was right. */
static inline void event_confirm(uint32_t *guess)
{
    if (*guess < EVENT_CONFIDENCE_MOST)
        *guess += EVENT_CONFIDENCE_ONE;
}

/* This was right there. */
static inline void event_teach(uint32_t *guess, uint32_t right)
{
    if ((*guess & (EVENT_CONFIDENCE_ONE - 1)) == right)
        event_confirm(guess);
    else if (*guess >= EVENT_CONFIDENCE_ONE)
        *guess -= EVENT_CONFIDENCE_ONE;
    else
        *guess = right;
}

/* What event a symbol stands for: that of the kind made, or the block ended, and what was done. */
static inline uint32_t event_symbol(uint32_t kind_symbol, unsigned type)
{
    return kind_symbol + type * UINT32_C(0x27d4eb2f);
}

/* ---- kinds */

/* The number that a code below SEEP_KIND_FAR names; UINT32_MAX if none. */
uint32_t event_model_candidate(const struct event_context *x, unsigned code);
/* Writer: the code of a kind by its number. */
unsigned event_model_kind_code(const struct event_context *x, uint32_t number);
/* A kind followed that was no part of a right guess. */
void event_model_followed(const struct event_context *x, uint32_t number);

/* ---- addresses */

/* The ring of addresses that the thread freed and that fit blocks of this size. */
static inline struct event_ring *event_model_ring(struct event_model *m, uint32_t thread,
                                                  uint64_t usable)
{
    uint64_t class = usable >> 4;
    if (class >= 64) { /* eight classes per power of two */
        unsigned shift = 60 - (unsigned)__builtin_clzll(class);
        class = 64 + (uint64_t)shift * 8 + (class >> shift & 7);
    }
    return &m->tables.rings[(class + thread * UINT64_C(67)) % EVENT_RINGS];
}

static inline uint64_t event_ring_at(const struct event_ring *ring, unsigned rank)
{
    return ring->address[(ring->newest - rank) % EVENT_RING_DEPTH];
}

/* The address that a code up to SEEP_ADDRESS_SAME names, 0 for others. `before` is the block that
 * changes in one place, or NULL. */
static inline uint64_t event_model_address(const struct event_model *m,
                                           const struct event_ring *ring, unsigned code,
                                           const struct trace_block *before)
{
    if (code < EVENT_RING_DEPTH)
        return event_ring_at(ring, code);
    switch (code) {
    case SEEP_ADDRESS_CARVE: return m->carve;
    case SEEP_ADDRESS_BEHIND: return m->behind;
    case SEEP_ADDRESS_SAME: return before ? before->address : 0;
    default: return 0;
    }
}

/* Writer: how the address of a new block is named. */
unsigned event_model_address_code(const struct event_model *m, const struct event_ring *ring,
                                  uint64_t address, const struct trace_block *before);

/* A block was made at the address, which was named by the code. */
static inline void event_model_placed(struct event_model *m, struct event_ring *ring, unsigned code,
                                      uint64_t address, uint64_t usable)
{
    m->behind = address + usable + EVENT_CHUNK_HEADER_BYTES;
    if (m->events <= EVENT_SHORT_GROUP)
        event_model_use(m, ring, sizeof *ring);
    if (code < EVENT_RING_DEPTH) { /* taken out: those freed later move down by one rank */
        uint32_t at = ring->newest - code;
        for (; at != ring->newest; at++)
            ring->address[at % EVENT_RING_DEPTH] = ring->address[(at + 1) % EVENT_RING_DEPTH];
        ring->address[at % EVENT_RING_DEPTH] = 0;
        ring->newest--;
    } else if (code != SEEP_ADDRESS_SAME) {
        m->carve = m->behind;
    }
}

/* The block in the slot ends, or changes and leaves its place in the list: to be called before. */
static inline void event_model_left(struct event_model *m, const struct live *l, uint32_t slot)
{
    m->near_older = l->slots[slot].older;
    m->near_younger = l->slots[slot].younger;
}

/* A thread gave a block's address back. */
static inline void event_model_freed(struct event_model *m, uint32_t thread,
                                     const struct trace_block *block)
{
    struct event_ring *ring = event_model_ring(m, thread, block->usable);
    if (m->events <= EVENT_SHORT_GROUP)
        event_model_use(m, ring, sizeof *ring);
    ring->address[++ring->newest % EVENT_RING_DEPTH] = block->address;
}

/* ---- blocks */

/* Writer: how a live block is named. */
unsigned event_model_slot_code(const struct event_model *m, const struct live *l, uint32_t slot);

/* The block that a code names, LIVE_NONE if there is none, or its slot is told. */
static inline uint32_t event_model_slot_at(const struct event_model *m, const struct live *l,
                                           unsigned code)
{
    uint32_t at;
    unsigned steps = code % 16;
    if (code < SEEP_SLOT_OLDER || (code >= SEEP_SLOT_OLD && code < SEEP_SLOT_FAR)) {
        at = code < SEEP_SLOT_OLDER ? l->youngest : l->oldest;
    } else if (code < SEEP_SLOT_OLD) {
        at = code < SEEP_SLOT_YOUNGER ? m->near_older : m->near_younger;
        steps = code % EVENT_NEIGHBOURS;
    } else {
        return LIVE_NONE;
    }
    if (code < SEEP_SLOT_YOUNGER)
        while (steps-- && at != LIVE_NONE)
            at = l->slots[at].older;
    else
        while (steps-- && at != LIVE_NONE)
            at = l->slots[at].younger;
    return at;
}

#endif
