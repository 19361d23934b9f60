/* SPDX-License-Identifier: MIT */
#include "analysis/keepers.h"

#include "analysis/heap_groups.h"
#include "analysis/heap_path.h"
#include "analysis/heap_tree.h"
#include "analysis/leak_graph.h"
#include "analysis/site_frames.h"
#include "model/graph_words.h"
#include "model/pattern.h"
#include "model/wrappers.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536
#define THROUGH_LIMIT 6

struct keepers {
    const struct keepers_options *options;
    const struct trace_dict *dict;
    struct symbols *symbols;
    struct leak_graph leak;
    struct heap_tree tree;
    struct heap_groups sites, classes;
    uint64_t total_bytes;
};

/* ------------------------------------------------------------------ reading */

/* Moves the reader before the event of the snapshot. */
static enum seep_err go_to(struct trace_reader *reader, const struct trace_snapshot *snapshot,
                           const struct keepers_options *options, struct err *err)
{
    struct trace_event ev;
    enum seep_err code = trace_reader_seek_number(reader, snapshot->event, err);
    for (uint64_t n = 1; !code && trace_reader_number(reader) < snapshot->event; n++) {
        code = trace_reader_next(reader, &ev, err);
        if (n % PROGRESS_EVENTS == 0 && options->progress &&
            !options->progress(options->progress_arg, trace_reader_progress(reader)))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
    }
    return code == SEEP_END ? SEEP_OK : code;
}

static enum seep_err load(struct keepers *k, struct trace_reader *reader,
                          struct heap_graph_choice *choice, struct err *err)
{
    bool fits = false;
    enum seep_err code = heap_graph_choose(choice, reader, NULL, NULL, err);
    if (code || !choice->snapshot)
        return code;
    code = go_to(reader, choice->snapshot, k->options, err);
    if (!code)
        code = leak_graph_load(&k->leak, reader, k->symbols, choice->snapshot, &fits, err);
    if (!code && !fits)
        *choice = (struct heap_graph_choice){.why_not = "it does not fit the blocks of its moment"};
    return code;
}

static enum seep_err make_groups(struct keepers *k, struct err *err)
{
    heap_tree_make(&k->tree, &k->leak, k->symbols);
    heap_groups_by_class(&k->classes, &k->tree, k->symbols);
    return heap_groups_by_site(&k->sites, &k->tree, k->dict, k->symbols, k->options->by, err);
}

/* ------------------------------------------------------------------ names */

static const char *const kind_names[] = {
    [HOLDER_VARIABLE] = "variable", [HOLDER_MODULE] = "module",
    [HOLDER_STACK] = "stack",       [HOLDER_THREAD] = "thread",
    [HOLDER_MAPPING] = "mapping",   [HOLDER_REGISTERED] = "registered",
    [HOLDER_LOADER] = "loader",     [HOLDER_PURPOSE] = "purpose",
    [HOLDER_NOBODY] = "lost",
};

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash && slash[1] ? slash + 1 : path;
}

static const struct trace_thread *thread_of(const struct keepers *k, uint32_t number)
{
    return number && number <= k->dict->thread_count ? &k->dict->threads[number - 1] : NULL;
}

static void add_holder_name(struct result *r, const struct keepers *k, const struct heap_holder *h)
{
    const struct trace_thread *thread = thread_of(k, h->thread);
    struct strbuf name = {0};
    switch (h->kind) {
    case HOLDER_VARIABLE: strbuf_adds(&name, h->data.name); break;
    case HOLDER_MODULE:
        if (h->data.module)
            strbuf_addf(&name, "data of %s", base_name(h->data.module));
        else
            strbuf_adds(&name, "data of an unknown module");
        break;
    case HOLDER_STACK:
    case HOLDER_THREAD:
        strbuf_adds(&name, h->kind == HOLDER_STACK ? "stack of " : "thread-local variables of ");
        if (h->thread == 0)
            strbuf_adds(&name, "an unknown thread");
        else if (thread && thread->name && thread->name[0])
            strbuf_addf(&name, "thread %u (%s)", h->thread, thread->name);
        else
            strbuf_addf(&name, "thread %u", h->thread);
        break;
    case HOLDER_MAPPING:
        strbuf_addf(&name, "mapping at 0x%llx", (unsigned long long)h->address);
        break;
    case HOLDER_REGISTERED:
        strbuf_addf(&name, "root region at 0x%llx", (unsigned long long)h->address);
        break;
    case HOLDER_LOADER: strbuf_adds(&name, "the dynamic loader"); break;
    case HOLDER_PURPOSE: strbuf_adds(&name, "there on purpose"); break;
    case HOLDER_NOBODY: strbuf_adds(&name, "nobody: lost"); break;
    }
    result_text(r, "name", name.text);
    strbuf_release(&name);
}

