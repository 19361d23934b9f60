/* SPDX-License-Identifier: MIT */
#include "analysis/heap_path.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define FROM_HOLDER HEAP_GRAPH_NONE

struct step {
    uint32_t before; /* node; FROM_HOLDER: its holder is `holder` */
    uint32_t holder;
    uint64_t address; /* of the holder's pointer */
    uint8_t pointer;
    bool met;
};

struct search {
    const struct heap_tree *t;
    bool (*wanted)(void *arg, uint32_t node);
    void *arg;
    struct step *steps; /* by node; owned */
    uint32_t *queue;    /* owned */
    uint32_t begin, end, found;
};

static void meet(struct search *s, uint32_t node, const struct step *step)
{
    if (s->steps[node].met || s->found != HEAP_GRAPH_NONE)
        return;
    s->steps[node] = *step;
    s->steps[node].met = true;
    s->queue[s->end++] = node;
    if (s->wanted(s->arg, node))
        s->found = node;
}

/* Follows all pointers from what was met, breadth first. */
static void follow(struct search *s)
{
    const struct heap_graph *g = s->t->graph;
    while (s->begin < s->end && s->found == HEAP_GRAPH_NONE) {
        uint32_t node = s->queue[s->begin++];
        for (uint32_t e = g->first_edges[node]; e < g->first_edges[node + 1]; e++) {
            struct step step = {.before = node, .pointer = heap_graph_pointer(g->edges[e])};
            meet(s, heap_graph_target(g->edges[e]), &step);
        }
    }
}

static bool is_threads(enum heap_holder_kind kind)
{
    return kind == HOLDER_STACK || kind == HOLDER_THREAD;
}

static void begin_at_roots(struct search *s, bool threads)
{
    const struct heap_graph *g = s->t->graph;
    for (uint32_t i = 0; i < g->root_count; i++) {
        const struct heap_graph_root *root = &g->roots[i];
        const struct graph_region *region = &g->regions[root->region];
        uint32_t holder = s->t->holders.of_roots[i];
        struct step step = {FROM_HOLDER, holder,
                            region->kind == SEEP_GRAPH_REGISTERS ? 0
                                                                 : region->start + 8 * root->place,
                            root->pointer, false};
        if (is_threads(s->t->holders.items[holder].kind) == threads)
            meet(s, root->target, &step);
    }
    follow(s);
}

static void begin_at_nodes(struct search *s, const struct reachability *reach)
{
    const struct heap_graph *g = s->t->graph;
    for (uint32_t node = 0; node < g->count; node++) {
        struct step step = {.before = FROM_HOLDER,
                            .holder = heap_holders_of_node(&s->t->holders, g, reach, node)};
        if (step.holder != HEAP_GRAPH_NONE)
            meet(s, node, &step);
    }
    follow(s);
}

static void take_way(struct heap_path *p, const struct search *s)
{
    size_t count = 1;
    for (uint32_t node = s->found; s->steps[node].before != FROM_HOLDER; count++)
        node = s->steps[node].before;
    *p = (struct heap_path){
        .count = count, .nodes = mem_alloc(count * sizeof *p->nodes), .pointers = mem_alloc(count)};
    for (uint32_t node = s->found; count-- > 0; node = s->steps[node].before) {
        p->nodes[count] = node;
        p->pointers[count] = s->steps[node].pointer;
    }
    p->holder = s->steps[p->nodes[0]].holder;
    p->address = s->steps[p->nodes[0]].address;
}

bool heap_path_find(struct heap_path *p, const struct heap_tree *t,
                    const struct reachability *reach, bool (*wanted)(void *arg, uint32_t node),
                    void *arg)
{
    size_t room = (size_t)t->graph->count + 1;
    struct search s = {.t = t,
                       .wanted = wanted,
                       .arg = arg,
                       .steps = mem_zalloc(room, sizeof *s.steps),
                       .queue = mem_alloc(room * sizeof *s.queue),
                       .found = HEAP_GRAPH_NONE};
    begin_at_roots(&s, false);
    begin_at_roots(&s, true);
    begin_at_nodes(&s, reach);
    *p = (struct heap_path){.holder = HEAP_GRAPH_NONE};
    if (s.found != HEAP_GRAPH_NONE)
        take_way(p, &s);
    free(s.steps);
    free(s.queue);
    return p->count > 0;
}

void heap_path_release(struct heap_path *p)
{
    free(p->nodes);
    free(p->pointers);
    *p = (struct heap_path){0};
}
