/* SPDX-License-Identifier: MIT */
#include "model/ranges.h"

#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

void ranges_add(struct ranges *r, uint64_t start, uint64_t end, uint32_t value, uint32_t depth)
{
    if (start >= end)
        return;
    MEM_GROW(r->items, r->capacity, r->count + 1);
    r->items[r->count++] =
        (struct range){.start = start, .end = end, .value = value, .depth = depth};
}

static int by_start(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->depth > y->depth) - (x->depth < y->depth);
}

void ranges_sort(struct ranges *r)
{
    if (r->count > 1)
        qsort(r->items, r->count, sizeof *r->items, by_start);
    uint64_t reach = 0;
    for (size_t i = 0; i < r->count; i++) {
        if (r->items[i].end > reach)
            reach = r->items[i].end;
        r->items[i].reach = reach;
    }
}

const struct range *ranges_next(const struct ranges *r, uint64_t address, size_t *cursor)
{
    size_t at = *cursor;
    if (at == RANGES_FIRST) {
        /* first range that starts behind the address */
        size_t low = BISECT(i, r->count, r->items[i].start <= address);
        at = low;
    }
    while (at > 0) {
        const struct range *range = &r->items[--at];
        if (range->reach <= address)
            break; /* nothing before reaches this far */
        if (range->end > address) {
            *cursor = at;
            return range;
        }
    }
    *cursor = 0;
    return NULL;
}

void ranges_release(struct ranges *r)
{
    free(r->items);
    memset(r, 0, sizeof *r);
}
