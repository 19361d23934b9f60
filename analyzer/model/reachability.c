/* SPDX-License-Identifier: MIT
 *
 * Nothing here recurses: a list of a million blocks is as deep as it is long. */
#include "model/reachability.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define UNSEEN REACH_VERDICTS

struct search {
    const struct heap_graph *g;
    uint8_t *verdicts;
    uint32_t *leaders;
    uint32_t *stack; /* room for each node once; owned */
    uint32_t depth;
};

static void push(struct search *s, uint32_t node, enum reach_verdict verdict)
{
    if (s->verdicts[node] != UNSEEN)
        return;
    s->verdicts[node] = (uint8_t)verdict;
    s->stack[s->depth++] = node;
}

/* Follows edges to pointers up to `worst` from all that was pushed. */
static void follow(struct search *s, enum reach_verdict verdict, enum seep_graph_pointer worst)
{
    const struct heap_graph *g = s->g;
    while (s->depth) {
        uint32_t node = s->stack[--s->depth];
        for (uint32_t e = g->first_edges[node]; e < g->first_edges[node + 1]; e++)
            if (heap_graph_pointer(g->edges[e]) <= worst)
                push(s, heap_graph_target(g->edges[e]), verdict);
    }
}

static void find_reachable(struct search *s)
{
    const struct heap_graph *g = s->g;
    for (uint32_t i = 0; i < g->root_count; i++)
        if (g->roots[i].pointer <= SEEP_GRAPH_TO_BASE)
            push(s, g->roots[i].target, REACH_REACHABLE);
    for (uint32_t i = 0; i < g->count; i++)
        if (g->kept[i])
            push(s, i, REACH_REACHABLE);
    follow(s, REACH_REACHABLE, SEEP_GRAPH_TO_BASE);
    for (uint32_t i = 0; i < g->count; i++)
        if (g->flags[i] & SEEP_GRAPH_IGNORED)
            push(s, i, REACH_IGNORED);
    follow(s, REACH_IGNORED, SEEP_GRAPH_TO_BASE);
}

static void find_possible(struct search *s)
{
    const struct heap_graph *g = s->g;
    for (uint32_t i = 0; i < g->root_count; i++)
        push(s, g->roots[i].target, REACH_POSSIBLE);
    for (uint32_t i = 0; i < g->count; i++) {
        if (s->verdicts[i] != REACH_REACHABLE && s->verdicts[i] != REACH_IGNORED)
            continue;
        for (uint32_t e = g->first_edges[i]; e < g->first_edges[i + 1]; e++)
            push(s, heap_graph_target(g->edges[e]), REACH_POSSIBLE);
    }
    follow(s, REACH_POSSIBLE, SEEP_GRAPH_TO_INSIDE);
}

/* ------------------------------------------------------------------ components of the lost */

/* Tarjan's algorithm. `leaders` holds the lowest number met while a node is on the stack, and the
 * component's leader afterwards. */
struct components {
    struct search *s;
    uint32_t *numbers; /* by node, from 1 in the order of being met; 0: not met; owned */
    uint32_t *calls;   /* nodes whose edges are being looked at, outermost first; owned */
    uint32_t *edges;   /* by place in `calls`: the next edge; owned */
    uint8_t *open;     /* by node: its component is not known yet; owned */
    uint32_t call_count, last_number;
};

static void enter(struct components *c, uint32_t node)
{
    struct search *s = c->s;
    c->numbers[node] = s->leaders[node] = ++c->last_number;
    c->open[node] = 1;
    s->stack[s->depth++] = node;
    c->calls[c->call_count] = node;
    c->edges[c->call_count++] = s->g->first_edges[node];
}

/* All that was met since `node` is one component: finds its oldest node. */
static void close_component(struct components *c, uint32_t node)
{
    struct search *s = c->s;
    uint32_t begin = s->depth, leader = node;
    do {
        uint32_t other = s->stack[--begin];
        if (s->g->births[other] < s->g->births[leader])
            leader = other;
    } while (s->stack[begin] != node);
    for (uint32_t i = begin; i < s->depth; i++) {
        s->leaders[s->stack[i]] = leader;
        c->open[s->stack[i]] = 0;
    }
    s->depth = begin;
}

