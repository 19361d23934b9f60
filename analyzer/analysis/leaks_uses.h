/* SPDX-License-Identifier: MIT
 *
 * Live blocks by stack and by what leads to them. Private to leaks.c. */
#ifndef ANALYSIS_LEAKS_USES_H
#define ANALYSIS_LEAKS_USES_H

#include "analysis/leak_graph.h"
#include "analysis/leaks.h"
#include "analysis/live_set.h"

/* What a block is, as sites go. Without a graph all are LIVE. */
enum leaks_sort {
    LEAKS_SORT_LIVE,
    LEAKS_SORT_DEFINITE,
    LEAKS_SORT_POSSIBLE,
    LEAKS_SORT_REACHABLE,
    LEAKS_SORTS,
    LEAKS_SORT_NONE = LEAKS_SORTS, /* indirectly lost: counts with its leader */
};

/* The bit of enum leaks_kind; of LIVE, all. */
unsigned leaks_sort_kind(enum leaks_sort sort);

struct leaks_use {
    uint32_t stack;
    enum leaks_sort sort;
    struct live_use use;
    uint64_t indirect_blocks, indirect_bytes; /* that are lost with those */
    uint64_t ignored_blocks;
};

struct leaks_uses {
    struct leaks_use *items; /* owned */
    size_t count, capacity;
    uint32_t *of_stack[LEAKS_SORTS]; /* by stack: index + 1, 0: none; owned; NULL: no such sort */
    uint32_t stack_count;
};

/* All blocks of the set. `graph` is NULL where there is none. */
void leaks_uses_collect(struct leaks_uses *u, const struct live_set *set,
                        const struct leak_graph *graph);
void leaks_uses_release(struct leaks_uses *u);

/* The sort of the block that live_set_next() has returned; `position` is what it left. */
enum leaks_sort leaks_sort_of(const struct leak_graph *graph, uint32_t position);

#endif
