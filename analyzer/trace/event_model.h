/* SPDX-License-Identifier: MIT
 *
 * What writer and reader expect of the next event. Private to event_coder.c. Everything here is
 * defined in docs/trace-format.md: a change is a change of the format. */
#ifndef TRACE_EVENT_MODEL_H
#define TRACE_EVENT_MODEL_H

#include "trace/live.h"

#define EVENT_DEEP_BITS 14
#define EVENT_NEAR_BITS 12
#define EVENT_DURATION_BITS 14
#define EVENT_RINGS 1024
#define EVENT_RING_DEPTH 16
#define EVENT_HISTORIES 256
#define EVENT_RANKS 16             /* looked at from either end of the list by age */
#define EVENT_NEIGHBOURS 8         /* looked at on either side of the block that left last */
#define EVENT_CHUNK_HEADER_BYTES 8 /* between a block's usable end and the next one, in glibc */
#define EVENT_END_OUT 256          /* in end_call: REALLOC_OUT, */
#define EVENT_END_UNKNOWN 257      /* and FREE_UNKNOWN */

/* What is the same for many allocations. */
struct event_kind {
    uint64_t size, usable;
    uint32_t stack, alignment;
    uint8_t call;
};

/* A thread's last three events, the last one first, each as its symbol: what it named, times 8,
 * plus its type. */
struct event_history {
    uint32_t symbol[3];
};

/* Candidates for the next kind; each is a number + 1, 0 where there is none. */
struct event_context {
    uint32_t *deep; /* 2 */
    uint32_t *near; /* 4 */
};

struct event_model {
    struct event_kind *kinds; /* owned */
    uint32_t kind_count;
    size_t kind_capacity;
    uint32_t *kind_map; /* writer: hash table of numbers + 1; owned, made when needed */
    uint32_t deep[1u << EVENT_DEEP_BITS][2];
    uint32_t near[1u << EVENT_NEAR_BITS][4];
    uint32_t duration_ns[1u << EVENT_DURATION_BITS];
    uint64_t ring[EVENT_RINGS][EVENT_RING_DEPTH]; /* freed addresses, the last one first; 0: none */
    struct event_history history[EVENT_HISTORIES];
    uint8_t end_call[258]; /* by the call that made the block, and EVENT_END_* */
    uint32_t last_symbol;  /* of any thread */
    uint32_t last_link;
    uint32_t last_far_slot;
    uint32_t near_older, near_younger; /* neighbours of the block that last left its place */
    uint64_t last_address;             /* of events that name one outright */
    uint64_t carve;                    /* behind the last block made at no address freed before */
    uint64_t behind;                   /* behind the last block made */
};

struct event_model *event_model_new(void);
void event_model_free(struct event_model *m);
void event_model_reset(struct event_model *m);

