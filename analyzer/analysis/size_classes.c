/* SPDX-License-Identifier: MIT */
#include "analysis/size_classes.h"

#include "util/bisect.h"
#include "util/histogram.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

void size_classes_add(struct size_classes *c, uint64_t bytes, uint64_t blocks)
{
    uint64_t key = bytes < SIZE_CLASSES_EXACT ? bytes : histogram_top(histogram_bucket(bytes));
    /* the first that is not smaller */
    uint32_t low = (uint32_t)BISECT(i, c->count, c->items[i].bytes < key);
    if (low == c->count || c->items[low].bytes != key) {
        if (c->count == c->capacity) {
            c->capacity = c->capacity ? c->capacity * 2 : 1; /* most call sites have one */
            c->items = mem_resize(c->items, c->capacity, sizeof *c->items);
        }
        memmove(c->items + low + 1, c->items + low, (c->count - low) * sizeof *c->items);
        c->items[low] = (struct size_class){.bytes = key};
        c->count++;
    }
    c->items[low].blocks += blocks;
}

uint64_t size_classes_median(const struct size_classes *c)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < c->count; i++)
        total += c->items[i].blocks;
    for (uint32_t i = 0; i < c->count; i++) {
        seen += c->items[i].blocks;
        if (seen >= total - seen)
            return c->items[i].bytes;
    }
    return 0;
}

void size_classes_release(struct size_classes *c)
{
    free(c->items);
    *c = (struct size_classes){0};
}
