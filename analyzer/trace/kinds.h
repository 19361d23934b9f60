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
    uint32_t symbol; /* kind_symbol() */
    uint8_t call;
};

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

/* What stands for a kind, and for the blocks of it, where the next event is predicted. */
static inline uint32_t kind_symbol(uint32_t stack, uint64_t size)
{
    return (stack * UINT32_C(0x9e3779b1)) ^ ((uint32_t)size * UINT32_C(0x85ebca77));
}

static inline struct kind kind_of_block(const struct trace_block *b)
{
    return (struct kind){.size = b->size,
                         .usable = b->usable,
                         .stack = b->stack,
                         .alignment = b->alignment,
                         .symbol = kind_symbol(b->stack, b->size),
                         .call = b->call};
}

static inline bool kind_same(const struct kind *a, const struct kind *b)
{
    return a->size == b->size && a->stack == b->stack && a->usable == b->usable &&
           a->call == b->call && a->alignment == b->alignment;
}

/* Gives a kind the next number, which is returned. */
static inline uint32_t kinds_add(struct kinds *k, const struct kind *kind)
{
    MEM_GROW(k->items, k->capacity, (size_t)k->count + 1);
    k->items[k->count] = *kind;
    return k->count++;
}

/* The number of this kind, or UINT32_MAX; with `add` it is given one where it has none. A table
 * that is searched is only added to in this way. */
uint32_t kinds_find(struct kinds *k, const struct kind *kind, bool add);

#endif
