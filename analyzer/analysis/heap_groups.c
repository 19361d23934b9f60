/* SPDX-License-Identifier: MIT */
#include "analysis/heap_groups.h"

#include "analysis/resolve.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define VTABLE "vtable for "

static uint32_t add_group(struct heap_groups *s, const char *name, const char *module)
{
    MEM_GROW(s->items, s->capacity, s->count + 1);
    s->items[s->count] = (struct heap_group){.name = name, .module = module};
    return (uint32_t)s->count++;
}

static void count_own(struct heap_groups *s, const struct heap_graph *g)
{
    for (uint32_t node = 0; node < g->count; node++) {
        if (s->of_nodes[node] == HEAP_GRAPH_NONE)
            continue;
        struct heap_group *group = &s->items[s->of_nodes[node]];
        group->blocks++;
        group->bytes += g->sizes[node];
    }
}

/* Goes down the tree; what a block retains counts for its group unless one above it is of that
 * group. */
static void count_retained(struct heap_groups *s, const struct heap_tree *t)
{
    uint32_t *above = mem_zalloc(s->count + 1, sizeof *above); /* by group: how many are open */
    uint32_t *path = mem_alloc((size_t)t->count * sizeof *path);
    uint32_t *next = mem_alloc((size_t)t->count * sizeof *next); /* by depth: its next child */
    uint32_t depth = 0;
    path[depth] = t->root;
    next[depth++] = t->first_child[t->root];
    while (depth) {
        uint32_t v = path[depth - 1];
        if (next[depth - 1] == t->first_child[v + 1]) {
            if (heap_tree_is_block(t, v) && s->of_nodes[v] != HEAP_GRAPH_NONE)
                above[s->of_nodes[v]]--;
            depth--;
            continue;
        }
        uint32_t child = t->children[next[depth - 1]++];
        if (heap_tree_is_block(t, child) && s->of_nodes[child] != HEAP_GRAPH_NONE &&
            above[s->of_nodes[child]]++ == 0) {
            s->items[s->of_nodes[child]].retained_blocks += t->blocks[child];
            s->items[s->of_nodes[child]].retained_bytes += t->bytes[child];
        }
        path[depth] = child;
        next[depth++] = t->first_child[child];
    }
    free(above);
    free(path);
    free(next);
}

static int compare_group(const void *a, const void *b, void *arg)
{
    const struct heap_groups *s = arg;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const struct heap_group *x = &s->items[i], *y = &s->items[j];
    if (x->retained_bytes != y->retained_bytes)
        return x->retained_bytes < y->retained_bytes ? 1 : -1;
    if (x->blocks != y->blocks)
        return x->blocks < y->blocks ? 1 : -1;
    return (i > j) - (i < j);
}

static void finish(struct heap_groups *s, const struct heap_tree *t)
{
    count_own(s, t->graph);
    count_retained(s, t);
    s->order = mem_alloc((s->count + 1) * sizeof *s->order);
    for (size_t i = 0; i < s->count; i++)
        s->order[i] = (uint32_t)i;
    if (s->count)
        qsort_r(s->order, s->count, sizeof *s->order, compare_group, s);
}

void heap_groups_release(struct heap_groups *s)
{
    free(s->items);
    free(s->of_nodes);
    free(s->order);
    *s = (struct heap_groups){0};
}

/* ------------------------------------------------------------------ sites */

static uint32_t stack_of(const struct heap_graph *g, uint32_t node, const struct trace_dict *dict)
{
    return g->stacks[node] <= dict->stack_count ? g->stacks[node] : 0;
}

/* Finds the stack of each group that made most. */
static void find_heaviest(struct heap_groups *s, const uint32_t *of_stack, const uint64_t *bytes,
                          uint32_t stack_count)
{
    for (uint32_t stack = 0; stack <= stack_count; stack++) {
        if (of_stack[stack] == HEAP_GRAPH_NONE)
            continue;
        struct heap_group *group = &s->items[of_stack[stack]];
        if (group->stack == 0 || bytes[stack] > group->stack_bytes) {
            group->stack = stack;
            group->stack_bytes = bytes[stack];
        }
    }
}

