/* SPDX-License-Identifier: MIT
 *
 * The dominator tree of a heap graph: a root, below it holders (heap_holders.h), and blocks.
 * Vertices are the graph's nodes, then the holders, then the root.
 *
 * What variables lead to is theirs alone: pointers to it in threads' stacks and registers, which
 * come and go and are often no longer used, in blocks that only those lead to, and in lost blocks
 * do not make it shared. Likewise what threads lead to is theirs, and not the dynamic loader's or
 * the lost blocks'. */
#ifndef ANALYSIS_HEAP_TREE_H
#define ANALYSIS_HEAP_TREE_H

#include "analysis/heap_holders.h"
#include "analysis/leak_graph.h"
#include "model/dominators.h"

struct heap_tree {
    const struct heap_graph *graph; /* not owned */
    struct heap_holders holders;
    struct dominators dominators;
    uint32_t count, root; /* vertices */
    /* by vertex; owned, like all below */
    uint64_t *bytes, *blocks;         /* retained, the vertex's own among them */
    uint32_t *first_child, *children; /* of the dominator tree: first_child[v] .. [v + 1] - 1 */
};

void heap_tree_make(struct heap_tree *t, const struct leak_graph *leak, struct symbols *symbols);
void heap_tree_release(struct heap_tree *t);

static inline bool heap_tree_is_block(const struct heap_tree *t, uint32_t vertex)
{
    return vertex < t->graph->count;
}

/* The holder of a vertex that is one. */
static inline const struct heap_holder *heap_tree_holder(const struct heap_tree *t, uint32_t vertex)
{
    return &t->holders.items[vertex - t->graph->count];
}

#endif
