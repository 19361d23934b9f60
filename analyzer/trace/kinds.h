/* SPDX-License-Identifier: MIT
 *
 * What is the same for many allocations, told once and named by number from then on. */
#ifndef TRACE_KINDS_H
#define TRACE_KINDS_H

#include "trace/trace_event.h"
#include "util/mem.h"

struct kind {
    uint64_t size, usable;
    uint32_t stack, alignment;
    uint32_t made; /* counted by who reads: blocks of the kind made or reallocated in the group */
    uint16_t ring; /* kind_ring() of `usable` */
    uint8_t call;
};
_Static_assert(sizeof(struct kind) == 32, "two of them in a cache line");

struct kinds {
    struct kind *items; /* by number; owned */
    uint32_t count;
    size_t capacity;
    uint32_t *map; /* hash table of numbers + 1; owned; made by the first kinds_find() */
    unsigned map_bits;
};

/* All zero is an empty table. */
void kinds_release(struct kinds *k);
/* Empties the table and keeps its memory. */
void kinds_clear(struct kinds *k);

/* Which of the rings of freed addresses blocks of a kind come from: about its size. */
static inline uint16_t kind_ring(uint64_t usable)
{
    uint64_t class = usable >> 4;
    if (class >= 64) { /* eight classes per power of two */
        unsigned shift = 60 - (unsigned)__builtin_clzll(class);
        class = 64 + (uint64_t)shift * 8 + (class >> shift & 7);
    }
    return (uint16_t) class;
}

static inline struct kind kind_of_block(const struct trace_block *b)
{
    return (struct kind){.size = b->size,
                         .usable = b->usable,
                         .stack = b->stack,
                         .alignment = b->alignment,
                         .ring = kind_ring(b->usable),
                         .call = b->call};
}

static inline bool kind_same(const struct kind *a, const struct kind *b)
{
    return a->size == b->size && a->stack == b->stack && a->usable == b->usable &&
           a->call == b->call && a->alignment == b->alignment;
}

/* Where such a kind is looked for first; the map must be there. */
static inline uint32_t kinds_home(const struct kinds *k, uint32_t stack, uint64_t size,
                                  uint64_t usable)
{
    uint64_t key = ((uint64_t)stack << 32 ^ size) * UINT64_C(0x9e3779b97f4a7c15);
    key = (key ^ key >> 29 ^ usable) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(key >> (64 - k->map_bits));
}

/* Gives a kind the next number, which is returned. */
static inline uint32_t kinds_add(struct kinds *k, const struct kind *kind)
{
    MEM_GROW(k->items, k->capacity, (size_t)k->count + 1);
    k->items[k->count] = *kind;
    return k->count++;
}

/* Makes these all there are. */
void kinds_replace(struct kinds *k, const struct kind *items, uint32_t count);

/* The number of this kind, or UINT32_MAX; with `add` it is given one where it has none. A table
 * that is searched is only added to in this way. */
uint32_t kinds_find(struct kinds *k, const struct kind *kind, bool add);

#endif
