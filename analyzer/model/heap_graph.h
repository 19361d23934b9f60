/* SPDX-License-Identifier: MIT
 *
 * A heap graph snapshot, joined with the blocks that were live at its moment. What a pointer is,
 * and what is a root, docs/trace-format.md says (GRAPH). */
#ifndef MODEL_HEAP_GRAPH_H
#define MODEL_HEAP_GRAPH_H

#include "trace/graph.h"
#include "trace/trace_reader.h"
#include "util/err.h"

#include <stdbool.h>
#include <stdint.h>

#define HEAP_GRAPH_NONE UINT32_MAX

/* A pointer in memory that is no block's. */
struct heap_graph_root {
    uint64_t place; /* words from the region's start */
    uint32_t target;
    uint32_t region; /* index */
    uint8_t pointer; /* enum seep_graph_pointer */
};

struct heap_graph {
    const struct trace_snapshot *snapshot; /* of the trace's dictionary; NULL: no graph */
    uint32_t count;                        /* nodes: all live blocks but those of pools */
    /* by node; owned, like all below */
    uint32_t *slots;
    uint64_t *addresses;
    uint64_t *sizes; /* requested bytes */
    uint64_t *births;
    uint32_t *stacks;
    uint32_t *classes; /* index in class_addresses + 1; 0: none */
    uint8_t *flags;    /* enum seep_graph_flag */
    uint8_t *kept;     /* live by itself: its pointer lies where nobody looks. Set by the user */
    uint32_t *first_edges; /* index of the first edge; of node `count`: the number of edges */
    uint32_t *edges;       /* target << 2 | enum seep_graph_pointer */
    struct graph_region *regions;
    struct heap_graph_root *roots;
    uint64_t *class_addresses;
    uint32_t region_count, root_count, class_count;
    uint64_t words, scanned_bytes, scan_ns;
};

static inline uint32_t heap_graph_target(uint32_t edge)
{
    return edge >> 2;
}

static inline enum seep_graph_pointer heap_graph_pointer(uint32_t edge)
{
    return (enum seep_graph_pointer)(edge & 3);
}

/* A graph that is there. */
struct heap_graph_choice {
    const struct trace_snapshot *snapshot; /* NULL: there is none */
    const char *why_not;                   /* there is none: why, in words; a constant text */
};

/* Finds the last snapshot whose graph the trace holds, of those that `wanted` (NULL: all) is true
 * for. Errors: IO. */
enum seep_err heap_graph_choose(struct heap_graph_choice *choice, struct trace_reader *reader,
                                bool (*wanted)(void *arg, const struct trace_snapshot *snapshot),
                                void *arg, struct err *err);

/* Reads the graph of a snapshot that was chosen. The reader stands before the event of that number:
 * the live blocks are the snapshot's. *fits is false where they are not, or the graph is damaged;
 * *g is empty then. Owned by the caller, heap_graph_release(). Errors: IO. */
enum seep_err heap_graph_load(struct heap_graph *g, struct trace_reader *reader,
                              const struct trace_snapshot *snapshot, bool *fits, struct err *err);
void heap_graph_release(struct heap_graph *g);

/* The node around the address; HEAP_GRAPH_NONE: none. */
uint32_t heap_graph_find(const struct heap_graph *g, uint64_t address);

#endif
