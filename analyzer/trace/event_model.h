/* SPDX-License-Identifier: MIT
 *
 * What writer and reader expect of the next event. Private to the coder. Everything here is defined
 * in docs/trace-format.md: a change is a change of the format.
 *
 * A guess is a whole event in 30 bits: its type, how it names the block that leaves, how the
 * address of the block that enters is named, and the block's kind; and above them how often it was
 * right of late. It stands where the events before lead to.
 *
 * The history that leads there is made of types and kinds only, and those stand in the guess. So a
 * reader knows where the guess after a right one stands before it has looked at any block: the two
 * chains of loads, through the guesses and through the blocks, run side by side in the processor.
 */
#ifndef TRACE_EVENT_MODEL_H
#define TRACE_EVENT_MODEL_H

#include "trace/live.h"

#define EVENT_SHIFT 11 /* of the recent keys, by each event: 64 / 11, rounded down, remain */
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
#define EVENT_GUESS_MASK (EVENT_CONFIDENCE_ONE - 1)
#define EVENT_KIND_SHIFT 11
#define EVENT_KEY_MASK (EVENT_GUESS_MASK >> EVENT_KIND_SHIFT << EVENT_KIND_SHIFT | 3u)
#define EVENT_NO_GUESS UINT32_MAX

/* `code` names the block that leaves, the address of the one that enters, or both: see
 * event_guess_of(). */
static inline unsigned event_guess_type(uint32_t guess)
{
    return guess & 3;
}
static inline unsigned event_guess_place(uint32_t guess)
{
    return guess >> 2 & 31;
}
static inline unsigned event_guess_slot(uint32_t guess)
{
    return guess >> 2 & 63;
}
static inline uint32_t event_guess_kind(uint32_t guess)
{
    return (guess & EVENT_GUESS_MASK) >> EVENT_KIND_SHIFT;
}
/* Of a REALLOC, which has few bits for its address. */
static inline unsigned event_guess_realloc_place(uint32_t guess)
{
    unsigned code = guess >> 8 & 7;
    return code < 5 ? code : code + SEEP_ADDRESS_CARVE - 5;
}

/* The event as a guess; EVENT_NO_GUESS where none can tell it. */
static inline uint32_t event_guess_of(unsigned type, unsigned slot, unsigned place, uint32_t kind)
{
    uint32_t guess = type | kind << EVENT_KIND_SHIFT;
    if (kind >= SEEP_KINDS_MAX || slot == SEEP_SLOT_FAR || place > SEEP_ADDRESS_SAME)
        return EVENT_NO_GUESS;
    if (type == TRACE_ALLOC)
        return guess | place << 2;
    if (type == TRACE_FREE)
        return guess | slot << 2;
    if (place >= 5 && place < SEEP_ADDRESS_CARVE)
        return EVENT_NO_GUESS;
    return guess | slot << 2 | (place < 5 ? place : place - SEEP_ADDRESS_CARVE + 5) << 8;
}

/* What of an event its followers depend on. */
static inline uint32_t event_key(unsigned type, uint32_t kind)
{
    return kind % SEEP_KINDS_MAX << EVENT_KIND_SHIFT | type;
}

/* What followed the last five events, and how long that took. */
struct event_recent {
    uint32_t guess;
    uint16_t ticks;
    uint16_t unused;
};

/* The keys of a thread's last events. */
struct event_history {
    uint64_t recent; /* of the last five: its upper bits say where the guess stands */
    uint32_t last, before_last;
};

/* Where an event is guessed at: after the last five events of its thread, the last two, the last.
 */
struct event_context {
    uint32_t *recent, *pair, *last;
    uint32_t *near; /* kinds that followed the last one; a number + 1 each, 0 where there is none */
};

struct event_tables {
    /* of which a group uses the first 2^bits, 2^bits-1 of steps, 2^bits-4 of near */
    struct event_recent recent[1u << SEEP_TABLE_BITS_MAX];
    uint32_t pair[1u << SEEP_TABLE_BITS_MAX],
        last[1u << SEEP_TABLE_BITS_MAX];            /* guesses; 0: none */
    uint16_t step[1u << (SEEP_TABLE_BITS_MAX - 1)]; /* ticks from one event to another that was not
                                                       guessed */
    uint32_t near[1u << (SEEP_TABLE_BITS_MAX - 4)][EVENT_NEAR];
    /* addresses that were freed last, of one thread and about one size; 0: none */
    uint64_t ring[EVENT_RINGS][EVENT_RING_DEPTH];
    uint8_t newest[EVENT_RINGS]; /* index, modulo EVENT_RING_DEPTH */
    struct event_history history[EVENT_HISTORIES];
};

