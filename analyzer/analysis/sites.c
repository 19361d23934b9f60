/* SPDX-License-Identifier: MIT */
#include "analysis/sites.h"

#include "analysis/by_way_of.h"
#include "analysis/cost_kind.h"
#include "analysis/cost_window.h"
#include "analysis/resolve.h"
#include "analysis/site_frames.h"
#include "model/calls.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define MOST_DEPTH 8 /* frames of the sites named as having most of something */
#define THREADS_LISTED 16

struct site {
    uint32_t number; /* of its costs */
    uint32_t node;   /* its stack, or one of them */
    uint32_t stacks;
    struct site_key key; /* by stack set for those that are shown only */
};

struct builder {
    const struct sites_options *o;
    const struct trace_dict *dict;
    struct symbols *symbols;
    struct costs costs;
    struct site *sites; /* owned */
    size_t count, capacity;
    struct site_frames frames;
    struct by_way_of way; /* of the peak */
};

static struct site_figures figures_of(const struct builder *b, const struct site *s)
{
    return (struct site_figures){.cost = &b->costs.nodes[s->number],
                                 .detail = &b->costs.details[s->number],
                                 .stacks = s->stacks,
                                 .heap_peak_bytes = b->costs.heap.peak_live_bytes,
                                 .peak_known = b->costs.peak_known,
                                 .own_peak_known = !b->o->filter || !b->o->filter->lifetime.given};
}

static bool has_anything(const struct cost *c)
{
    return c->allocations || c->peak_blocks || c->live_blocks;
}

/* ------------------------------------------------------------------ what is one site */

static void add_site(struct builder *b, uint32_t number, uint32_t node)
{
    MEM_GROW(b->sites, b->capacity, b->count + 1);
    b->sites[b->count++] = (struct site){.number = number, .node = node};
}

static unsigned needs_of(const struct sites_options *o)
{
    return COSTS_PEAK | COSTS_DETAILS | (o->details ? COSTS_CLASSES : 0) |
           (o->pools ? COSTS_POOLS : 0);
}

static enum seep_err read_stacks(struct builder *b, struct trace_reader *reader, struct err *err)
{
    const struct sites_options *o = b->o;
    enum seep_err code =
        costs_read(&b->costs, reader, o->filter, needs_of(o), o->progress, o->progress_arg, err);
    for (uint32_t node = 0; node < b->costs.node_count && !code; node++)
        if (has_anything(&b->costs.nodes[node])) {
            add_site(b, node, node);
            b->sites[b->count - 1].stacks = 1;
            by_way_of_note(&b->way, node, b->costs.nodes[node].peak_bytes);
        }
    return code;
}

/* Puts the stacks that have any costs into groups by what they are named by. A group's stack is the
 * one that allocated most. */
static enum seep_err group_stacks(struct builder *b, const struct costs *costs, uint32_t *of_node,
                                  struct err *err)
{
    uint8_t *marks = mem_zalloc(costs->node_count, 1);
    for (uint32_t node = 0; node < costs->node_count; node++)
        marks[node] = has_anything(&costs->nodes[node]);
    /* wrappers are passed over: callers are needed, too */
    enum seep_err code = resolve_marked(b->symbols, b->dict, marks, true, err);
    free(marks);
    struct site_table table = {0};
    for (uint32_t node = 0; node < costs->node_count && !code; node++) {
        if (!has_anything(&costs->nodes[node]))
            continue;
        struct site_key key = site_key_of(node, b->o->by, NULL, b->dict, b->symbols);
        struct site_slot *slot = site_find(&table, &key);
        if (!slot->site) {
            add_site(b, (uint32_t)b->count + 1, node);
            *slot = (struct site_slot){.key = key, .site = (uint32_t)b->count};
            table.count++;
        }
        of_node[node] = slot->site;
        by_way_of_note(&b->way, node, costs->nodes[node].peak_bytes);
        struct site *site = &b->sites[slot->site - 1];
        site->key = key;
        site->stacks++;
        if (costs->nodes[node].allocated_bytes > costs->nodes[site->node].allocated_bytes)
            site->node = node;
    }
    site_table_release(&table);
    return code;
}

