/* SPDX-License-Identifier: MIT
 *
 * What leads to the blocks of a live set: the heap graph of its moment, with verdicts. */
#ifndef ANALYSIS_LEAK_GRAPH_H
#define ANALYSIS_LEAK_GRAPH_H

#include "model/heap_graph.h"
#include "model/reachability.h"
#include "model/symbols.h"

/* All zero: there is none. */
struct leak_graph {
    struct heap_graph graph; /* its `snapshot` is NULL where there is none */
    struct reachability reach;
    uint32_t *node_of_slot; /* owned, like all below; HEAP_GRAPH_NONE: a pool's */
    uint64_t *held_blocks;  /* by node: of a definitely lost one, the indirectly lost blocks that */
    uint64_t *held_bytes;   /* stand with it, and their bytes */
};

/* Reads the graph of a snapshot, before whose event the reader stands, and judges. *fits is false,
 * and *g empty, where it cannot be used. Errors: IO. */
enum seep_err leak_graph_load(struct leak_graph *g, struct trace_reader *reader,
                              struct symbols *symbols, const struct trace_snapshot *snapshot,
                              bool *fits, struct err *err);
void leak_graph_release(struct leak_graph *g);

/* Keeps blocks that the dynamic loader made: threads' variables and lists of modules, to which it
 * holds pointers where no snapshot looks; and those that a library made which serves malloc. */
void leak_graph_keep_own(struct heap_graph *g, struct symbols *symbols,
                         const struct trace_dict *dict, const struct trace_facts *facts);

static inline enum reach_verdict leak_graph_verdict(const struct leak_graph *g, uint32_t node)
{
    return (enum reach_verdict)g->reach.verdicts[node];
}

#endif
