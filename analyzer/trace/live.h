/* SPDX-License-Identifier: MIT
 *
 * The live blocks as both sides of the format keep them, so that a slot means the same to the
 * writer and to the reader.
 *
 * Slots are dense. A block gets the slot given back last, else the next one never used; it keeps it
 * while it is reallocated in one place of the order, and gets a new one where a reallocation takes
 * two. All live blocks form a list by age, which is by rising `birth`: a reallocation makes its
 * block the youngest again. */
#ifndef TRACE_LIVE_H
#define TRACE_LIVE_H

#include "trace/bytes.h"
#include "trace/trace_event.h"

#define LIVE_NONE UINT32_MAX       /* no slot: end of the list */
#define LIVE_DEAD (UINT32_MAX - 1) /* in live_link.older: the slot holds no block */

struct live_link {
    uint32_t older, younger;
};

/* A reallocation whose second place is still to come. */
struct live_flight {
    struct trace_block before;
    uint32_t link; /* 0: this entry is free */
};

struct live {
    struct trace_block *blocks; /* by slot; owned, like all below */
    struct live_link *links;    /* by slot */
    size_t capacity, link_capacity;
    uint32_t slot_count; /* slots ever used */
    uint32_t count;      /* live blocks */
    uint32_t oldest, youngest;
    uint32_t *free_slots; /* the last one is taken next */
    size_t free_capacity;
    uint32_t free_count;
    struct live_flight *flights; /* dense and reused like slots */
    size_t flight_capacity;
    uint32_t flight_slots;
    uint32_t flight_count;
    uint32_t *free_flights;
    size_t free_flight_capacity;
    uint32_t free_flight_count;
};

void live_init(struct live *l);
void live_release(struct live *l);
/* Empties everything and keeps the memory. */
void live_clear(struct live *l);

static inline const struct trace_block *live_block(const struct live *l, uint32_t slot)
{
    return slot < l->slot_count && l->links[slot].older != LIVE_DEAD ? &l->blocks[slot] : NULL;
}

/* For checkpoints: makes `slot`, and all below it, used and dead; makes a dead slot the one that is
 * taken next. */
void live_use(struct live *l, uint32_t slot);
void live_push_free(struct live *l, uint32_t slot);

/* Puts a block into a slot of its own as the youngest; for live_apply() and checkpoints. The slot
 * must be dead; slots up to it become used. */
void live_put(struct live *l, uint32_t slot, const struct trace_block *block);

/* Applies an event of which type, call, flags, thread, stack, number, time_ns and
 *   ALLOC                      after.{address,size,usable,alignment}
 *   FREE, REALLOC, REALLOC_OUT slot, live; REALLOC also `after`; REALLOC_OUT link
 *   REALLOC_IN                 `after`; `flight`, the index of its REALLOC_OUT
 * are set, and sets slot, before, and the rest of after; link for REALLOC_IN. Returns the index of
 * the flight for REALLOC_OUT, else 0. */
uint32_t live_apply(struct live *l, struct trace_event *ev, uint32_t flight);

/* The flight of `link`, LIVE_NONE if there is none. */
uint32_t live_find_flight(const struct live *l, uint32_t link);

#endif