/* Two readings: which stacks there are, and by groups, of which the own peak is not the sum of
 * those of their stacks. */
static enum seep_err read_groups(struct builder *b, struct trace_reader *reader, struct err *err)
{
    const struct sites_options *o = b->o;
    struct costs stacks = {0};
    uint32_t *of_node = mem_zalloc((size_t)b->dict->stack_count + 1, sizeof *of_node);
    enum seep_err code =
        costs_read(&stacks, reader, o->filter, COSTS_PEAK | (o->pools ? COSTS_POOLS : 0),
                   o->progress, o->progress_arg, err);
    if (!code)
        code = group_stacks(b, &stacks, of_node, err);
    costs_release(&stacks);
    struct cost_groups groups = {.of_node = of_node, .count = (uint32_t)b->count};
    if (!code)
        code = trace_reader_rewind(reader, err);
    if (!code)
        code = costs_read_groups(&b->costs, reader, o->filter, &groups, needs_of(o), o->progress,
                                 o->progress_arg, err);
    free(of_node);
    return code;
}

/* ------------------------------------------------------------------ order */

struct order {
    const struct builder *b;
    enum site_column column;
};

/* Largest first; what has no such figure is last. */
static int by_column(const void *a, const void *b, void *arg)
{
    const struct order *o = arg;
    const struct site *x = a, *y = b;
    struct site_figures fx = figures_of(o->b, x), fy = figures_of(o->b, y);
    struct site_value vx = site_column_value(&fx, o->column);
    struct site_value vy = site_column_value(&fy, o->column);
    if (vx.known != vy.known)
        return vx.known ? -1 : 1;
    if (vx.real != vy.real) /* NOLINT: equal ones are to be told apart otherwise */
        return vx.real > vy.real ? -1 : 1;
    if (fx.cost->allocated_bytes != fy.cost->allocated_bytes)
        return fx.cost->allocated_bytes > fy.cost->allocated_bytes ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

static const struct site *most_of(const struct builder *b, enum cost_kind kind)
{
    const struct site *most = NULL;
    uint64_t value = 0;
    for (size_t i = 0; i < b->count; i++) {
        uint64_t here = cost_value(&b->costs.nodes[b->sites[i].number], kind);
        if (here > value) {
            value = here;
            most = &b->sites[i];
        }
    }
    return most;
}

static const enum cost_kind most_kinds[] = {COST_PEAK, COST_ALLOCATIONS, COST_TEMPORARY};

/* Names what is shown; those that are `top` of all, and those that have most of something. */
static enum seep_err resolve_shown(struct builder *b, size_t top, struct err *err)
{
    uint8_t *marks = mem_zalloc((size_t)b->dict->stack_count + 1, 1);
    for (size_t i = 0; i < top; i++)
        marks[b->sites[i].node] = 1;
    for (size_t i = 0; i < sizeof most_kinds / sizeof most_kinds[0]; i++) {
        const struct site *most = most_of(b, most_kinds[i]);
        if (most)
            marks[most->node] = 1;
    }
    enum seep_err code = resolve_marked(b->symbols, b->dict, marks, true, err);
    free(marks);
    return code;
}

/* ------------------------------------------------------------------ the tree */

static void add_name(struct builder *b, struct result *r, const struct site *s, unsigned depth)
{
    struct site_key key = s->key;
    if (b->o->by == SITE_BY_STACK)
        key = site_key_of(s->node, SITE_BY_STACK, NULL, b->dict, b->symbols);
    result_text(r, "name", key.name);
    result_text(r, "module", key.module);
    site_frames_add(r, s->node, depth, &b->frames);
}

/* One line for each power of two from the smallest to the largest. */
static void add_sizes(struct result *r, const struct histogram *h)
{
    struct result *list = result_array(r, "sizes");
    uint64_t before = 0;
    bool begun = false;
    for (unsigned shift = 0; h->total && before < h->total && shift <= 64; shift++) {
        uint64_t up_to = shift < 64 ? (UINT64_C(1) << shift) - 1 : UINT64_MAX;
        uint64_t here = histogram_up_to(h, up_to) - before;
        before += here;
        begun = begun || here;
        if (!begun)
            continue;
        struct result *row = result_object(list, NULL);
        result_bytes(row, "from_bytes", shift ? UINT64_C(1) << (shift - 1) : 0);
        result_bytes(row, "up_to_bytes", up_to);
        result_count(row, "blocks", here);
    }
}

static void add_lifetimes(struct result *r, const struct histogram *h)
{
    struct result *list = result_array(r, "lifetimes");
    uint64_t before = 0;
    bool begun = false;
    for (unsigned shift = 10; h->total && before < h->total && shift <= 64; shift += 2) {
        uint64_t up_to = shift < 64 ? (UINT64_C(1) << shift) - 1 : UINT64_MAX;
        uint64_t here = histogram_up_to(h, up_to) - before;
        before += here;
        begun = begun || here;
        if (!begun)
            continue;
        struct result *row = result_object(list, NULL);
        result_ns(row, "up_to_ns", up_to);
        result_count(row, "blocks", here);
    }
}

static void add_classes(struct result *r, const struct size_classes *c)
{
    struct result *list = result_array(r, "classes");
    for (uint32_t i = 0; i < c->count; i++) {
        struct result *row = result_object(list, NULL);
        result_bytes(row, "usable_bytes", c->items[i].bytes);
        result_count(row, "blocks", c->items[i].blocks);
    }
}

static bool made_by(const struct cost_detail *d, uint32_t thread)
{
    return d->threads && (thread == d->first_thread ||
                          (d->more_threads && d->more_threads[thread / 8] >> thread % 8 & 1));
}

static void add_threads(const struct builder *b, struct result *r, const struct cost_detail *d)
{
    struct result *list = result_array(r, "threads");
    for (uint32_t n = 0; n <= b->dict->thread_count && result_length(list) < THREADS_LISTED; n++) {
        if (!made_by(d, n))
            continue;
        const struct trace_thread *thread = n ? &b->dict->threads[n - 1] : NULL;
        struct result *row = result_object(list, NULL);
        result_integer(row, "number", n);
        result_integer(row, "tid", thread ? thread->tid : 0);
        result_text(row, "name", thread ? thread->name : "");
    }
}

static void add_site_object(struct builder *b, struct result *sites, const struct site *s)
{
    struct site_figures f = figures_of(b, s);
    struct result *r = result_object(sites, NULL);
    add_name(b, r, s, b->o->depth);
    for (int c = 0; c < SITE_COLUMNS; c++)
        site_column_add(r, &f, (enum site_column)c);
    struct result *calls = result_array(r, "calls");
    for (unsigned call = 0; call < 64; call++)
        if (f.detail->calls >> call & 1)
            result_text(calls, NULL, call_name((uint8_t)call));
    if (!b->o->details) {
        result_null(r, "details");
        return;
    }
    struct result *d = result_object(r, "details");
    add_sizes(d, &f.detail->sizes);
    add_classes(d, &f.detail->classes);
    add_lifetimes(d, &f.detail->lifetimes);
    add_threads(b, d, f.detail);
}

static void add_most(struct builder *b, struct result *r)
{
    struct result *most = result_object(r, "most");
    for (size_t i = 0; i < sizeof most_kinds / sizeof most_kinds[0]; i++) {
        enum cost_kind kind = most_kinds[i];
        const struct site *s = most_of(b, kind);
        if (!s) {
            result_null(most, cost_kind_names[kind]);
            continue;
        }
        uint64_t value = cost_value(&b->costs.nodes[s->number], kind);
        uint64_t total =
            kind == COST_PEAK ? b->costs.heap.peak_live_bytes : cost_value(&b->costs.total, kind);
        struct result *o = result_object(most, cost_kind_names[kind]);
        add_name(b, o, s, MOST_DEPTH);
        (cost_unit(kind) == UNIT_BYTES ? result_bytes : result_count)(o, "value", value);
        result_percent(o, "percent", total ? 100. * (double)value / (double)total : 0);
    }
}

static void add_columns(const struct sites_options *o, struct result *r)
{
    struct result *list = result_array(r, "columns");
    size_t count = o->columns ? o->column_count : SITE_COLUMNS;
    for (size_t i = 0; i < count; i++) {
        const struct site_column_info *info = &site_columns[o->columns ? o->columns[i] : i];
        struct result *row = result_object(list, NULL);
        result_text(row, "name", info->name);
        result_text(row, "field", info->field);
        result_text(row, "head", info->head);
    }
    result_bool(r, "chosen", o->columns != NULL);
}

static void add_sums(struct result *r, size_t sites, const struct cost *c, uint64_t short_lived)
{
    result_count(r, "sites", sites);
    result_count(r, "allocations", c->allocations);
    result_bytes(r, "allocated_bytes", c->allocated_bytes);
    result_count(r, "temporary", c->temporary);
    result_count(r, "short_lived", short_lived);
    result_count(r, "live_blocks", c->live_blocks);
    result_bytes(r, "live_bytes", c->live_bytes);
    result_bytes(r, "peak_bytes", c->peak_bytes);
}

static uint64_t short_lived_of(const struct costs *c)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->node_count; i++)
        sum += c->details[i].short_lived;
    return sum;
}

