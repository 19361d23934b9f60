/* SPDX-License-Identifier: MIT */
#include "analysis/heap_tree.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* Calls `edge` for each edge from a holder: root by root, then nodes that are there without one. */
static void each_held(const struct heap_tree *t, const struct reachability *reach,
                      void (*edge)(void *arg, uint32_t holder, uint32_t node), void *arg)
{
    const struct heap_graph *g = t->graph;
    for (uint32_t i = 0; i < g->root_count; i++)
        edge(arg, t->holders.of_roots[i], g->roots[i].target);
    for (uint32_t node = 0; node < g->count; node++) {
        uint32_t holder = heap_holders_of_node(&t->holders, g, reach, node);
        if (holder != HEAP_GRAPH_NONE)
            edge(arg, holder, node);
    }
}

/* ------------------------------------------------------------------ whose a block is */

/* Of several that lead to a block, those of the first rank have it. */
enum rank { RANK_VARIABLES, RANK_THREADS, RANK_LOADER, RANK_PURPOSE, RANK_NOBODY, RANKS };

static enum rank rank_of(const struct heap_holder *h)
{
    switch (h->kind) {
    case HOLDER_STACK:
    case HOLDER_THREAD: return RANK_THREADS;
    case HOLDER_LOADER: return RANK_LOADER;
    case HOLDER_PURPOSE: return RANK_PURPOSE;
    case HOLDER_NOBODY: return RANK_NOBODY;
    default: return RANK_VARIABLES;
    }
}

struct ranking {
    const struct heap_tree *t;
    uint8_t *ranks; /* by node; RANKS: none yet */
    enum rank rank;
    uint32_t *stack;
    uint32_t depth;
};

static void take(struct ranking *r, uint32_t node)
{
    if (r->ranks[node] != RANKS)
        return;
    r->ranks[node] = (uint8_t)r->rank;
    r->stack[r->depth++] = node;
}

static void take_held(void *arg, uint32_t holder, uint32_t node)
{
    struct ranking *r = arg;
    if (rank_of(&r->t->holders.items[holder]) == r->rank)
        take(r, node);
}

/* The rank of each node's holders. Owned by the caller. */
static uint8_t *rank_nodes(const struct heap_tree *t, const struct reachability *reach)
{
    const struct heap_graph *g = t->graph;
    size_t room = (size_t)g->count + 1;
    struct ranking r = {t, mem_alloc(room), RANK_VARIABLES, mem_alloc(room * sizeof *r.stack), 0};
    memset(r.ranks, RANKS, room);
    for (; r.rank < RANKS; r.rank++) {
        each_held(t, reach, take_held, &r);
        while (r.depth) {
            uint32_t node = r.stack[--r.depth];
            for (uint32_t e = g->first_edges[node]; e < g->first_edges[node + 1]; e++)
                take(&r, heap_graph_target(g->edges[e]));
        }
    }
    free(r.stack);
    return r.ranks;
}

/* ------------------------------------------------------------------ the flow graph */

struct filling {
    const struct heap_tree *t;
    const uint8_t *ranks;
    uint32_t *at, *targets; /* at: by holder */
};

static bool counts(const struct filling *f, uint32_t holder, uint32_t node)
{
    return rank_of(&f->t->holders.items[holder]) == f->ranks[node];
}

static void count_edge(void *arg, uint32_t holder, uint32_t node)
{
    struct filling *f = arg;
    f->at[holder] += counts(f, holder, node);
}

static void put_edge(void *arg, uint32_t holder, uint32_t node)
{
    struct filling *f = arg;
    if (counts(f, holder, node))
        f->targets[f->at[holder]++] = node;
}

/* The edges between nodes of one rank; returns how many. */
static uint32_t put_node_edges(const struct filling *f, uint32_t *first)
{
    const struct heap_graph *g = f->t->graph;
    uint32_t at = 0;
    for (uint32_t node = 0; node < g->count; node++) {
        first[node] = at;
        for (uint32_t e = g->first_edges[node]; e < g->first_edges[node + 1]; e++) {
            uint32_t target = heap_graph_target(g->edges[e]);
            if (f->ranks[target] == f->ranks[node])
                f->targets[at++] = target;
        }
    }
    return at;
}

/* The graph's edges, those of the holders, and those of the root to them. Both arrays are owned by
 * the caller. */
static void make_flow(const struct heap_tree *t, const struct reachability *reach, uint32_t *first,
                      uint32_t **targets)
{
    const struct heap_graph *g = t->graph;
    uint32_t holders = (uint32_t)t->holders.count;
    size_t most = (size_t)g->first_edges[g->count] + g->root_count + g->count + holders + 1;
    uint8_t *ranks = rank_nodes(t, reach);
    struct filling f = {t, ranks, mem_zalloc((size_t)holders + 1, sizeof *f.at),
                        mem_alloc(most * sizeof *f.targets)};
    each_held(t, reach, count_edge, &f);
    uint32_t at = put_node_edges(&f, first);
    for (uint32_t i = 0; i < holders; i++) {
        uint32_t held = f.at[i];
        first[g->count + i] = f.at[i] = at;
        at += held;
    }
    each_held(t, reach, put_edge, &f);
    first[t->root] = at;
    first[t->root + 1] = at + holders;
    for (uint32_t i = 0; i < holders; i++)
        f.targets[at + i] = g->count + i;
    *targets = f.targets;
    free(f.at);
    free(ranks);
}

/* ------------------------------------------------------------------ the tree */

static void list_children(struct heap_tree *t)
{
    const struct dominators *d = &t->dominators;
    t->first_child = mem_zalloc((size_t)t->count + 2, sizeof *t->first_child);
    t->children = mem_alloc(((size_t)t->count + 1) * sizeof *t->children);
    for (uint32_t v = 0; v < t->count; v++)
        if (d->parents[v] != DOMINATORS_NONE)
            t->first_child[d->parents[v] + 2]++;
    for (uint32_t v = 2; v < t->count + 2; v++)
        t->first_child[v] += t->first_child[v - 1];
    for (uint32_t v = 0; v < t->count; v++)
        if (d->parents[v] != DOMINATORS_NONE)
            t->children[t->first_child[d->parents[v] + 1]++] = v;
}

void heap_tree_make(struct heap_tree *t, const struct leak_graph *leak, struct symbols *symbols)
{
    const struct heap_graph *g = &leak->graph;
    *t = (struct heap_tree){.graph = g};
    heap_holders_find(&t->holders, g, &leak->reach, symbols);
    t->root = g->count + (uint32_t)t->holders.count;
    t->count = t->root + 1;
    uint32_t *first = mem_alloc(((size_t)t->count + 1) * sizeof *first), *targets;
    make_flow(t, &leak->reach, first, &targets);
    dominators_find(&t->dominators, &(struct flow_graph){t->count, t->root, first, targets});
    free(first);
    free(targets);
    t->bytes = mem_zalloc(t->count, sizeof *t->bytes);
    t->blocks = mem_zalloc(t->count, sizeof *t->blocks);
    for (uint32_t node = 0; node < g->count; node++) {
        t->bytes[node] = g->sizes[node];
        t->blocks[node] = 1;
    }
    dominators_sum(&t->dominators, t->bytes);
    dominators_sum(&t->dominators, t->blocks);
    list_children(t);
}

void heap_tree_release(struct heap_tree *t)
{
    heap_holders_release(&t->holders);
    dominators_release(&t->dominators);
    free(t->bytes);
    free(t->blocks);
    free(t->first_child);
    free(t->children);
    *t = (struct heap_tree){0};
}