enum seep_err heap_groups_by_site(struct heap_groups *s, const struct heap_tree *t,
                                  const struct trace_dict *dict, struct symbols *symbols,
                                  enum site_by by, struct err *err)
{
    const struct heap_graph *g = t->graph;
    size_t stacks = (size_t)dict->stack_count + 1;
    uint32_t *of_stack = mem_alloc(stacks * sizeof *of_stack);
    uint64_t *bytes = mem_zalloc(stacks, sizeof *bytes);
    uint8_t *marks = mem_zalloc(stacks, 1);
    struct site_table table = {0};
    *s = (struct heap_groups){.of_nodes = mem_alloc(((size_t)g->count + 1) * sizeof(uint32_t))};
    for (uint32_t node = 0; node < g->count; node++) {
        marks[stack_of(g, node, dict)] = 1;
        bytes[stack_of(g, node, dict)] += g->sizes[node];
    }
    enum seep_err code = resolve_marked(symbols, dict, marks, false, err);
    memset(of_stack, 0xff, stacks * sizeof *of_stack);
    for (uint32_t node = 0; node < g->count && !code; node++) {
        uint32_t stack = stack_of(g, node, dict);
        if (of_stack[stack] == HEAP_GRAPH_NONE) {
            struct site_key key = site_key_of(stack, by, NULL, dict, symbols);
            if (by == SITE_BY_STACK) {
                of_stack[stack] = add_group(s, key.name, key.module);
            } else {
                struct site_slot *slot = site_find(&table, &key);
                if (!slot->site) {
                    *slot = (struct site_slot){key, add_group(s, key.name, key.module) + 1};
                    table.count++;
                }
                of_stack[stack] = slot->site - 1;
            }
        }
        s->of_nodes[node] = of_stack[stack];
    }
    if (!code) {
        find_heaviest(s, of_stack, bytes, dict->stack_count);
        finish(s, t);
    }
    site_table_release(&table);
    free(of_stack);
    free(bytes);
    free(marks);
    return code;
}

/* ------------------------------------------------------------------ classes */

const char *heap_class_name(const struct heap_graph *g, uint32_t class, struct symbols *symbols,
                            const char **module)
{
    struct symbol_data data;
    bool known =
        symbols_of_data(symbols, g->class_addresses[class - 1], g->snapshot->time_ns, &data);
    if (module)
        *module = data.module;
    if (!known)
        return NULL;
    return strncmp(data.name, VTABLE, strlen(VTABLE)) == 0 ? data.name + strlen(VTABLE) : data.name;
}

void heap_groups_by_class(struct heap_groups *s, const struct heap_tree *t, struct symbols *symbols)
{
    const struct heap_graph *g = t->graph;
    struct site_table table = {0};
    uint32_t *of_class = mem_alloc(((size_t)g->class_count + 1) * sizeof *of_class);
    *s = (struct heap_groups){.of_nodes = mem_alloc(((size_t)g->count + 1) * sizeof(uint32_t))};
    for (uint32_t class = 1; class <= g->class_count; class ++) {
        struct site_key key = {0};
        key.name = heap_class_name(g, class, symbols, &key.module);
        of_class[class] = HEAP_GRAPH_NONE;
        if (!key.name) /* pointers to texts and tables of no name */
            continue;
        struct site_slot *slot = site_find(&table, &key);
        if (!slot->site) {
            *slot = (struct site_slot){key, add_group(s, key.name, key.module) + 1};
            table.count++;
        }
        of_class[class] = slot->site - 1;
    }
    for (uint32_t node = 0; node < g->count; node++)
        s->of_nodes[node] = g->classes[node] ? of_class[g->classes[node]] : HEAP_GRAPH_NONE;
    site_table_release(&table);
    free(of_class);
    finish(s, t);
}