static void add_hidden(const struct builder *b, struct result *r, size_t top)
{
    struct cost sum = {0};
    uint64_t short_lived = 0;
    for (size_t i = top; i < b->count; i++) {
        const struct cost *c = &b->costs.nodes[b->sites[i].number];
        sum.allocations += c->allocations;
        sum.allocated_bytes += c->allocated_bytes;
        sum.temporary += c->temporary;
        sum.live_blocks += c->live_blocks;
        sum.live_bytes += c->live_bytes;
        sum.peak_bytes += c->peak_bytes;
        short_lived += b->costs.details[b->sites[i].number].short_lived;
    }
    add_sums(result_object(r, "hidden"), b->count - top, &sum, short_lived);
}

static struct result *make_tree(struct builder *b, const struct trace_facts *facts, size_t top)
{
    struct result *r = result_new_object();
    const struct costs *c = &b->costs;
    result_text(r, "by", site_by_names[b->o->by]);
    result_text(r, "sort", site_columns[b->o->sort].name);
    result_text(r, "exe", facts->exe);
    cost_window_add(r, c, b->o->filter);
    result_bool(r, "at_exit", c->at_exit);
    if (c->peak_known) {
        result_bytes(r, "heap_peak_bytes", c->heap.peak_live_bytes);
        result_ns(r, "heap_peak_ns", c->heap.peak_time_ns);
    } else {
        result_null(r, "heap_peak_bytes");
        result_null(r, "heap_peak_ns");
    }
    add_sums(result_object(r, "total"), b->count, &c->total, short_lived_of(c));
    add_columns(b->o, r);
    add_most(b, r);
    struct result *sites = result_array(r, "sites");
    for (size_t i = 0; i < top; i++)
        add_site_object(b, sites, &b->sites[i]);
    add_hidden(b, r, top);
    return r;
}

