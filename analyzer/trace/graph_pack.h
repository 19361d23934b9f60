/* SPDX-License-Identifier: MIT
 *
 * Makes heap graphs of what snapshots have left in the spool (`graph.N`: words that may be
 * pointers) and the blocks that are live at their moment.
 *
 * The moment is where the snapshot's record stands in the order of events. Its file may still be
 * being written then: the packer waits for it, for a time. A packer that goes on where another was
 * killed meets the records again as it copies the trace, and makes their graphs anew. */
#ifndef TRACE_GRAPH_PACK_H
#define TRACE_GRAPH_PACK_H

#include "trace/mapped.h"
#include "trace/spool.h"
#include "trace/trace_writer.h"

/* The program said that the block at an address is there on purpose. */
struct graph_ignored {
    uint64_t address;
    uint64_t number; /* of the next event then */
};

/* From that event on what a thread makes is there on purpose, or no more. */
struct graph_switch {
    uint64_t number;
    uint32_t order; /* in which they were told */
    uint32_t thread;
    bool on;
};

struct graph_packer {
    struct trace_writer *writer;
    const struct spool *spool;
    const struct spool_notes *notes; /* may be NULL */
    bool (*go_on)(void *arg);        /* false: stop waiting, INTERRUPTED; may be NULL */
    void *go_on_arg;
    struct mapped mapped;
    struct graph_ignored *ignored; /* owned */
    size_t ignored_count, ignored_capacity;
    struct graph_switch *switches; /* owned */
    size_t switch_count, switch_capacity;
};

/* All pointers must outlive *g. */
void graph_packer_init(struct graph_packer *g, struct trace_writer *writer,
                       const struct spool *spool, const struct spool_notes *notes);
void graph_packer_release(struct graph_packer *g);

/* Takes a record, of any kind, that the writer was given just now; of a SEEP_BESIDE_GRAPH writes
 * the graph, where there is one. `modules`: those met so far. Errors: of the writer, INTERRUPTED.
 */
enum seep_err graph_packer_take(struct graph_packer *g, enum seep_beside kind,
                                const uint8_t *payload, size_t length,
                                const struct trace_module *modules, size_t module_count,
                                struct err *err);

#endif
