/* SPDX-License-Identifier: MIT */
#include "analysis/leak_graph.h"

#include "model/module_kind.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* Modules whose blocks are held where no snapshot looks, or in a way of their own: the loader, and
 * a library that serves malloc. What libc makes is the program's. */
static bool keeps_its_own(const struct trace_module *m, const char *allocator)
{
    if (!m || module_kind(m->path) == MODULE_LOADER)
        return m != NULL;
    return module_kind(m->path) == MODULE_OTHER && allocator && strcmp(m->path, allocator) == 0;
}

void leak_graph_keep_own(struct heap_graph *g, struct symbols *symbols,
                         const struct trace_dict *dict, const struct trace_facts *facts)
{
    /* the program may bring its malloc along */
    bool linked =
        facts->allocator_path && facts->exe && strcmp(facts->allocator_path, facts->exe) == 0;
    const char *allocator = linked ? NULL : facts->allocator_path;
    enum { UNKNOWN, NO, YES };
    uint8_t *known = mem_zalloc((size_t)dict->stack_count + 1, 1);
    for (uint32_t node = 0; node < g->count; node++) {
        uint32_t stack = g->stacks[node];
        if (!stack || stack > dict->stack_count)
            continue;
        if (known[stack] == UNKNOWN)
            known[stack] =
                keeps_its_own(symbols_module_of_node(symbols, stack), allocator) ? YES : NO;
        g->kept[node] |= known[stack] == YES;
    }
    free(known);
}

static void find_held(struct leak_graph *g)
{
    const struct heap_graph *graph = &g->graph;
    g->held_blocks = mem_zalloc((size_t)graph->count + 1, sizeof *g->held_blocks);
    g->held_bytes = mem_zalloc((size_t)graph->count + 1, sizeof *g->held_bytes);
    for (uint32_t node = 0; node < graph->count; node++) {
        if (leak_graph_verdict(g, node) != REACH_INDIRECT)
            continue;
        g->held_blocks[g->reach.leaders[node]]++;
        g->held_bytes[g->reach.leaders[node]] += graph->sizes[node];
    }
}

enum seep_err leak_graph_load(struct leak_graph *g, struct trace_reader *reader,
                              struct symbols *symbols, const struct trace_snapshot *snapshot,
                              bool *fits, struct err *err)
{
    memset(g, 0, sizeof *g);
    enum seep_err code = heap_graph_load(&g->graph, reader, snapshot, fits, err);
    if (code || !*fits)
        return code;
    uint32_t slots = trace_reader_slot_count(reader);
    g->node_of_slot = mem_alloc(((size_t)slots + 1) * sizeof *g->node_of_slot);
    memset(g->node_of_slot, 0xff, ((size_t)slots + 1) * sizeof *g->node_of_slot);
    for (uint32_t node = 0; node < g->graph.count; node++)
        g->node_of_slot[g->graph.slots[node]] = node;
    leak_graph_keep_own(&g->graph, symbols, trace_reader_dict(reader), trace_reader_facts(reader));
    reachability_find(&g->reach, &g->graph);
    find_held(g);
    return SEEP_OK;
}

void leak_graph_release(struct leak_graph *g)
{
    heap_graph_release(&g->graph);
    reachability_release(&g->reach);
    free(g->node_of_slot);
    free(g->held_blocks);
    free(g->held_bytes);
    memset(g, 0, sizeof *g);
}