enum seep_err sites_analyse(struct result **out, struct trace_reader *reader,
                            struct symbols *symbols, const struct sites_options *o, struct err *err)
{
    struct builder b = {.o = o, .dict = trace_reader_dict(reader), .symbols = symbols};
    enum seep_err code = o->filter ? filter_bind(o->filter, b.dict, symbols, err) : SEEP_OK;
    if (code)
        return code;
    if (o->filter)
        filter_start_at_cut(o->filter, trace_reader_facts(reader));
    site_frames_init(&b.frames, b.dict, symbols);
    code = (o->by == SITE_BY_STACK ? read_stacks : read_groups)(&b, reader, err);
    if (!code && b.count)
        qsort_r(b.sites, b.count, sizeof *b.sites, by_column, &(struct order){&b, o->sort});
    size_t top = o->top && o->top < b.count ? o->top : b.count;
    if (!code)
        code = resolve_shown(&b, top, err);
    struct result *tree = code ? NULL : make_tree(&b, trace_reader_facts(reader), top);
    if (!code)
        code = by_way_of_add(tree, &b.way, b.dict, symbols, err);
    if (!code)
        *out = tree;
    else
        result_free(tree);
    by_way_of_release(&b.way);
    site_frames_release(&b.frames);
    costs_release(&b.costs);
    free(b.sites);
    return code;
}