static void visit(struct components *c, uint32_t start)
{
    struct search *s = c->s;
    const struct heap_graph *g = s->g;
    enter(c, start);
    while (c->call_count) {
        uint32_t node = c->calls[c->call_count - 1], *edge = &c->edges[c->call_count - 1];
        if (*edge < g->first_edges[node + 1]) {
            uint32_t target = heap_graph_target(g->edges[(*edge)++]);
            if (s->verdicts[target] != UNSEEN)
                continue;
            if (!c->numbers[target])
                enter(c, target);
            else if (c->open[target] && c->numbers[target] < s->leaders[node])
                s->leaders[node] = c->numbers[target];
            continue;
        }
        uint32_t low = s->leaders[node];
        if (low == c->numbers[node])
            close_component(c, node);
        c->call_count--;
        if (c->call_count && c->open[node]) {
            uint32_t caller = c->calls[c->call_count - 1];
            if (low < s->leaders[caller])
                s->leaders[caller] = low;
        }
    }
}

static void find_components(struct search *s)
{
    size_t room = (size_t)s->g->count + 1;
    struct components c = {.s = s,
                           .numbers = mem_zalloc(room, sizeof *c.numbers),
                           .calls = mem_alloc(room * sizeof *c.calls),
                           .edges = mem_alloc(room * sizeof *c.edges),
                           .open = mem_zalloc(room, 1)};
    for (uint32_t i = 0; i < s->g->count; i++)
        if (s->verdicts[i] == UNSEEN && !c.numbers[i])
            visit(&c, i);
    free(c.numbers);
    free(c.calls);
    free(c.edges);
    free(c.open);
}

/* ------------------------------------------------------------------ root causes */

struct aged {
    uint64_t birth;
    uint32_t node;
};

static int compare_age(const void *a, const void *b)
{
    const struct aged *x = a, *y = b;
    if (x->birth != y->birth)
        return (x->birth > y->birth) - (x->birth < y->birth);
    return (x->node > y->node) - (x->node < y->node);
}

/* Lost leaders of components to which no other component leads, oldest first. Owned by the caller.
 */
static struct aged *find_causes(const struct search *s, size_t *count)
{
    const struct heap_graph *g = s->g;
    uint8_t *led = mem_zalloc((size_t)g->count + 1, 1); /* by leader */
    struct aged *causes = NULL;
    size_t capacity = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        if (s->verdicts[i] != UNSEEN)
            continue;
        for (uint32_t e = g->first_edges[i]; e < g->first_edges[i + 1]; e++) {
            uint32_t target = heap_graph_target(g->edges[e]);
            if (s->verdicts[target] == UNSEEN && s->leaders[target] != s->leaders[i])
                led[s->leaders[target]] = 1;
        }
    }
    *count = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        if (s->verdicts[i] != UNSEEN || s->leaders[i] != i || led[i])
            continue;
        MEM_GROW(causes, capacity, *count + 1);
        causes[(*count)++] = (struct aged){g->births[i], i};
    }
    free(led);
    if (*count)
        qsort(causes, *count, sizeof *causes, compare_age);
    return causes;
}

static void give_to_causes(struct search *s)
{
    const struct heap_graph *g = s->g;
    size_t count;
    struct aged *causes = find_causes(s, &count);
    for (size_t i = 0; i < count; i++) {
        uint32_t cause = causes[i].node;
        push(s, cause, REACH_INDIRECT);
        while (s->depth) {
            uint32_t node = s->stack[--s->depth];
            s->leaders[node] = cause;
            for (uint32_t e = g->first_edges[node]; e < g->first_edges[node + 1]; e++)
                push(s, heap_graph_target(g->edges[e]), REACH_INDIRECT);
        }
        s->verdicts[cause] = REACH_DEFINITE;
    }
    free(causes);
}

void reachability_find(struct reachability *r, const struct heap_graph *g)
{
    size_t room = (size_t)g->count + 1;
    r->verdicts = mem_alloc(room);
    r->leaders = mem_zalloc(room, sizeof *r->leaders);
    memset(r->verdicts, UNSEEN, room);
    struct search s = {g, r->verdicts, r->leaders, mem_alloc(room * sizeof *s.stack), 0};
    find_reachable(&s);
    find_possible(&s);
    find_components(&s);
    give_to_causes(&s);
    free(s.stack);
}

void reachability_release(struct reachability *r)
{
    free(r->verdicts);
    free(r->leaders);
    *r = (struct reachability){0};
}
