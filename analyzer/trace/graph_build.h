/* SPDX-License-Identifier: MIT
 *
 * From words to pointers: which of them stand in live blocks, and what they point to. */
#ifndef TRACE_GRAPH_BUILD_H
#define TRACE_GRAPH_BUILD_H

#include "trace/graph.h"
#include "trace/graph_file.h"
#include "trace/mapped.h"
#include "trace/trace_event.h"

struct graph_node {
    uint64_t size, usable;
    uint64_t class; /* 0: none */
    uint32_t alignment;
    uint8_t call;
    uint8_t flags; /* enum seep_graph_flag */
};

struct graph_root {
    uint64_t place;
    uint32_t target, region; /* index */
    uint8_t pointer;
};

struct graph_range {
    uint64_t start, end;
};

struct graph_build {
    /* filled by the caller: the nodes by rising address; owned, like all below */
    uint64_t *addresses;
    struct graph_node *nodes;
    size_t count;
    /* private */
    struct graph_range *libc; /* modules of libc, by address */
    size_t libc_count, libc_capacity;
    struct graph_range *heap,
        *code; /* memory that was looked at, and code of modules, by address */
    size_t heap_count, heap_capacity, code_count, code_capacity;
    uint64_t *class_places; /* addresses of words in blocks that hold a class, by address */
    size_t class_count, class_capacity;
    uint64_t *edges; /* source << 32 | target << 2 | pointer */
    size_t edge_count, edge_capacity;
    struct graph_region *regions;
    size_t region_count, region_capacity;
    struct graph_root *roots;
    size_t root_count, root_capacity;
    uint32_t *told;      /* by node: index + 1 of the region it was last told for, */
    uint8_t *told_first; /* and its first pointer there */
    size_t near;         /* node found last */
};

void graph_build_release(struct graph_build *b);

/* The node around the address, as pointers go; SIZE_MAX: none. */
size_t graph_build_find(struct graph_build *b, uint64_t address);

/* Reads the file. Of `modules` those that are loaded count. False where it is damaged. */
bool graph_build_read(struct graph_build *b, struct graph_file *f, const struct mapped *mapped,
                      const struct trace_module *modules, size_t module_count);

/* Writes what was read. `head` has number, event, words, scanned_bytes, scan_ns. Errors: of the
 * trace's writer. */
enum seep_err graph_build_write(struct graph_build *b, struct trace_writer *writer,
                                const struct graph_head *head, struct err *err);

#endif
