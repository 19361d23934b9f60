/* SPDX-License-Identifier: MIT
 *
 * Where blocks were made, in which interval of the trace, and in which they ended: from these sums
 * all costs of all windows between two borders follow, exactly, without reading the trace again.
 * For the intervals i .. j, with `b` the border where the most is live, all of blocks born in
 * i .. j:
 *
 *   allocations, allocated   blocks, bytes
 *   temporary                `temporary`, of what ended in i .. j, too
 *   live                     bytes of what ended after j
 *   peak                     bytes of what was born up to b and ended after it
 *
 * and growth: what is live after j less what was live before i, whenever born. */
#ifndef ANALYSIS_LIVES_H
#define ANALYSIS_LIVES_H

#include "analysis/lives_grid.h"

/* Blocks of malloc; those of pools lie within them. A reallocation ends one and makes one. */
struct lives_row {
    uint32_t key;         /* where they were made: what the caller calls it */
    uint32_t born, ended; /* intervals, from 1. Born 0: before the trace, or inherited. Ended
                             behind the last, intervals + 1: never; intervals + 1 + i: nor that,
                             but their process ended in interval i */
    uint32_t blocks, temporary;
    uint64_t bytes; /* requested */
};

/* How many blocks of a size, or of a lifetime, were made or ended in an interval. */
struct lives_class {
    uint32_t made, freed;
    uint64_t made_bytes, freed_bytes;
};

#define LIVES_CLASSES 65 /* by the number of bits of the value: 0; 1; 2 .. 3; 4 .. 7; ... */

struct lives {
    struct lives_grid grid;
    struct lives_row *rows; /* by key, born, ended; owned */
    size_t count, capacity;
    struct lives_class *sizes;     /* [interval * LIVES_CLASSES + class]; interval 0: what was live
                                      at first; owned, as the next */
    struct lives_class *lifetimes; /* the same by ns lived: `freed` of what ended; made is 0 */
};

/* Reads the trace, whose reader stands at the start, twice. keys[stack] is the key of what that
 * stack made. `parts`: see lives_grid.h; there are fewer, and wider ones, where there would be more
 * than `most_rows` rows. Released by lives_release(), also after an error. Where the trace is
 * damaged, what was live before a gap and is not after it has ended there, and what came into being
 * within counts as made when it was. Errors: as lives_grid_read(). */
enum seep_err lives_read(struct lives *l, struct trace_reader *reader, const uint32_t *keys,
                         uint32_t parts, size_t most_rows,
                         bool (*progress)(void *arg, double fraction), void *progress_arg,
                         struct err *err);
void lives_release(struct lives *l);

/* Gives each key another, keys[key], and adds up what becomes the same. */
void lives_rename(struct lives *l, const uint32_t *keys);

/* The class of a value. */
static inline unsigned lives_class_of(uint64_t value)
{
    return value ? 64u - (unsigned)__builtin_clzll(value) : 0;
}

#endif
