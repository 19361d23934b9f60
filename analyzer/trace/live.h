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

#define LIVE_NONE UINT32_MAX         /* no slot: end of a list */
#define LIVE_DEAD (UINT32_MAX - 1)   /* in `older`: the slot holds no block, */
#define LIVE_UNUSED (UINT32_MAX - 2) /* and none can be put there yet: for checkpoints */

/* A cache line. */
struct live_slot {
    struct trace_block block;
    uint32_t older, younger; /* in the list by age; dead: LIVE_DEAD, and the slot taken after it */
};
_Static_assert(sizeof(struct live_slot) == 64, "a cache line");

/* A reallocation whose second place is still to come. */
struct live_flight {
    struct trace_block before;
    uint32_t link; /* 0: this entry is free */
};

struct live {
    struct live_slot *slots; /* owned, like all below */
    size_t capacity;
    uint32_t slot_count; /* slots ever used */
    uint32_t count;      /* live blocks */
    uint32_t oldest, youngest;
    uint32_t first_free;         /* dead slot that is taken next */
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

/* Makes *to, uninitialised before, the same as *from. live_release(). */
void live_copy(struct live *to, const struct live *from);

static inline bool live_has(const struct live *l, uint32_t slot)
{
    return slot < l->slot_count && l->slots[slot].older != LIVE_DEAD &&
           l->slots[slot].older != LIVE_UNUSED;
}

static inline const struct trace_block *live_block(const struct live *l, uint32_t slot)
{
    return live_has(l, slot) ? &l->slots[slot].block : NULL;
}

/* For checkpoints: makes `slot`, and all below it, used. What is neither put nor given a place
 * among the free ones afterwards is of no use. */
void live_use(struct live *l, uint32_t slot);
/* Makes an unused slot the one that is taken after `last`, or first if that is LIVE_NONE. */
void live_add_free(struct live *l, uint32_t last, uint32_t slot);

/* Puts a block into an unused slot as the youngest. */
void live_put(struct live *l, uint32_t slot, const struct trace_block *block);

void live_grow(struct live *l); /* private: room for one more slot */

/* Field by field: what was just written in small pieces cannot be read in large ones without the
 * processor waiting until it is in the cache. */
static inline void live_copy_block(struct trace_block *to, const struct trace_block *from)
{
    to->address = from->address;
    to->size = from->size;
    to->usable = from->usable;
    to->time_ns = from->time_ns;
    to->birth = from->birth;
    to->stack = from->stack;
    to->thread = from->thread;
    to->alignment = from->alignment;
    to->call = from->call;
    to->flags = from->flags;
}

static inline void live_link_youngest(struct live *l, uint32_t slot)
{
    l->slots[slot].older = l->youngest;
    l->slots[slot].younger = LIVE_NONE;
    *(l->youngest == LIVE_NONE ? &l->oldest : &l->slots[l->youngest].younger) = slot;
    l->youngest = slot;
}

static inline void live_unlink(struct live *l, uint32_t slot)
{
    uint32_t older = l->slots[slot].older, younger = l->slots[slot].younger;
    *(older == LIVE_NONE ? &l->oldest : &l->slots[older].younger) = younger;
    *(younger == LIVE_NONE ? &l->youngest : &l->slots[younger].older) = older;
}

/* A block enters as the youngest, in the slot that is returned. */
static inline uint32_t live_enter(struct live *l, const struct trace_block *block)
{
    uint32_t slot = l->first_free;
    if (slot != LIVE_NONE) {
        l->first_free = l->slots[slot].younger;
    } else {
        if (l->slot_count == l->capacity)
            live_grow(l);
        slot = l->slot_count++;
    }
    live_copy_block(&l->slots[slot].block, block);
    live_link_youngest(l, slot);
    l->count++;
    return slot;
}

/* A block leaves; it can still be read until another takes its slot. */
static inline void live_leave(struct live *l, uint32_t slot)
{
    live_unlink(l, slot);
    l->slots[slot].older = LIVE_DEAD;
    l->slots[slot].younger = l->first_free;
    l->first_free = slot;
    l->count--;
}

/* The block in `slot` becomes another, the youngest. */
static inline void live_change(struct live *l, uint32_t slot, const struct trace_block *block)
{
    live_unlink(l, slot);
    live_copy_block(&l->slots[slot].block, block);
    live_link_youngest(l, slot);
}

/* A reallocation has left its first place; returns its flight. */
uint32_t live_start_flight(struct live *l, const struct trace_block *before, uint32_t link);
/* It has come to the second: `flight` is one that is on its way. */
void live_end_flight(struct live *l, uint32_t flight);

/* The flight of `link`, LIVE_NONE if there is none. */
uint32_t live_find_flight(const struct live *l, uint32_t link);

#endif