static void add_source(struct result *r, const char *file, uint32_t line)
{
    result_text(r, "file", file);
    if (file && line)
        result_integer(r, "line", line);
    else
        result_null(r, "line");
}

static void add_holder(struct result *r, const struct keepers *k, const struct heap_holder *h)
{
    const struct trace_thread *thread = thread_of(k, h->thread);
    result_text(r, "kind", kind_names[h->kind]);
    add_holder_name(r, k, h);
    add_source(r, h->data.file, h->data.line);
    result_text(r, "module", h->data.module);
    if (h->thread)
        result_integer(r, "thread", h->thread);
    else
        result_null(r, "thread");
    result_text(r, "thread_name", thread && thread->name && thread->name[0] ? thread->name : NULL);
}

/* Name and place of a call site: of the frame that asked for the memory. */
static void add_site_name(struct result *r, const struct keepers *k, uint32_t stack)
{
    const struct symbol_frame *f = wrapper_caller(k->dict, k->symbols, stack);
    result_text(r, "name", f ? f->function : "(unknown)");
    add_source(r, f ? f->file : NULL, f ? f->line : 0);
}

/* ------------------------------------------------------------------ keepers */

/* What stands right below the root: a holder, or all blocks there of one site. */
struct keeper {
    uint32_t vertex; /* HEAP_GRAPH_NONE: blocks of */
    uint32_t site;
    uint64_t blocks, bytes; /* retained */
};

static int compare_keeper(const void *a, const void *b)
{
    const struct keeper *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->vertex != y->vertex)
        return x->vertex < y->vertex ? -1 : 1;
    return (x->site > y->site) - (x->site < y->site);
}

/* By bytes. Owned by the caller. */
static struct keeper *list_keepers(const struct keepers *k, size_t *count)
{
    const struct heap_tree *t = &k->tree;
    struct keeper *list = mem_alloc((t->holders.count + k->sites.count + 1) * sizeof *list);
    for (size_t i = 0; i < k->sites.count; i++)
        list[i] = (struct keeper){.vertex = HEAP_GRAPH_NONE, .site = (uint32_t)i};
    size_t end = k->sites.count;
    for (uint32_t i = t->first_child[t->root]; i < t->first_child[t->root + 1]; i++) {
        uint32_t v = t->children[i];
        if (!heap_tree_is_block(t, v)) {
            list[end++] = (struct keeper){v, 0, t->blocks[v], t->bytes[v]};
            continue;
        }
        list[k->sites.of_nodes[v]].blocks += t->blocks[v];
        list[k->sites.of_nodes[v]].bytes += t->bytes[v];
    }
    /* those that retain no block are none: all that they lead to others lead to as well */
    *count = 0;
    for (size_t i = 0; i < end; i++)
        if (list[i].blocks)
            list[(*count)++] = list[i];
    if (*count)
        qsort(list, *count, sizeof *list, compare_keeper);
    return list;
}

/* Blocks at one step of the way down the tree. */
struct front {
    uint32_t *nodes; /* owned */
    size_t count, capacity;
};

static void add_to_front(struct front *f, uint32_t node)
{
    MEM_GROW(f->nodes, f->capacity, f->count + 1);
    f->nodes[f->count++] = node;
}

/* Of all right below the vertices in `from`, the site whose blocks retain most: those blocks into
 * *to. `sums` is by site, all 0 before and after. */
