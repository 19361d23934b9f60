/* SPDX-License-Identifier: MIT
 *
 * How many blocks have each size: of usable sizes, these are the allocator's size classes, as they
 * are in use. */
#ifndef ANALYSIS_SIZE_CLASSES_H
#define ANALYSIS_SIZE_CLASSES_H

#include <stddef.h>
#include <stdint.h>

struct size_class {
    uint64_t bytes, blocks;
};

/* Zero-initialise. */
struct size_classes {
    struct size_class *items; /* smallest first; owned */
    uint32_t count, capacity;
};

/* From here on sizes that are at most 1/16 apart count as one, the largest of them: large
 * blocks may each have a size of their own. */
#define SIZE_CLASSES_EXACT 32768u

void size_classes_add(struct size_classes *c, uint64_t bytes, uint64_t blocks);
/* The size that half of the blocks are no larger than; 0 of none. */
uint64_t size_classes_median(const struct size_classes *c);
void size_classes_release(struct size_classes *c);

#endif
