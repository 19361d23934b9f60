/* SPDX-License-Identifier: MIT
 *
 * A heap graph in the trace: the columns of GRAPH chunks, in and out.
 *
 *   node     a live block that is in no pool, by rising address, from 0
 *   edge     a pointer in one node to another, or to itself
 *   region   memory in which roots stand
 *   root     a pointer to a node that stands in no node */
#ifndef TRACE_GRAPH_H
#define TRACE_GRAPH_H

#include "trace/columns.h"
#include "util/err.h"

/* What every chunk of a graph says first. */
struct graph_head {
    uint64_t number; /* of the snapshot */
    uint64_t chunk;  /* of the graph, from 0 */
    bool last;
    uint64_t event; /* the graph stands before the event of that number */
    uint64_t nodes; /* of the graph */
    uint32_t checksum;
    uint64_t first, count; /* nodes told in this chunk */
    uint64_t regions;      /* and regions */
    uint64_t words, scanned_bytes, scan_ns;
};

/* Which nodes there are: the checksum of their addresses, by rising node. */
uint32_t graph_checksum(const uint64_t *addresses, size_t count);

/* Reads the head of a chunk whose columns were decoded. False where it makes no sense. */
bool graph_take_head(struct graph_head *h, const struct columns *c);

struct graph_region {
    enum seep_graph_region kind;
    uint64_t start, bytes; /* start 0: registers, which have no address */
    uint32_t thread;       /* 0: of none */
};

/* Who is told what a chunk holds; nodes come by rising number, each before its edges. `pointer` is
 * the one of its kind that there is, first of enum seep_graph_pointer. `place`: words from the
 * region's start. */
struct graph_sink {
    void (*node)(void *arg, uint32_t node, uint8_t flags, uint64_t class);
    void (*edge)(void *arg, uint32_t node, uint32_t target, enum seep_graph_pointer pointer);
    void (*region)(void *arg, const struct graph_region *region);
    void (*root)(void *arg, uint64_t place, uint32_t target, enum seep_graph_pointer pointer);
    void *arg;
};

/* Tells what the chunk holds. False where that makes no sense; part of it may have been told then.
 * Nodes named are below head->nodes. */
bool graph_take_chunk(const struct graph_head *head, const struct columns *c,
                      const struct graph_sink *sink);

/* ------------------------------------------------------------------ writing */

struct trace_writer;

#define GRAPH_CLASS_SLOTS 4096 /* of the table of a chunk's classes; a chunk has half as many */

/* Writes a graph: all nodes in order, then all regions. */
struct graph_writer {
    struct trace_writer *writer;
    struct graph_head head;
    struct columns columns; /* of the chunk in the making */
    size_t chunk_bytes;     /* it is written from so many on; 0: the default. For tests */
    uint64_t class_last, classes;
    struct graph_class_slot {
        uint64_t address;
        uint32_t number; /* + 1; 0: free */
    } * class_slots;     /* owned */
    struct graph_region region;
    bool in_region;
    uint64_t region_roots, region_end, root_place;
    uint32_t root_target;
    enum seep_err failed;
    struct err *err;
};

struct graph_edge {
    uint32_t target;
    uint32_t pointer; /* enum seep_graph_pointer */
};

/* `head` has number, event, nodes, checksum and what follows `regions`. `err` may be NULL. */
void graph_writer_begin(struct graph_writer *w, struct trace_writer *writer,
                        const struct graph_head *head, struct err *err);
/* The next node; `edges` by rising target, each once. class 0: none. */
void graph_writer_node(struct graph_writer *w, uint8_t flags, uint64_t class,
                       const struct graph_edge *edges, size_t count);
/* A region begins; its roots follow, by rising place. One without roots is not told. */
void graph_writer_region(struct graph_writer *w, const struct graph_region *region);
void graph_writer_root(struct graph_writer *w, uint64_t place, uint32_t target,
                       enum seep_graph_pointer pointer);
/* Writes the last chunk and frees what the writer owns. Errors: of the trace's writer. */
enum seep_err graph_writer_end(struct graph_writer *w);

#endif