static uint32_t heaviest_below(const struct keepers *k, const struct front *from, struct front *to,
                               struct keeper *sums)
{
    const struct heap_tree *t = &k->tree;
    uint32_t best = HEAP_GRAPH_NONE;
    to->count = 0;
    for (size_t i = 0; i < from->count; i++)
        for (uint32_t c = t->first_child[from->nodes[i]]; c < t->first_child[from->nodes[i] + 1];
             c++) {
            struct keeper *sum = &sums[k->sites.of_nodes[t->children[c]]];
            sum->bytes += t->bytes[t->children[c]];
            sum->blocks += t->blocks[t->children[c]];
            if (best == HEAP_GRAPH_NONE || sum->bytes > sums[best].bytes)
                best = k->sites.of_nodes[t->children[c]];
        }
    for (size_t i = 0; i < from->count; i++)
        for (uint32_t c = t->first_child[from->nodes[i]]; c < t->first_child[from->nodes[i] + 1];
             c++) {
            uint32_t site = k->sites.of_nodes[t->children[c]];
            if (site == best)
                add_to_front(to, t->children[c]);
            else
                sums[site] = (struct keeper){0};
        }
    return best;
}

/* The sites that most of it is retained through. */
static void add_through(struct result *r, const struct keepers *k, const struct keeper *keeper,
                        struct keeper *sums)
{
    struct result *list = result_array(r, "through");
    struct front from = {0}, to = {0};
    uint32_t last = keeper->vertex == HEAP_GRAPH_NONE ? keeper->site : HEAP_GRAPH_NONE;
    if (keeper->vertex != HEAP_GRAPH_NONE) {
        add_to_front(&from, keeper->vertex);
    } else {
        const struct heap_tree *t = &k->tree;
        for (uint32_t i = t->first_child[t->root]; i < t->first_child[t->root + 1]; i++)
            if (heap_tree_is_block(t, t->children[i]) &&
                k->sites.of_nodes[t->children[i]] == keeper->site)
                add_to_front(&from, t->children[i]);
    }
    while (result_length(list) < THROUGH_LIMIT) {
        uint32_t site = heaviest_below(k, &from, &to, sums);
        if (site == HEAP_GRAPH_NONE)
            break;
        struct keeper sum = sums[site];
        sums[site] = (struct keeper){0};
        if (sum.bytes * 2 < keeper->bytes)
            break;
        if (site != last) { /* a list of blocks of one site is one step */
            struct result *o = result_object(list, NULL);
            add_site_name(o, k, k->sites.items[site].stack);
            result_count(o, "blocks", sum.blocks);
            result_bytes(o, "bytes", sum.bytes);
        }
        last = site;
        struct front swap = from;
        from = to;
        to = swap;
    }
    free(from.nodes);
    free(to.nodes);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static size_t shown_of(const struct keepers *k, size_t count)
{
    return k->options->top && k->options->top < count ? k->options->top : count;
}

static void add_keeper(struct result *list, const struct keepers *k, const struct keeper *keeper,
                       struct keeper *sums)
{
    struct result *r = result_object(list, NULL);
    if (keeper->vertex != HEAP_GRAPH_NONE) {
        add_holder(r, k, heap_tree_holder(&k->tree, keeper->vertex));
    } else {
        const struct heap_group *site = &k->sites.items[keeper->site];
        result_text(r, "kind", "shared");
        add_site_name(r, k, site->stack);
        result_text(r, "module", site->module);
        result_null(r, "thread");
        result_null(r, "thread_name");
    }
    result_count(r, "blocks", keeper->blocks);
    result_bytes(r, "bytes", keeper->bytes);
    result_percent(r, "share_percent", percent(keeper->bytes, k->total_bytes));
    add_through(r, k, keeper, sums);
}

static void add_keepers(struct result *r, const struct keepers *k)
{
    size_t count;
    struct keeper *all = list_keepers(k, &count);
    struct keeper *sums = mem_zalloc(k->sites.count + 1, sizeof *sums);
    struct result *list = result_array(r, "keepers");
    for (size_t i = 0; i < shown_of(k, count); i++)
        add_keeper(list, k, &all[i], sums);
    result_count(r, "keepers_hidden", count - shown_of(k, count));
    free(all);
    free(sums);
}

/* ------------------------------------------------------------------ groups */

static void add_group(struct result *r, const struct keepers *k, const struct heap_group *g)
{
    result_text(r, "name", g->name);
    result_text(r, "module", g->module);
    result_count(r, "blocks", g->blocks);
    result_bytes(r, "bytes", g->bytes);
    result_count(r, "retained_blocks", g->retained_blocks);
    result_bytes(r, "retained_bytes", g->retained_bytes);
    result_percent(r, "share_percent", percent(g->retained_bytes, k->total_bytes));
}

static void add_sites(struct result *r, const struct keepers *k)
{
    struct result *list = result_array(r, "sites");
    struct site_frames frames;
    site_frames_init(&frames, k->dict, k->symbols);
    for (size_t i = 0; i < shown_of(k, k->sites.count); i++) {
        const struct heap_group *g = &k->sites.items[k->sites.order[i]];
        struct result *o = result_object(list, NULL);
        add_group(o, k, g);
        site_frames_add(o, g->stack, k->options->depth, &frames);
    }
    result_count(r, "sites_hidden", k->sites.count - shown_of(k, k->sites.count));
    site_frames_release(&frames);
}

static void add_classes(struct result *r, const struct keepers *k)
{
    struct result *list = result_array(r, "classes");
    for (size_t i = 0; i < shown_of(k, k->classes.count); i++)
        add_group(result_object(list, NULL), k, &k->classes.items[k->classes.order[i]]);
    result_count(r, "classes_hidden", k->classes.count - shown_of(k, k->classes.count));
}

/* ------------------------------------------------------------------ the path */

struct target {
    const struct keepers *k;
    uint32_t node;        /* HEAP_GRAPH_NONE: by name */
    const uint8_t *named; /* by stack */
};

static bool is_target(void *arg, uint32_t node)
{
    const struct target *t = arg;
    if (t->node != HEAP_GRAPH_NONE)
        return node == t->node;
    uint32_t stack = t->k->leak.graph.stacks[node];
    return t->named[stack <= t->k->dict->stack_count ? stack : 0];
}

/* Which stacks' call sites the pattern names. Owned by the caller. */
static uint8_t *match_stacks(const struct keepers *k, const char *pattern)
{
    const struct heap_graph *g = &k->leak.graph;
    uint8_t *known = mem_zalloc((size_t)k->dict->stack_count + 1, 1);
    uint8_t *named = mem_zalloc((size_t)k->dict->stack_count + 1, 1);
    for (uint32_t node = 0; node < g->count; node++) {
        uint32_t stack = g->stacks[node] <= k->dict->stack_count ? g->stacks[node] : 0;
        if (known[stack])
            continue;
        known[stack] = 1;
        const struct symbol_frame *f = wrapper_caller(k->dict, k->symbols, stack);
        named[stack] = f && pattern_matches(pattern, f->function);
    }
    free(known);
    return named;
}

static void add_steps(struct result *r, const struct keepers *k, const struct heap_path *path)
{
    const struct heap_graph *g = &k->leak.graph;
    const struct heap_holder *holder = &k->tree.holders.items[path->holder];
    bool interior = false;
    for (size_t i = 0; i < path->count; i++)
        interior |= path->pointers[i] == SEEP_GRAPH_TO_INSIDE;
    result_bool(r, "lost", holder->kind == HOLDER_NOBODY);
    result_bool(r, "interior", interior);
    struct result *steps = result_array(r, "steps");
    add_holder(result_object(steps, NULL), k, holder);
    for (size_t i = 0; i < path->count; i++) {
        uint32_t node = path->nodes[i], class = g->classes[node];
        struct result *o = result_object(steps, NULL);
        add_site_name(o, k, g->stacks[node]);
        result_address(o, "address", g->addresses[node]);
        result_bytes(o, "bytes", g->sizes[node]);
        result_text(o, "class", class ? heap_class_name(g, class, k->symbols, NULL) : NULL);
        result_bool(o, "interior", path->pointers[i] == SEEP_GRAPH_TO_INSIDE);
    }
}

static enum seep_err add_path(struct result *r, const struct keepers *k, struct err *err)
{
    const char *wanted = k->options->path;
    struct target target = {.k = k, .node = HEAP_GRAPH_NONE};
    uint8_t *named = NULL;
    struct heap_path path;
    if (!wanted) {
        result_null(r, "path");
        return SEEP_OK;
    }
    if (strncmp(wanted, "0x", 2) == 0) {
        char *end;
        target.node = heap_graph_find(&k->leak.graph, strtoull(wanted, &end, 16));
        if (*end || target.node == HEAP_GRAPH_NONE)
            return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET, "--path=%s: no block was live there",
                           wanted);
    } else {
        target.named = named = match_stacks(k, wanted);
    }
    bool found = heap_path_find(&path, &k->tree, &k->leak.reach, is_target, &target);
    free(named);
    if (!found)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "--path=%s: no live block was made by a function of such a name", wanted);
    struct result *o = result_object(r, "path");
    result_text(o, "target", wanted);
    add_steps(o, k, &path);
    heap_path_release(&path);
    return SEEP_OK;
}

