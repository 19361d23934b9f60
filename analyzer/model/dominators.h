/* SPDX-License-Identifier: MIT
 *
 * Dominator trees: a vertex is dominated by another if each way from the root to it leads over that
 * one; the nearest such vertex is its parent in the tree. In a heap graph: what would be freed with
 * a block if the pointers to it were gone.
 *
 * Lengauer, Tarjan: A Fast Algorithm for Finding Dominators in a Flowgraph (1979), the variant with
 * simple linking: O(m log n) whatever the graph, where iterating until nothing changes takes O(n^2)
 * for a ladder of lists. */
#ifndef MODEL_DOMINATORS_H
#define MODEL_DOMINATORS_H

#include <stdint.h>

#define DOMINATORS_NONE UINT32_MAX

/* Edges from `vertex` lead to targets[first[vertex]] .. targets[first[vertex + 1] - 1]. */
struct flow_graph {
    uint32_t count; /* of vertices */
    uint32_t root;
    const uint32_t *first, *targets; /* not owned */
};

struct dominators {
    uint32_t *parents; /* by vertex; NONE: the root, or never reached. Owned, like the next one */
    uint32_t *order;   /* vertices that are reached, each behind its parent; the root first */
    uint32_t reached;
};

void dominators_find(struct dominators *d, const struct flow_graph *g);
void dominators_release(struct dominators *d);

/* Adds to the weight of each vertex those of all that it dominates. */
void dominators_sum(const struct dominators *d, uint64_t *weights);

#endif
