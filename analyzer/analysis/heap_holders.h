/* SPDX-License-Identifier: MIT
 *
 * Who holds the pointers to the heap that no block holds: variables, threads' stacks, mappings.
 * Each of them is one vertex between the root of the dominator tree and the blocks. */
#ifndef ANALYSIS_HEAP_HOLDERS_H
#define ANALYSIS_HEAP_HOLDERS_H

#include "model/heap_graph.h"
#include "model/reachability.h"
#include "model/symbols.h"

enum heap_holder_kind {
    HOLDER_VARIABLE,   /* of static storage, by its name */
    HOLDER_MODULE,     /* a module's data of no known name */
    HOLDER_STACK,      /* a thread's stacks and registers */
    HOLDER_THREAD,     /* its thread-local variables */
    HOLDER_MAPPING,    /* memory that the program has mapped itself */
    HOLDER_REGISTERED, /* what it has registered as a root */
    HOLDER_LOADER,     /* the dynamic loader */
    HOLDER_PURPOSE,    /* nobody, but the program said that it is there on purpose */
    HOLDER_NOBODY,     /* lost blocks */
};

struct heap_holder {
    enum heap_holder_kind kind;
    uint32_t thread;         /* STACK, THREAD: number; 0: not known */
    uint64_t address;        /* where it begins, of those that have an address */
    struct symbol_data data; /* VARIABLE, MODULE */
};

struct heap_holders {
    struct heap_holder *items; /* owned */
    size_t count, capacity;
    uint32_t *of_roots;               /* by root of the graph: index of its holder; owned */
    uint32_t loader, purpose, nobody; /* indices; HEAP_GRAPH_NONE: there is none */
};

/* Finds the holders of all roots, and of nodes that are kept, ignored or lost. */
void heap_holders_find(struct heap_holders *h, const struct heap_graph *g,
                       const struct reachability *reach, struct symbols *symbols);
void heap_holders_release(struct heap_holders *h);

/* The holder of a node that no root leads to but that is there: HEAP_GRAPH_NONE for others. */
uint32_t heap_holders_of_node(const struct heap_holders *h, const struct heap_graph *g,
                              const struct reachability *reach, uint32_t node);

#endif