/* Writing: live blocks younger, or older, than one there are so many at least. Who is not among
 * them is not looked for among as many from that end of the list. */
struct event_mark {
    uint64_t birth;
    uint32_t count;
};

struct event_model {
    struct event_tables tables;
    unsigned bits;  /* of the tables that the group uses; 0: nothing of them is clear yet */
    bool untouched; /* since the last reset */
    /* from here on all is cleared when a group begins */
    uint8_t end_call[258]; /* by the call that made the block, and EVENT_END_* */
    uint32_t last_key;     /* of any thread */
    uint32_t last_link;
    uint32_t last_stack;               /* the highest one declared */
    uint32_t near_older, near_younger; /* neighbours of the block that last left its place */
    uint64_t last_address;             /* of events that name one outright */
    uint64_t carve;                    /* behind the last block made at no address freed before */
    uint64_t behind;                   /* behind the last block made */
    /* writing */
    uint64_t left_birth; /* of the block that last left its place */
    struct event_mark younger, older;
};

struct event_model *event_model_new(void);
void event_model_free(struct event_model *m);
/* A group begins, whose tables have this size. */
void event_model_reset(struct event_model *m, unsigned bits);

static inline uint32_t event_hash(uint64_t v, unsigned bits)
{
    return (uint32_t)(v * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}

static inline struct event_history *event_model_history(struct event_model *m, uint32_t thread)
{
    return &m->tables.history[thread % EVENT_HISTORIES];
}

static inline struct event_recent *event_model_recent(struct event_model *m, uint64_t recent)
{
    return &m->tables.recent[recent >> (64 - m->bits)];
}

/* The last five events' keys after one more: older ones leave at the top. */
static inline uint64_t event_recent_after(uint64_t recent, uint32_t key)
{
    return (recent + key) * (UINT64_C(0x9e3779b97f4a7c15) << EVENT_SHIFT);
}

static inline struct event_context event_model_context(struct event_model *m,
                                                       const struct event_history *h)
{
    uint64_t pair = (uint64_t)h->before_last << 32 | h->last;
    return (struct event_context){&event_model_recent(m, h->recent)->guess,
                                  &m->tables.pair[event_hash(pair, m->bits)],
                                  &m->tables.last[event_hash(h->last, m->bits)],
                                  m->tables.near[event_hash(h->last, m->bits - 4)]};
}

static inline void event_history_add(struct event_history *h, uint32_t key)
{
    h->recent = event_recent_after(h->recent, key);
    h->before_last = h->last;
    h->last = key;
}

/* Field by field: what was just written in small pieces cannot be read in one without the processor
 * waiting until it is in the cache. */
static inline void event_history_copy(struct event_history *to, const struct event_history *from)
{
    to->recent = from->recent;
    to->last = from->last;
    to->before_last = from->before_last;
}

/* How long it takes from the last event, of any thread, to one that was not guessed rightly. */
static inline uint16_t *event_model_step(struct event_model *m, uint32_t key)
{
    uint64_t step = (uint64_t)m->last_key << 32 | key;
    return &m->tables.step[event_hash(step ^ step >> 29, m->bits - 1)];
}

/* A guess with its confidence, after it was right. */
static inline uint32_t event_confirmed(uint32_t guess)
{
    return guess < EVENT_CONFIDENCE_MOST ? guess + EVENT_CONFIDENCE_ONE : guess;
}

/* This was right there, or EVENT_NO_GUESS. All ways are taken, for none could be foreseen. */
static inline void event_teach(uint32_t *guess, uint32_t right)
{
    uint32_t was = *guess;
    uint32_t otherwise = right == EVENT_NO_GUESS ? was : right;
    otherwise = was >= EVENT_CONFIDENCE_ONE ? was - EVENT_CONFIDENCE_ONE : otherwise;
    *guess = (was & EVENT_GUESS_MASK) == right ? event_confirmed(was) : otherwise;
}

/* ---- kinds */

/* The number that a code below SEEP_KIND_FAR names; UINT32_MAX if none. */
uint32_t event_model_candidate(const struct event_context *x, unsigned code);
/* Writer: the code of a kind by its number. */
unsigned event_model_kind_code(const struct event_context *x, uint32_t number);
/* A kind followed that was no part of a right guess. */
void event_model_followed(const struct event_context *x, uint32_t number);

/* ---- addresses */

/* The ring of addresses that the thread freed and that fit blocks of this kind. */
static inline uint32_t event_ring(const struct kind *kind, uint32_t thread)
{
    return (kind->ring + thread * 67u) % EVENT_RINGS;
}

static inline uint64_t event_ring_at(const struct event_model *m, uint32_t ring, unsigned rank)
{
    return m->tables.ring[ring][(m->tables.newest[ring] - rank) % EVENT_RING_DEPTH];
}

/* The address that a code up to SEEP_ADDRESS_SAME names, 0 for others. `before` is that of a block
 * that changes in one place, or 0. */
static inline uint64_t event_model_address(const struct event_model *m, uint32_t ring,
                                           unsigned code, uint64_t before)
{
    if (code < EVENT_RING_DEPTH)
        return event_ring_at(m, ring, code);
    switch (code) {
    case SEEP_ADDRESS_CARVE: return m->carve;
    case SEEP_ADDRESS_BEHIND: return m->behind;
    case SEEP_ADDRESS_SAME: return before;
    default: return 0;
    }
}

/* Writer: how the address of a new block is named. */
unsigned event_model_address_code(const struct event_model *m, uint32_t ring, uint64_t address,
                                  uint64_t before);

/* A block was made at the address, which was named by the code. */
static inline void event_model_placed(struct event_model *m, uint32_t ring, unsigned code,
                                      uint64_t address, uint64_t usable)
{
    m->behind = address + usable + EVENT_CHUNK_HEADER_BYTES;
    if (code < EVENT_RING_DEPTH) { /* taken out: those freed later move down by one rank */
        uint64_t *of = m->tables.ring[ring];
        uint8_t newest = m->tables.newest[ring];
        for (unsigned at = newest - code; code--; at++)
            of[at % EVENT_RING_DEPTH] = of[(at + 1) % EVENT_RING_DEPTH];
        of[newest % EVENT_RING_DEPTH] = 0;
        m->tables.newest[ring] = (uint8_t)(newest - 1);
    } else if (code != SEEP_ADDRESS_SAME) {
        m->carve = m->behind;
    }
}

/* The block in the slot ends, or changes and leaves its place in the list: to be called before. */
static inline void event_model_left(struct event_model *m, const struct live *l, uint32_t slot)
{
    m->near_older = l->links[slot].older;
    m->near_younger = l->links[slot].younger;
}

/* A thread gave an address back. */
static inline void event_model_freed(struct event_model *m, uint32_t ring, uint64_t address)
{
    m->tables.ring[ring][++m->tables.newest[ring] % EVENT_RING_DEPTH] = address;
}

/* ---- blocks */

/* Writer: how a live block is named. */
unsigned event_model_slot_code(struct event_model *m, const struct live *l, uint32_t slot);

/* Writer: a block becomes the youngest. */
static inline void event_model_count_entered(struct event_model *m)
{
    m->younger.count++;
}

/* Writer: the block of that birth leaves its place. */
static inline void event_model_count_left(struct event_model *m, uint64_t birth)
{
    m->left_birth = birth;
    m->younger.count -= birth > m->younger.birth && m->younger.count > 0;
    m->older.count -= birth < m->older.birth && m->older.count > 0;
}

/* The block that a code names, LIVE_NONE if there is none, or its slot is told. */
static inline uint32_t event_model_slot_at(const struct event_model *m, const struct live *l,
                                           unsigned code)
{
    uint32_t at;
    unsigned steps = code % 16;
    if (code < SEEP_SLOT_OLDER || (code >= SEEP_SLOT_OLD && code < SEEP_SLOT_FAR)) {
        at = code < SEEP_SLOT_OLDER ? live_youngest(l) : live_oldest(l);
    } else if (code < SEEP_SLOT_OLD) {
        at = code < SEEP_SLOT_YOUNGER ? m->near_older : m->near_younger;
        steps = code % EVENT_NEIGHBOURS;
    } else {
        return LIVE_NONE;
    }
    if (code < SEEP_SLOT_YOUNGER)
        while (at && steps--)
            at = l->links[at].older;
    else
        while (at && steps--)
            at = l->links[at].younger;
    return at;
}

#endif
