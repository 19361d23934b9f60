/* SPDX-License-Identifier: MIT
 *
 * The shortest way from what holds the heap to a block. */
#ifndef ANALYSIS_HEAP_PATH_H
#define ANALYSIS_HEAP_PATH_H

#include "analysis/heap_groups.h"
#include "analysis/heap_tree.h"

struct heap_path {
    uint32_t holder;   /* index; HEAP_GRAPH_NONE: nothing leads there */
    uint64_t address;  /* of the pointer that the holder has; 0: not known */
    uint32_t *nodes;   /* from the first block to the one that was sought; owned */
    uint8_t *pointers; /* enum seep_graph_pointer, to each; owned */
    size_t count;
};

/* Finds the way to the nearest node that `wanted` is true for. Ways from variables and mappings
 * come before those from threads' stacks, which often hold pointers that are no longer used, and
 * all of them before those from nowhere. False if there is no such node. */
bool heap_path_find(struct heap_path *p, const struct heap_tree *t,
                    const struct reachability *reach, bool (*wanted)(void *arg, uint32_t node),
                    void *arg);
void heap_path_release(struct heap_path *p);

#endif
