/* SPDX-License-Identifier: MIT
 *
 * Address ranges that may nest and overlap, and the quick answer to "which of them contain this
 * address". Units, functions, inlined calls and symbols are all looked up through it. */
#ifndef MODEL_RANGES_H
#define MODEL_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
    uint64_t start, end; /* end exclusive */
    uint64_t reach;      /* greatest end among this range and all before it */
    uint32_t value;      /* the caller's */
    uint32_t depth;      /* the caller's; orders ranges of equal start */
};

/* Zero-initialise. Add, then sort once, then look up. */
struct ranges {
    struct range *items; /* owned, freed by ranges_release() */
    size_t count, capacity;
};

/* Adds [start, end); an empty range is ignored. */
void ranges_add(struct ranges *r, uint64_t start, uint64_t end, uint32_t value, uint32_t depth);
/* Orders by (start, depth); must follow the last ranges_add() and precede the first lookup. */
void ranges_sort(struct ranges *r);

#define RANGES_FIRST SIZE_MAX

/* The next range that contains `address`, those that start last first; NULL past the last.
 * `*cursor` is RANGES_FIRST before the first call. */
const struct range *ranges_next(const struct ranges *r, uint64_t address, size_t *cursor);

void ranges_release(struct ranges *r);

#endif