static inline uint32_t event_hash(uint64_t v, unsigned bits)
{
    return (uint32_t)(v * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}

static inline struct event_history *event_model_history(struct event_model *m, uint32_t thread)
{
    return &m->history[thread % EVENT_HISTORIES];
}

static inline struct event_context event_model_context(struct event_model *m,
                                                       const struct event_history *h)
{
    uint64_t near = h->symbol[0];
    uint64_t deep = (near * 31 + h->symbol[1]) * 31 + h->symbol[2];
    return (struct event_context){m->deep[event_hash(deep, EVENT_DEEP_BITS)],
                                  m->near[event_hash(near, EVENT_NEAR_BITS)]};
}

/* Writer: the kind's code and, if it is known, its number. */
uint8_t event_model_kind_code(struct event_model *m, const struct event_context *context,
                              const struct event_kind *kind, uint32_t *number);

/* The number that a code below SEEP_KIND_FAR names; UINT32_MAX if none. */
static inline uint32_t event_model_candidate(const struct event_context *context, uint8_t code)
{
    if (code >= SEEP_KIND_FAR)
        return UINT32_MAX;
    return (code < SEEP_KIND_NEAR ? context->deep[code] : context->near[code - SEEP_KIND_NEAR]) - 1;
}

/* Gives a new kind its number. When there are SEEP_KINDS_MAX all are forgotten first. `map`: it
 * will be looked for (writer). */
uint32_t event_model_declare(struct event_model *m, const struct event_kind *kind, bool map);

/* Moves `candidate` to the front, dropping the last if it is new. */
static inline void event_move_to_front(uint32_t *candidates, unsigned count, uint32_t candidate)
{
    uint32_t carried = candidate;
    for (unsigned i = 0; i < count; i++) {
        uint32_t here = candidates[i];
        candidates[i] = carried;
        if (here == candidate)
            return;
        carried = here;
    }
}

static inline void event_model_followed(const struct event_context *context, uint32_t number)
{
    event_move_to_front(context->deep, 2, number + 1);
    event_move_to_front(context->near, 4, number + 1);
}

/* The ring of addresses that the thread freed and that fit blocks of this size. */
static inline uint64_t *event_model_ring(struct event_model *m, uint32_t thread, uint64_t usable)
{
    uint64_t class = usable >> 4;
    if (class >= 64) { /* eight classes per power of two */
        unsigned shift = 60 - (unsigned)__builtin_clzll(class);
        class = 64 + (uint64_t)shift * 8 + (class >> shift & 7);
    }
    return m->ring[(class + thread * UINT64_C(67)) % EVENT_RINGS];
}

/* Takes the address of this rank out. */
static inline void event_ring_remove(uint64_t *ring, unsigned rank)
{
    for (; rank + 1 < EVENT_RING_DEPTH; rank++)
        ring[rank] = ring[rank + 1];
    ring[EVENT_RING_DEPTH - 1] = 0;
}

/* Writer: how the address of a new block is named. */
uint8_t event_model_address_code(const struct event_model *m, const uint64_t *ring,
                                 uint64_t address, const struct trace_block *before);

/* Writer: how a live block is named. */
uint8_t event_model_slot_code(const struct event_model *m, const struct live *l, uint32_t slot);
/* Reader: the block so named; LIVE_NONE if there is none. */
uint32_t event_model_slot_at(const struct event_model *m, const struct live *l, uint8_t code);

/* The time this step took, in the same context, when it was last corrected. */
static inline uint32_t *event_model_duration(struct event_model *m, uint32_t symbol)
{
    uint64_t step = (uint64_t)m->last_symbol << 32 | symbol;
    return &m->duration_ns[event_hash(step ^ step >> 29, EVENT_DURATION_BITS)];
}

/* Writer: 0 where `clock + duration` is near enough to `time`, else microseconds to add, plus 1. */
static inline uint64_t event_model_time_code(uint64_t clock_ns, uint32_t duration_ns,
                                             uint64_t time_ns, uint64_t floor_ns)
{
    uint64_t predicted = clock_ns + duration_ns;
    uint64_t error = predicted > time_ns ? predicted - time_ns : time_ns - predicted;
    if (error <= 1000 && predicted >= floor_ns)
        return 0;
    uint64_t step = time_ns > clock_ns ? (time_ns - clock_ns + 500) / 1000 : 0;
    if (clock_ns + step * 1000 < floor_ns)
        step++;
    return step + 1;
}

/* Learns from a correction. It holds the errors of many steps, so a small one moves it little. */
static inline void event_model_learn(uint32_t *duration_ns, uint64_t step_ns)
{
    uint64_t old = *duration_ns;
    if (step_ns > UINT32_MAX)
        step_ns = UINT32_MAX;
    int64_t error = (int64_t)step_ns - (int64_t)old;
    *duration_ns = (uint32_t)((int64_t)old + error / 8);
}

/* Before the event is applied: the block ev->slot ends or changes. */
void event_model_left(struct event_model *m, const struct live *l, const struct trace_event *ev);

static inline void event_model_remember(struct event_model *m, struct event_history *h,
                                        uint32_t symbol)
{
    h->symbol[2] = h->symbol[1];
    h->symbol[1] = h->symbol[0];
    h->symbol[0] = symbol;
    m->last_symbol = symbol;
}

#endif