/* ------------------------------------------------------------------ the tree */

static void add_graph(struct result *r, const struct trace_snapshot *s)
{
    struct result *o = result_object(r, "graph");
    result_count(o, "number", s->number);
    result_text(o, "trigger", graph_trigger_name(s->trigger));
    result_ns(o, "time_ns", s->time_ns);
    result_count(o, "missed_threads", s->missed_threads);
    result_null(r, "no_graph");
}

static void add_total(struct result *r, struct keepers *k)
{
    static const char *const names[] = {"definite", "indirect", "possible", "reachable"};
    const struct heap_graph *g = &k->leak.graph;
    uint64_t blocks[4] = {0}, bytes[4] = {0};
    for (uint32_t node = 0; node < g->count; node++) {
        enum reach_verdict v = leak_graph_verdict(&k->leak, node);
        unsigned i = v == REACH_IGNORED ? REACH_REACHABLE : v;
        blocks[i]++;
        bytes[i] += g->sizes[node];
        k->total_bytes += g->sizes[node];
    }
    struct result *total = result_object(r, "total");
    result_count(total, "blocks", g->count);
    result_bytes(total, "bytes", k->total_bytes);
    for (unsigned i = 0; i < 4; i++) {
        struct result *o = result_object(total, names[i]);
        result_count(o, "blocks", blocks[i]);
        result_bytes(o, "bytes", bytes[i]);
    }
}

static enum seep_err make_tree(struct result *r, struct keepers *k,
                               const struct heap_graph_choice *choice, struct err *err)
{
    if (!choice->snapshot) {
        result_null(r, "graph");
        result_text(r, "no_graph", choice->why_not);
        return SEEP_OK;
    }
    enum seep_err code = make_groups(k, err);
    if (code)
        return code;
    add_graph(r, choice->snapshot);
    add_total(r, k);
    add_keepers(r, k);
    add_sites(r, k);
    add_classes(r, k);
    return add_path(r, k, err);
}

enum seep_err keepers_analyse(struct result **out, struct trace_reader *reader,
                              struct symbols *symbols, const struct keepers_options *options,
                              struct err *err)
{
    struct keepers k = {.options = options, .dict = trace_reader_dict(reader), .symbols = symbols};
    struct heap_graph_choice choice;
    struct result *r = result_new_object();
    enum seep_err code = load(&k, reader, &choice, err);
    if (!code)
        code = make_tree(r, &k, &choice, err);
    heap_groups_release(&k.sites);
    heap_groups_release(&k.classes);
    heap_tree_release(&k.tree);
    leak_graph_release(&k.leak);
    if (code)
        result_free(r);
    else
        *out = r;
    return code;
}
