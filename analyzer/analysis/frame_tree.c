/* SPDX-License-Identifier: MIT
 *
 * A stack node's parent has a smaller number. So one walk up through the numbers finds for each
 * node its place below its parent's, and one down through the tree adds up. */
#include "analysis/frame_tree.h"

#include "analysis/resolve.h"
#include "model/pattern.h"
#include "model/wrappers.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* Children by (parent, function, module), and maybe place. Texts are pooled: equal ones are the
 * same. */
struct child_table {
    uint32_t *slots; /* index of a node; 0: free */
    size_t capacity; /* a power of two */
    bool by_line;
};

static uint64_t hash_of(const struct child_table *table, uint32_t parent,
                        const struct symbol_frame *f)
{
    uint64_t h = ((uint64_t)parent << 1 | 1) * 0x9e3779b97f4a7c15ull;
    h = (h ^ (uintptr_t)(f ? f->function : NULL)) * 0xbf58476d1ce4e5b9ull;
    h += table->by_line && f ? f->line : 0;
    return (h ^ (uintptr_t)(f ? f->module : NULL)) * 0x94d049bb133111ebull >> 20;
}

static bool same(const struct child_table *table, const struct symbol_frame *a,
                 const struct symbol_frame *b)
{
    if (a == b)
        return true;
    return a && b && a->function == b->function && a->module == b->module &&
           (!table->by_line || (a->line == b->line && a->file == b->file));
}

static uint32_t *child_slot(const struct child_table *table, const struct frame_tree *t,
                            uint32_t parent, const struct symbol_frame *f)
{
    for (size_t at = (size_t)hash_of(table, parent, f);; at++) {
        uint32_t *slot = &table->slots[at & (table->capacity - 1)];
        if (!*slot || (t->nodes[*slot].parent == parent && same(table, t->nodes[*slot].frame, f)))
            return slot;
    }
}

static void grow(struct child_table *table, const struct frame_tree *t)
{
    free(table->slots);
    table->capacity = table->capacity ? table->capacity * 2 : 1024;
    table->slots = mem_zalloc(table->capacity, sizeof *table->slots);
    for (uint32_t i = 1; i < t->count; i++)
        *child_slot(table, t, t->nodes[i].parent, t->nodes[i].frame) = i;
}

static uint32_t add_node(struct frame_tree *t, uint32_t parent, const struct symbol_frame *f)
{
    MEM_GROW(t->nodes, t->capacity, t->count + 1);
    t->nodes[t->count] = (struct frame_node){.frame = f, .parent = parent};
    return t->count++;
}

/* The child of `parent` for that frame, made where there is none. */
static uint32_t child_of(struct frame_tree *t, struct child_table *table, uint32_t parent,
                         const struct symbol_frame *f)
{
    if ((size_t)t->count * 2 >= table->capacity)
        grow(table, t);
    uint32_t *slot = child_slot(table, t, parent, f);
    if (!*slot)
        *slot = add_node(t, parent, f);
    return *slot;
}

/* Where each wanted stack stands in the tree, by stack id; owned by the caller. Callers of wanted
 * ones are wanted. */
static uint32_t *place_stacks(struct frame_tree *t, const uint8_t *wanted, bool by_line,
                              const struct trace_dict *dict, struct symbols *symbols)
{
    struct child_table table = {.by_line = by_line};
    uint32_t *place = mem_zalloc((size_t)dict->stack_count + 1, sizeof *place);
    for (uint32_t node = 0; node <= dict->stack_count; node++) {
        if (!wanted[node])
            continue;
        uint32_t at = 0;
        if (node == 0) {
            at = child_of(t, &table, 0, NULL); /* no stack is known */
        } else if (!(dict->stacks[node].flags & SEEP_ROW_ROOT)) {
            const struct symbol_address *a = symbols_of_node(symbols, node);
            at = place[dict->stacks[node].parent];
            for (uint32_t k = a->count; k-- > 0;)
                at = child_of(t, &table, at, &a->frames[k]);
        }
        place[node] = at;
    }
    free(table.slots);
    return place;
}

/* The costs of whole stacks, from the outermost frame on. */
static void place_costs(struct frame_tree *t, const uint8_t *wanted, const struct costs *costs,
                        enum cost_kind kind, const struct trace_dict *dict, struct symbols *symbols)
{
    uint32_t *place = place_stacks(t, wanted, false, dict, symbols);
    for (uint32_t node = 0; node < costs->node_count; node++)
        t->nodes[place[node]].self += cost_value(&costs->nodes[node], kind);
    free(place);
}

enum seep_err frame_tree_place(struct frame_tree *t, uint32_t **places, bool by_line,
                               const struct trace_dict *dict, struct symbols *symbols,
                               struct err *err)
{
    size_t count = (size_t)dict->stack_count + 1;
    uint8_t *wanted = mem_alloc(count);
    memset(wanted, 1, count);
    *t = (struct frame_tree){0};
    *places = NULL;
    add_node(t, 0, NULL);
    enum seep_err code = resolve_marked(symbols, dict, wanted, false, err);
    if (!code)
        *places = place_stacks(t, wanted, by_line, dict, symbols);
    free(wanted);
    return code;
}

/* ------------------------------------------------------------------ paths */

/* The frames of a stack, innermost first. */
struct frame_list {
    const struct symbol_frame **items; /* owned */
    size_t count, capacity;
};

