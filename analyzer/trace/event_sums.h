/* SPDX-License-Identifier: MIT
 *
 * What many events did, where nobody asks for each of them. */
#ifndef TRACE_EVENT_SUMS_H
#define TRACE_EVENT_SUMS_H

#include "trace/live.h"

/* Which event of each thread last made a block, of malloc's and of pools. */
struct last_made {
    uint64_t *next; /* by thread * 2, + 1 for pools: the event's number + 1, 0: none; owned */
    size_t capacity;
};

/* Where both stand for a thread; valid until the next call. */
uint64_t *last_made_by(struct last_made *m, uint32_t thread);
void last_made_release(struct last_made *m);

/* Whether no other block was made by the thread since this one. */
static inline bool last_made_is(struct last_made *m, const struct live *l,
                                const struct live_slot *b)
{
    bool pool = l->kinds.items[b->kind].call == SEEP_CALL_POOL;
    return last_made_by(m, b->thread)[pool] == LIVE_NUMBER(b->birth) + 1;
}

/* Of blocks of one sort. */
struct event_total {
    uint64_t allocations, frees, reallocations, failed; /* by the rules of counting */
    uint64_t temporary; /* freed with no other block made by the same thread between */
    uint64_t inherited_blocks, inherited_bytes, inherited_frees;
    uint64_t allocated_bytes;
    uint64_t live_blocks, live_bytes; /* now */
    struct trace_peak peak;
};

#define EVENT_CALLS 256

struct event_sums {
    struct event_total total[2]; /* of malloc's blocks, and of those of pools */
    struct last_made last_made;
    uint64_t ended[EVENT_CALLS][EVENT_CALLS]; /* blocks by the calls that made and ended, or
                                                 changed, them; implied frees aside */
    uint64_t last_ns;                         /* the latest time of an event */
};

struct event_sums *event_sums_new(void);
void event_sums_free(struct event_sums *s);

/* Starts anew with the live blocks of a checkpoint, the peak before it and `last_made`. */
void event_sums_begin(struct event_sums *s, const struct live *l, const struct trace_peak *peak);

/* Takes from the kinds what was made since they were last harvested. */
void event_sums_harvest(struct event_sums *s, struct kinds *kinds);

/* Adds what others did at another time. What is live is that of the later ones. */
void event_sums_add(struct event_sums *s, const struct event_sums *other, bool later);

#endif
