/* SPDX-License-Identifier: MIT
 *
 * The live blocks as both sides of the format keep them, so that a slot means the same to the
 * writer and to the reader.
 *
 * Slots are dense from 1. A block gets the slot given back last, else the next one never used; it
 * keeps it while it is reallocated in one place of the order, and gets a new one where a
 * reallocation takes two. All live blocks form a list by age, which is by rising birth: a
 * reallocation makes its block the youngest again. Slot 0 holds no block: it joins both ends of the
 * list.
 *
 * What is the same for many blocks, their kind, stands apart; so do the links of the list, for
 * finding a block walks over those of others. 40 bytes a block. */
#ifndef TRACE_LIVE_H
#define TRACE_LIVE_H

#include "trace/bytes.h"
#include "trace/kinds.h"
#include "trace/trace_event.h"

#define LIVE_NONE 0u                 /* no slot, no block */
#define LIVE_DEAD (UINT32_MAX - 1)   /* in `older`: the slot holds no block, */
#define LIVE_UNUSED (UINT32_MAX - 2) /* and none can be put there yet: for checkpoints */
#define LIVE_NO_FLIGHT UINT32_MAX

#define LIVE_FLAGS_SHIFT 56 /* in `birth`; event numbers stay below */
#define LIVE_NUMBER(birth) ((birth) & ((UINT64_C(1) << LIVE_FLAGS_SHIFT) - 1))

struct live_slot {
    uint64_t address;
    uint64_t time_ns;
    uint64_t birth; /* number of the event that made it or last reallocated it; flags above */
    uint32_t kind;
    uint32_t thread;
};
_Static_assert(sizeof(struct live_slot) == 32, "two of them in a cache line");

struct live_links {
    uint32_t older, younger; /* in the list by age; dead: LIVE_DEAD, and the slot taken after it */
};

/* A reallocation whose second place is still to come. */
struct live_flight {
    struct live_slot before;
    uint32_t link; /* 0: this entry is free */
};

struct live {
    struct live_slot *slots;  /* owned, like all below */
    struct live_links *links; /* [0]: the youngest is `older`, the oldest `younger` */
    size_t capacity;          /* of both */
    uint32_t slot_count;      /* slots ever used, slot 0 included */
    uint32_t count;           /* live blocks */
    uint32_t first_free;      /* dead slot that is taken next */
    struct kinds kinds;
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
    return slot && slot < l->slot_count && l->links[slot].older < LIVE_UNUSED;
}

static inline uint32_t live_youngest(const struct live *l)
{
    return l->links[0].older;
}

static inline uint32_t live_oldest(const struct live *l)
{
    return l->links[0].younger;
}

/* Field by field: what was just written in small pieces cannot be read in one without the processor
 * waiting until it is in the cache. */
static inline void live_fill(struct live_slot *to, const struct live_slot *from)
{
    to->address = from->address;
    to->time_ns = from->time_ns;
    to->birth = from->birth;
    to->kind = from->kind;
    to->thread = from->thread;
}

/* The block as it is shown to others. */
static inline void live_show(const struct live *l, const struct live_slot *s, struct trace_block *b)
{
    const struct kind *k = &l->kinds.items[s->kind];
    b->address = s->address;
    b->size = k->size;
    b->usable = k->usable;
    b->time_ns = s->time_ns;
    b->birth = LIVE_NUMBER(s->birth);
    b->stack = k->stack;
    b->thread = s->thread;
    b->alignment = k->alignment;
    b->call = k->call;
    b->flags = (uint8_t)(s->birth >> LIVE_FLAGS_SHIFT);
}

/* A group begins: numbers the kinds of all blocks from 0 in the order in which the list by age,
 * from the oldest on, and then the flights name them, and forgets all others. */
void live_renumber(struct live *l);

/* For checkpoints: makes `slot`, and all below it, used. What is neither put nor given a place
 * among the free ones afterwards is of no use. */
void live_use(struct live *l, uint32_t slot);
/* Makes an unused slot the one that is taken after `last`, or first if that is LIVE_NONE. */
void live_add_free(struct live *l, uint32_t last, uint32_t slot);
/* Puts a block into an unused slot as the youngest. */
void live_put(struct live *l, uint32_t slot, const struct live_slot *block);

void live_grow(struct live *l, size_t slots); /* private: room for so many slots */

static inline void live_link_youngest(struct live *l, uint32_t slot)
{
    uint32_t youngest = l->links[0].older;
    l->links[slot] = (struct live_links){youngest, 0};
    l->links[youngest].younger = slot;
    l->links[0].older = slot;
}

static inline void live_unlink(struct live *l, uint32_t slot)
{
    struct live_links at = l->links[slot];
    l->links[at.older].younger = at.younger;
    l->links[at.younger].older = at.older;
}

/* A block enters as the youngest: the slot that is returned is to be filled. */
static inline uint32_t live_enter(struct live *l)
{
    uint32_t slot = l->first_free;
    if (slot) {
        l->first_free = l->links[slot].younger;
    } else {
        if (l->slot_count == l->capacity)
            live_grow(l, (size_t)l->slot_count + 1);
        slot = l->slot_count++;
    }
    live_link_youngest(l, slot);
    l->count++;
    return slot;
}

/* A block leaves; it can still be read until another takes its slot. */
static inline void live_leave(struct live *l, uint32_t slot)
{
    live_unlink(l, slot);
    l->links[slot] = (struct live_links){LIVE_DEAD, l->first_free};
    l->first_free = slot;
    l->count--;
}

/* The block in `slot` is changed, and becomes the youngest. */
static inline void live_touch(struct live *l, uint32_t slot)
{
    live_unlink(l, slot);
    live_link_youngest(l, slot);
}

/* A reallocation has left its first place; returns its flight. */
uint32_t live_start_flight(struct live *l, const struct live_slot *before, uint32_t link);
/* It has come to the second: `flight` is one that is on its way. */
void live_end_flight(struct live *l, uint32_t flight);

/* Does to the blocks what the reader's did at the event. */
void live_apply(struct live *l, const struct trace_event *ev);

/* The flight of `link`, LIVE_NO_FLIGHT if there is none. */
uint32_t live_find_flight(const struct live *l, uint32_t link);

#endif
