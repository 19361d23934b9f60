/* SPDX-License-Identifier: MIT */
#include "analysis/flame.h"

#include "analysis/cost_window.h"
#include "util/mem.h"

#include <stdlib.h>

struct builder {
    const struct frame_tree *tree;
    enum cost_kind cost;
    uint64_t least; /* smaller frames are left out */
    uint64_t left_out;
};

static void add_value(struct result *r, const char *name, enum cost_kind cost, uint64_t value)
{
    (cost_unit(cost) == UNIT_BYTES ? result_bytes : result_count)(r, name, value);
}

/* The frame's fields but for its children, which the caller adds to what is returned. */
static struct result *add_frame(struct builder *b, struct result *r, const struct frame_node *node)
{
    const struct symbol_frame *f = node->frame;
    result_text(r, "function", f ? f->function : node == b->tree->nodes ? "all" : "unknown");
    result_text(r, "module", f ? f->module : NULL);
    result_text(r, "file", f ? f->file : NULL);
    if (f && f->line)
        result_integer(r, "line", f->line);
    else
        result_null(r, "line");
    add_value(r, "self", b->cost, node->self);
    add_value(r, "total", b->cost, node->total);
    return result_array(r, "children");
}

/* Down the tree without recursion: stacks may be deep. `at` is the node in hand and `lists` the
 * arrays that wait on the way to it. */
static void add_tree(struct builder *b, struct result *root)
{
    const struct frame_node *nodes = b->tree->nodes;
    struct result **list_of = mem_zalloc(b->tree->count, sizeof(struct result *));
    list_of[0] = add_frame(b, root, &nodes[0]);
    for (uint32_t at = nodes[0].first_child; at;) {
        const struct frame_node *node = &nodes[at];
        bool shown = node->total >= b->least;
        if (shown)
            list_of[at] = add_frame(b, result_object(list_of[node->parent], NULL), node);
        else
            b->left_out += node->total;
        uint32_t next = shown && node->first_child ? node->first_child : node->next;
        while (!next && node->parent) {
            node = &nodes[node->parent];
            next = node->next;
        }
        at = next;
    }
    free(list_of);
}

static struct result *make_tree(const struct frame_tree *tree, const struct costs *c,
                                const struct flame_options *o, const struct trace_facts *facts)
{
    struct result *r = result_new_object();
    uint64_t total = tree->nodes[0].total;
    struct builder b = {tree, o->cost, (uint64_t)(o->min_share * (double)total), 0};
    result_text(r, "cost", cost_kind_names[o->cost]);
    result_text(r, "words", cost_words(o->cost));
    result_text(r, "unit", cost_unit(o->cost) == UNIT_BYTES ? "bytes" : "count");
    result_text(r, "exe", facts->exe);
    result_text(r, "path", o->path.outward ? "outward" : "inward");
    result_text(r, "function", o->path.function);
    result_integer(r, "depth", o->path.depth);
    cost_window_add(r, c, o->filter);
    result_ns(r, "moment_ns", o->cost == COST_PEAK ? c->heap.peak_time_ns : c->end_ns);
    add_value(r, "total", o->cost, total);
    add_tree(&b, result_object(r, "root"));
    add_value(r, "left_out", o->cost, b.left_out);
    return r;
}

enum seep_err flame_analyse(struct result **out, struct trace_reader *reader,
                            struct symbols *symbols, const struct flame_options *o, struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct costs costs = {0};
    struct frame_tree tree = {0};
    enum seep_err code = o->filter ? filter_bind(o->filter, dict, symbols, err) : SEEP_OK;
    if (code)
        return code;
    if (o->filter)
        filter_start_at_cut(o->filter, trace_reader_facts(reader));
    unsigned need = (o->cost == COST_PEAK ? COSTS_PEAK : 0) | (o->pools ? COSTS_POOLS : 0);
    code = costs_read(&costs, reader, o->filter, need, o->progress, o->progress_arg, err);
    if (!code)
        code = frame_tree_build_path(&tree, &costs, o->cost, &o->path, dict, symbols, err);
    if (!code)
        *out = make_tree(&tree, &costs, o, trace_reader_facts(reader));
    frame_tree_release(&tree);
    costs_release(&costs);
    return code;
}
