/* SPDX-License-Identifier: MIT */
#include "analysis/leaks_uses.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

unsigned leaks_sort_kind(enum leaks_sort sort)
{
    switch (sort) {
    case LEAKS_SORT_DEFINITE: return LEAKS_DEFINITE;
    case LEAKS_SORT_POSSIBLE: return LEAKS_POSSIBLE;
    case LEAKS_SORT_REACHABLE: return LEAKS_REACHABLE;
    default: return LEAKS_DEFINITE | LEAKS_POSSIBLE | LEAKS_REACHABLE;
    }
}

static uint32_t node_at(const struct leak_graph *graph, uint32_t position)
{
    return graph->node_of_slot[position - 1];
}

enum leaks_sort leaks_sort_of(const struct leak_graph *graph, uint32_t position)
{
    if (!graph)
        return LEAKS_SORT_LIVE;
    switch (leak_graph_verdict(graph, node_at(graph, position))) {
    case REACH_DEFINITE: return LEAKS_SORT_DEFINITE;
    case REACH_INDIRECT: return LEAKS_SORT_NONE;
    case REACH_POSSIBLE: return LEAKS_SORT_POSSIBLE;
    default: return LEAKS_SORT_REACHABLE;
    }
}

static struct leaks_use *use_of(struct leaks_uses *u, uint32_t stack, enum leaks_sort sort)
{
    if (stack > u->stack_count)
        stack = 0;
    if (!u->of_stack[sort])
        u->of_stack[sort] = mem_zalloc((size_t)u->stack_count + 1, sizeof(uint32_t));
    uint32_t *index = &u->of_stack[sort][stack];
    if (!*index) {
        MEM_GROW(u->items, u->capacity, u->count + 1);
        u->items[u->count] = (struct leaks_use){.stack = stack, .sort = sort};
        *index = (uint32_t)++u->count;
    }
    return &u->items[*index - 1];
}

static int compare_use(const void *a, const void *b)
{
    const struct leaks_use *x = a, *y = b;
    if (x->stack != y->stack)
        return (x->stack > y->stack) - (x->stack < y->stack);
    return (x->sort > y->sort) - (x->sort < y->sort);
}

/* By stack, so that what is made of them does not hang on the order of slots. */
static void sort_by_stack(struct leaks_uses *u)
{
    if (u->count)
        qsort(u->items, u->count, sizeof *u->items, compare_use);
    for (size_t i = 0; i < u->count; i++)
        u->of_stack[u->items[i].sort][u->items[i].stack] = (uint32_t)i + 1;
}

void leaks_uses_collect(struct leaks_uses *u, const struct live_set *set,
                        const struct leak_graph *graph)
{
    *u = (struct leaks_uses){.stack_count = trace_reader_dict(set->reader)->stack_count};
    if (!graph) {
        for (uint32_t stack = 0; stack <= u->stack_count; stack++)
            if (set->nodes[stack].blocks)
                use_of(u, stack, LEAKS_SORT_LIVE)->use = set->nodes[stack];
        return;
    }
    const struct trace_block *b;
    for (uint32_t position = 0; (b = live_set_next(set, &position));) {
        enum leaks_sort sort = leaks_sort_of(graph, position);
        if (sort == LEAKS_SORT_NONE)
            continue;
        struct leaks_use *use = use_of(u, b->stack, sort);
        uint32_t node = node_at(graph, position);
        live_set_add(set, &use->use, b);
        use->indirect_blocks += graph->held_blocks[node];
        use->indirect_bytes += graph->held_bytes[node];
        use->ignored_blocks += leak_graph_verdict(graph, node) == REACH_IGNORED;
    }
    for (size_t i = 0; i < u->count; i++) {
        u->items[i].use.made_blocks = set->nodes[u->items[i].stack].made_blocks;
        u->items[i].use.made_bytes = set->nodes[u->items[i].stack].made_bytes;
    }
    sort_by_stack(u);
}

void leaks_uses_release(struct leaks_uses *u)
{
    free(u->items);
    for (unsigned sort = 0; sort < LEAKS_SORTS; sort++)
        free(u->of_stack[sort]);
    *u = (struct leaks_uses){0};
}