static void list_frames(struct frame_list *list, uint32_t node, const struct trace_dict *dict,
                        struct symbols *symbols)
{
    list->count = 0;
    for (; node && !(dict->stacks[node].flags & SEEP_ROW_ROOT); node = dict->stacks[node].parent) {
        const struct symbol_address *a = symbols_of_node(symbols, node);
        MEM_GROW(list->items, list->capacity, list->count + a->count);
        for (uint32_t k = 0; k < a->count; k++)
            list->items[list->count++] = &a->frames[k];
    }
}

static size_t outermost_match(const struct frame_list *list, const char *pattern)
{
    size_t at = list->count;
    while (at > 0 && !pattern_matches(pattern, list->items[at - 1]->function))
        at--;
    return at; /* 0: none, else its place + 1 */
}

/* The place in the list of who asked for the memory; 0 where none is to be looked behind. */
static size_t asker(const struct frame_list *list, uint32_t stack, const struct trace_dict *dict,
                    struct symbols *symbols)
{
    if (!symbols_have_alloc_fns(symbols))
        return 0;
    const struct symbol_frame *caller = wrapper_caller(dict, symbols, stack);
    size_t at = list->count;
    while (at > 0 && list->items[at - 1] != caller)
        at--;
    return at ? at - 1 : 0;
}

/* `asked`: the place in the list of the frame that ways outward begin with, and others end with. */
static void place_path(struct frame_tree *t, struct child_table *table,
                       const struct frame_list *list, size_t asked, const struct frame_path *path,
                       uint64_t value)
{
    size_t begin = path->outward ? asked : list->count, end = path->outward ? list->count : asked;
    if (path->function) {
        size_t match = outermost_match(list, path->function);
        if (!match)
            return;
        begin = path->outward ? match - 1 : match;
        end = !path->outward && match <= asked ? 0 : end;
    }
    uint32_t at = list->count ? 0 : child_of(t, table, 0, NULL);
    unsigned depth = 0;
    for (size_t i = begin; i != end && (!path->depth || depth < path->depth); depth++)
        at = child_of(t, table, at, path->outward ? list->items[i++] : list->items[--i]);
    t->nodes[at].self += value;
}

static void place_paths(struct frame_tree *t, const struct costs *costs, enum cost_kind kind,
                        const struct frame_path *path, const struct trace_dict *dict,
                        struct symbols *symbols)
{
    struct child_table table = {0};
    struct frame_list list = {0};
    for (uint32_t node = 0; node < costs->node_count; node++) {
        uint64_t value = cost_value(&costs->nodes[node], kind);
        if (!value)
            continue;
        list_frames(&list, node, dict, symbols);
        place_path(t, &table, &list, asker(&list, node, dict, symbols), path, value);
    }
    free(list.items);
    free(table.slots);
}

/* ------------------------------------------------------------------ order */

static int heaviest_first(const void *a, const void *b, void *nodes)
{
    const struct frame_node *x = (const struct frame_node *)nodes + *(const uint32_t *)a;
    const struct frame_node *y = (const struct frame_node *)nodes + *(const uint32_t *)b;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    if (x->total != y->total)
        return x->total > y->total ? -1 : 1;
    const char *f = x->frame ? x->frame->function : "", *g = y->frame ? y->frame->function : "";
    int c = strcmp(f, g);
    return c ? c : *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static void link_children(struct frame_tree *t)
{
    for (uint32_t i = t->count; i-- > 0;) {
        t->nodes[i].total += t->nodes[i].self;
        if (i)
            t->nodes[t->nodes[i].parent].total += t->nodes[i].total;
    }
    uint32_t *order = mem_alloc(((size_t)t->count + 1) * sizeof *order);
    for (uint32_t i = 0; i < t->count; i++)
        order[i] = i;
    qsort_r(order + 1, t->count - 1, sizeof *order, heaviest_first, t->nodes);
    for (uint32_t i = t->count; i-- > 1;) {
        struct frame_node *node = &t->nodes[order[i]];
        node->next = t->nodes[node->parent].first_child;
        t->nodes[node->parent].first_child = order[i];
    }
    free(order);
}

enum seep_err frame_tree_build_path(struct frame_tree *t, const struct costs *costs,
                                    enum cost_kind kind, const struct frame_path *path,
                                    const struct trace_dict *dict, struct symbols *symbols,
                                    struct err *err)
{
    *t = (struct frame_tree){0};
    add_node(t, 0, NULL);
    uint8_t *wanted = mem_zalloc(costs->node_count, 1);
    for (uint32_t node = costs->node_count; node-- > 0;) {
        wanted[node] |= cost_value(&costs->nodes[node], kind) != 0;
        if (node && wanted[node])
            wanted[dict->stacks[node].parent] |= dict->stacks[node].parent != 0;
    }
    enum seep_err code = resolve_marked(symbols, dict, wanted, false, err);
    if (!code) {
        /* whole stacks from the outermost frame on share their beginnings as the trace has them */
        static const struct frame_path whole;
        path = path ? path : &whole;
        if (path->outward || path->function || path->depth || symbols_have_alloc_fns(symbols))
            place_paths(t, costs, kind, path, dict, symbols);
        else
            place_costs(t, wanted, costs, kind, dict, symbols);
        link_children(t);
    }
    free(wanted);
    return code;
}

enum seep_err frame_tree_build(struct frame_tree *t, const struct costs *costs, enum cost_kind kind,
                               const struct trace_dict *dict, struct symbols *symbols,
                               struct err *err)
{
    return frame_tree_build_path(t, costs, kind, NULL, dict, symbols, err);
}

void frame_tree_release(struct frame_tree *t)
{
    free(t->nodes);
    *t = (struct frame_tree){0};
}
