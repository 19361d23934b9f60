/* SPDX-License-Identifier: MIT */
#include "trace/kinds.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BITS 10

void kinds_release(struct kinds *k)
{
    if (!k)
        return;
    free(k->items);
    free(k->map);
    *k = (struct kinds){0};
}

void kinds_clear(struct kinds *k)
{
    if (k->count && k->map)
        memset(k->map, 0, sizeof *k->map << k->map_bits);
    k->count = 0;
}

/* Where the kind stands in the map, or the free place where it would. */
static uint32_t *place_of(const struct kinds *k, const struct kind *kind)
{
    uint32_t mask = (1u << k->map_bits) - 1;
    uint32_t at = kinds_home(k, kind->stack, kind->size, kind->usable);
    while (k->map[at] && !kind_same(&k->items[k->map[at] - 1], kind))
        at = (at + 1) & mask;
    return &k->map[at];
}

static void make_map(struct kinds *k, unsigned bits)
{
    free(k->map);
    k->map_bits = bits;
    k->map = mem_zalloc((size_t)1 << bits, sizeof *k->map);
    mem_wish_huge(k->map, sizeof *k->map << bits);
    mem_wish_huge(k->items, k->capacity * sizeof *k->items); /* has grown about as much */
    for (uint32_t number = 0; number < k->count; number++)
        *place_of(k, &k->items[number]) = number + 1;
}

static unsigned bits_for(uint32_t count)
{
    unsigned bits = FIRST_BITS;
    while (count > (1u << bits) / 2)
        bits++;
    return bits;
}

void kinds_replace(struct kinds *k, const struct kind *items, uint32_t count)
{
    kinds_clear(k);
    MEM_GROW(k->items, k->capacity, count);
    if (count)
        memcpy(k->items, items, count * sizeof *items);
    k->count = count;
    if (k->map)
        make_map(k, bits_for(count));
}

uint32_t kinds_find(struct kinds *k, const struct kind *kind, bool add)
{
    if (!k->map)
        make_map(k, bits_for(k->count));
    uint32_t *place = place_of(k, kind);
    if (*place || !add)
        return *place - 1;
    uint32_t number = kinds_add(k, kind);
    *place = number + 1;
    if (k->count > (1u << k->map_bits) / 2)
        make_map(k, k->map_bits + 1);
    return number;
}
