/* SPDX-License-Identifier: MIT
 *
 * Pictures -> rows and blame (frag_read.h) -> figures, verdict -> tree. */
#include "analysis/frag.h"

#include "analysis/frag_metrics.h"
#include "analysis/frag_read.h"
#include "analysis/frag_verdict.h"
#include "analysis/resolve.h"
#include "analysis/site_frames.h"
#include "util/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct grouped {
    struct frag_site site;
    uint32_t stacks; /* that were joined */
};

struct ranking {
    struct grouped *all; /* owned */
    size_t count, shown;
    double hidden; /* bytes of those that are not shown */
};

struct frag {
    const struct frag_options *options;
    const struct trace_dict *dict;
    struct symbols *symbols;
    const char *allocator;
    struct frag_read read;
    struct grouped *groups; /* owned */
    size_t count;
    struct ranking blame, left;
};

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

/* ------------------------------------------------------------------ sites */

static void join(struct frag_site *to, const struct frag_site *from)
{
    if (frag_site_waste(from) > frag_site_waste(to))
        to->stack = from->stack; /* the one that is shown for all */
    to->blocks += from->blocks;
    to->bytes += from->bytes;
    to->keepers += from->keepers;
    to->keeper_bytes += from->keeper_bytes;
    to->hole += from->hole;
    to->sole += from->sole;
    to->pinned += from->pinned;
    to->left += from->left;
    to->slack += from->slack;
    to->page_bytes += from->page_bytes;
    to->age += from->age;
    to->neighbours += from->neighbours;
    to->compared += from->compared;
    to->byte_ns += from->byte_ns;
}

static void group(struct frag *f)
{
    const struct frag_blame *b = &f->read.blame;
    struct site_table table = {0};
    f->groups = mem_zalloc(b->count + 1, sizeof *f->groups);
    for (size_t i = 0; i < b->count; i++) {
        const struct frag_site *from = &b->sites[i];
        size_t at = f->count;
        if (f->options->by != SITE_BY_STACK) {
            struct site_key key =
                site_key_of(from->stack, f->options->by, NULL, f->dict, f->symbols);
            struct site_slot *slot = site_find(&table, &key);
            if (slot->site) {
                at = slot->site - 1;
            } else {
                slot->key = key;
                slot->site = (uint32_t)at + 1;
                table.count++;
            }
        }
        if (at == f->count) {
            f->groups[f->count++] = (struct grouped){*from, 1};
        } else {
            join(&f->groups[at].site, from);
            f->groups[at].stacks++;
        }
    }
    site_table_release(&table);
}

static int compare(double x, double y, const struct frag_site *a, const struct frag_site *b)
{
    if (x != y)
        return x < y ? 1 : -1;
    return (a->stack > b->stack) - (a->stack < b->stack);
}

static int compare_waste(const void *a, const void *b)
{
    const struct grouped *x = a, *y = b;
    return compare(frag_site_waste(&x->site), frag_site_waste(&y->site), &x->site, &y->site);
}

static int compare_left(const void *a, const void *b)
{
    const struct grouped *x = a, *y = b;
    return compare(x->site.left, y->site.left, &x->site, &y->site);
}

/* Takes those of which the value is at least a byte, the highest first. */
static void rank(struct ranking *r, const struct frag *f, double (*value)(const struct frag_site *),
                 int (*by)(const void *, const void *))
{
    r->all = mem_zalloc(f->count + 1, sizeof *r->all);
    for (size_t i = 0; i < f->count; i++)
        if (value(&f->groups[i].site) >= 1)
            r->all[r->count++] = f->groups[i];
    if (r->count)
        qsort(r->all, r->count, sizeof *r->all, by);
    size_t top = f->options->top;
    r->shown = top && top < r->count ? top : r->count;
    for (size_t i = r->shown; i < r->count; i++)
        r->hidden += value(&r->all[i].site);
}

static double waste_of(const struct frag_site *s)
{
    return frag_site_waste(s);
}

static double left_of(const struct frag_site *s)
{
    return s->left;
}

static void mark(const struct frag *f, uint8_t *marks, const struct ranking *r)
{
    for (size_t i = 0; i < r->shown; i++) {
        uint32_t node = r->all[i].site.stack;
        for (unsigned n = 0; node && (!f->options->depth || n < f->options->depth); n++) {
            marks[node] = 1;
            node = f->dict->stacks[node].parent;
        }
    }
}

static enum seep_err resolve_shown(struct frag *f, struct err *err)
{
    uint8_t *marks = mem_zalloc((size_t)f->dict->stack_count + 1, 1);
    mark(f, marks, &f->blame);
    mark(f, marks, &f->left);
    enum seep_err code = resolve_marked(f->symbols, f->dict, marks, false, err);
    free(marks);
    return code;
}

/* ------------------------------------------------------------------ the tree */

static void add_rows(struct result *list, const struct frag_rows *r)
{
    struct result *o = result_object(list, NULL);
    result_ns(o, "time_ns", r->time_ns);
    result_bytes(o, "rss_bytes", r->rss);
    result_bytes(o, "requested_bytes", r->requested);
    result_bytes(o, "slack_bytes", r->slack);
    result_bytes(o, "hole_bytes", r->hole);
    result_bytes(o, "free_resident_bytes", frag_rows_free(r));
    result_bytes(o, "metadata_bytes", frag_rows_metadata(r));
    result_bytes(o, "non_heap_bytes", frag_rows_non_heap(r));
    result_bytes(o, "recorder_bytes", r->recorder);
    result_integer(o, "unexplained_bytes", r->unexplained);
    result_bytes(o, "free_never_used_bytes", r->free_unheld);
    result_bytes(o, "mapped_metadata_bytes", r->metadata);
    result_bytes(o, "stack_bytes", r->stacks);
    result_bytes(o, "own_mapping_bytes", r->mappings);
    result_bytes(o, "file_bytes", r->files);
    result_bytes(o, "other_bytes", r->other);
    result_bytes(o, "untouched_bytes", r->untouched);
    result_bytes(o, "swapped_bytes", r->swapped);
    result_bytes(o, "live_bytes", r->live_requested);
    result_count(o, "live_blocks", r->live_blocks);
    result_bytes(o, "moved_bytes", r->moved_bytes);
    result_integer(o, "moved_rss_bytes", r->moved_rss);
}

static void add_holes(struct result *o, const struct frag_rows *r)
{
    struct result *list = result_array(o, "holes");
    for (unsigned i = 0; i < FRAG_HOLES; i++) {
        struct result *h = result_object(list, NULL);
        result_bytes(h, "from_bytes", i ? UINT64_C(32) << i : 1);
        result_bytes(h, "to_bytes", i == FRAG_HOLES - 1 ? PAGES_BYTES : (UINT64_C(64) << i) - 1);
        result_count(h, "pages", r->hole_pages[i]);
        result_bytes(h, "hole_bytes", r->hole_bytes[i]);
    }
}

static void add_metrics(struct result *tree, const struct frag *f)
{
    const struct frag_read *read = &f->read;
    const struct frag_rows *now = &read->instants[read->shown];
    struct frag_metrics m;
    frag_metrics(&m, read->instants, read->cleanup, read->shown, read->peak_requested);
    struct result *o = result_object(tree, "metrics");
    result_percent(o, "page_occupancy_percent", m.page_occupancy);
    result_percent(o, "huge_page_occupancy_percent", m.huge_page_occupancy);
    result_count(o, "live_pages", now->live_pages);
    result_count(o, "live_huge_pages", now->live_huge);
    add_holes(o, now);
    result_percent(o, "internal_percent", m.internal);
    result_percent(o, "johnstone_wilson_3", m.johnstone_wilson_3);
    result_percent(o, "johnstone_wilson_4", m.johnstone_wilson_4);
    if (!m.has_trough) {
        result_null(o, "retention");
        return;
    }
    const struct frag_rows *low = &read->instants[m.trough];
    struct result *r = result_object(o, "retention");
    result_ns(r, "peak_ns", read->instants[m.peak].time_ns);
    result_ns(r, "trough_ns", low->time_ns);
    result_bytes(r, "requested_bytes", low->requested);
    result_bytes(r, "heap_bytes", frag_rows_heap(low));
    result_bytes(r, "retained_bytes", m.retained_bytes);
    result_percent(r, "retained_percent", m.retained_percent);
}

static void add_lifetimes(struct result *o, const struct frag_site *s)
{
    if (!s->compared) {
        result_null(o, "age_ns");
        result_null(o, "neighbour_ns");
        result_real(o, "outlives", 0);
        return;
    }
    double age = exp2(s->age / (double)s->compared);
    double neighbours = exp2(s->neighbours / (double)s->compared);
    result_ns(o, "age_ns", (uint64_t)age);
    result_ns(o, "neighbour_ns", (uint64_t)neighbours);
    result_real(o, "outlives", age / neighbours);
}

/* Every site's name and stack. */
static void add_name(struct result *o, const struct frag *f, const struct grouped *g,
                     struct site_frames *frames)
{
    struct site_key key = site_key_of(g->site.stack, f->options->by, NULL, f->dict, f->symbols);
    result_text(o, "name", key.name);
    result_count(o, "stacks", g->stacks);
    site_frames_add(o, g->site.stack, f->options->depth, frames);
}

static void add_site(struct result *o, const struct frag_site *s)
{
    result_count(o, "blocks", s->keepers);
    result_bytes(o, "keeper_bytes", s->keeper_bytes);
    result_count(o, "live_blocks", s->blocks);
    result_bytes(o, "live_bytes", s->bytes);
    result_bytes(o, "waste_bytes", (uint64_t)frag_site_waste(s));
    result_bytes(o, "hole_bytes", (uint64_t)s->hole);
    result_bytes(o, "sole_pinner_bytes", (uint64_t)s->sole);
    result_bytes(o, "slack_bytes", s->slack);
    result_bytes(o, "pinned_bytes", (uint64_t)s->pinned);
    result_percent(o, "page_fill_percent",
                   s->page_bytes > 0 ? 100 - percent(s->hole, s->page_bytes) : 0);
    result_real(o, "byte_seconds", s->byte_ns / 1e9);
    add_lifetimes(o, s);
}

static void add_hidden(struct result *tree, const char *name, const struct ranking *r)
{
    struct result *o = result_object(tree, name);
    result_count(o, "sites", r->count - r->shown);
    result_bytes(o, "bytes", (uint64_t)r->hidden);
}

static void add_blame(struct result *tree, const struct frag *f, struct site_frames *frames)
{
    struct result *list = result_array(tree, "blame");
    for (size_t i = 0; i < f->blame.shown; i++) {
        struct result *o = result_object(list, NULL);
        add_site(o, &f->blame.all[i].site);
        add_name(o, f, &f->blame.all[i], frames);
    }
    add_hidden(tree, "hidden", &f->blame);
}

static void add_left(struct result *tree, const struct frag *f, struct site_frames *frames)
{
    struct result *list = result_array(tree, "left");
    for (size_t i = 0; i < f->left.shown; i++) {
        struct result *o = result_object(list, NULL);
        result_bytes(o, "left_bytes", (uint64_t)f->left.all[i].site.left);
        add_name(o, f, &f->left.all[i], frames);
    }
    add_hidden(tree, "hidden_left", &f->left);
    result_bytes(tree, "unknown_left_bytes", (uint64_t)f->read.blame.unknown_left);
}

static void add_mappings(struct result *tree, const struct frag *f, struct site_frames *frames)
{
    const struct frag_mappings *m = &f->read.mappings;
    struct result *list = result_array(tree, "mappings");
    uint64_t hidden = 0, hidden_bytes = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct frag_mapping *site = &m->sites[i];
        if (f->options->top && i >= f->options->top) {
            hidden++;
            hidden_bytes += site->resident_bytes;
            continue;
        }
        uint64_t now_ns = f->read.instants[f->read.shown].time_ns;
        struct result *o = result_object(list, NULL);
        result_bytes(o, "resident_bytes", site->resident_bytes);
        result_bytes(o, "mapped_bytes", site->mapped_bytes);
        result_count(o, "mappings", site->count);
        result_text(o, "name",
                    site->pc ? symbols_of_return(f->symbols, site->pc, now_ns)->frames[0].function
                             : "unknown");
        if (site->pc) {
            site_frames_add_return(o, site->pc, now_ns, frames);
        } else {
            result_array(o, "frames");
            result_bool(o, "cut", true);
            result_count(o, "hidden_frames", 0);
        }
    }
    struct result *rest = result_object(tree, "hidden_mappings");
    result_count(rest, "sites", hidden);
    result_bytes(rest, "bytes", hidden_bytes);
}

static void add_sites(struct result *tree, const struct frag *f)
{
    struct site_frames frames;
    site_frames_init(&frames, f->dict, f->symbols);
    add_blame(tree, f, &frames);
    add_left(tree, f, &frames);
    add_mappings(tree, f, &frames);
    site_frames_release(&frames);
}

static uint64_t size_slack(const struct frag_size *s)
{
    return s->usable > s->size ? (s->usable - s->size) * s->blocks : 0;
}

static int compare_sizes(const void *a, const void *b)
{
    uint64_t x = size_slack(a), y = size_slack(b);
    return (x < y) - (x > y);
}

static void add_sizes(struct result *tree, struct frag *f)
{
    struct frag_blame *b = &f->read.blame;
    struct result *list = result_array(tree, "sizes");
    if (b->size_count)
        qsort(b->sizes, b->size_count, sizeof *b->sizes, compare_sizes);
    for (size_t i = 0; i < b->size_count && (!f->options->sizes || i < f->options->sizes); i++) {
        const struct frag_size *s = &b->sizes[i];
        if (!size_slack(s))
            break;
        struct result *o = result_object(list, NULL);
        result_bytes(o, "size_bytes", s->size);
        result_bytes(o, "usable_bytes", s->usable);
        result_count(o, "blocks", s->blocks);
        result_bytes(o, "slack_bytes", size_slack(s));
        result_percent(o, "slack_percent",
                       percent((double)(s->usable - s->size), (double)s->usable));
    }
}

static void add_map(struct result *tree, const struct frag_map *m)
{
    struct result *list = result_array(tree, "map");
    for (size_t i = 0; i < m->count; i++) {
        const struct frag_cell *c = &m->cells[i];
        struct result *o = result_object(list, NULL);
        result_address(o, "start", c->start);
        result_address(o, "end", c->end);
        result_bytes(o, "resident_bytes", c->resident);
        result_bytes(o, "used_bytes", c->used);
        result_bytes(o, "free_bytes", c->free);
    }
}

/* Whether there was such a call site at all: its blocks may be gone by the picture, and have shaped
 * the heap. */
static bool asks_of_any(const struct frag *f)
{
    for (uint32_t stack = 1; stack <= f->dict->stack_count; stack++)
        if (filter_stack(f->options->what_if, stack))
            return true;
    return false;
}

static enum seep_err add_what_if(struct result *tree, const struct frag *f, struct err *err)
{
    const struct frag_what_if *w = &f->read.what_if;
    bool pool = f->options->question == FRAG_POOL;
    if (f->options->question == FRAG_NO_QUESTION) {
        result_null(tree, "what_if");
        return SEEP_OK;
    }
    struct result *o = result_object(tree, "what_if");
    int64_t saved = (int64_t)(w->alone * PAGES_BYTES);
    if (pool)
        saved -= (int64_t)(w->pool_pages * PAGES_BYTES);
    else
        saved += (int64_t)w->large_bytes;
    result_text(o, "question", pool ? "pool" : "without");
    result_count(o, "blocks", w->blocks);
    result_bytes(o, "requested_bytes", w->requested);
    result_bytes(o, "usable_bytes", w->usable);
    result_count(o, "pages", w->pages);
    result_count(o, "touched_pages", w->touched);
    result_count(o, "alone_pages", w->alone);
    result_count(o, "pool_pages", w->pool_pages);
    result_integer(o, "saved_bytes", saved);
    if (f->options->replay && asks_of_any(f))
        return f->options->replay(f->options->replay_arg, o,
                                  f->read.instants[f->read.shown].time_ns, err);
    result_null(o, "replay");
    result_null(o, "replay_missing");
    return SEEP_OK;
}

static void add_window(struct result *tree, const struct frag *f)
{
    const struct filter *filter = f->options->filter;
    if (!filter || (!filter->from.text && !filter->to.text)) {
        result_null(tree, "window");
        return;
    }
    struct result *w = result_object(tree, "window");
    result_text(w, "from", filter->from.text);
    result_text(w, "to", filter->to.text);
}

/* On an error the tree is there, too. */
static enum seep_err make_tree(struct frag *f, struct result *tree, struct err *err)
{
    const struct frag_read *read = &f->read;
    bool found = read->count > 0 && read->shown < read->count;
    add_window(tree, f);
    result_text(tree, "by", site_by_names[f->options->by]);
    result_text(tree, "allocator", f->allocator);
    result_ns(tree, "end_ns", read->end_ns);
    result_count(tree, "pictures", read->pictures);
    struct result *list = result_array(tree, "instants");
    for (size_t i = 0; i < read->count; i++)
        add_rows(list, &read->instants[i]);
    if (found) {
        result_count(tree, "shown", read->shown);
        add_metrics(tree, f);
    } else {
        result_null(tree, "shown");
        result_null(tree, "metrics");
    }
    add_sites(tree, f);
    add_sizes(tree, f);
    add_map(tree, &read->map);
    enum seep_err code = add_what_if(tree, f, err);
    if (found) {
        const struct frag_case of = {.allocator = f->allocator,
                                     .threads = f->dict->thread_count,
                                     .worst = f->blame.count ? &f->blame.all[0].site : NULL};
        frag_verdict_add(tree, read->instants, read->cleanup, read->shown, &of);
    } else {
        result_null(tree, "verdict");
    }
    return code;
}

/* ------------------------------------------------------------------ the whole */

static enum seep_err bind(const struct frag_options *o, const struct trace_dict *dict,
                          struct symbols *symbols, struct err *err)
{
    struct filter *filters[] = {o->filter, o->at, o->what_if};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        enum seep_err code = filters[i] ? filter_bind(filters[i], dict, symbols, err) : SEEP_OK;
        if (code)
            return code;
    }
    return SEEP_OK;
}

enum seep_err frag_analyse(struct result **out, struct trace_reader *reader,
                           struct symbols *symbols, const struct frag_options *options,
                           struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct frag f = {.options = options,
                     .dict = dict,
                     .symbols = symbols,
                     .allocator = trace_reader_facts(reader)->allocator};
    if (dict->process_count)
        return err_set(
            err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
            "this trace was made of those of several processes and does not tell their pages; "
            "give seep frag the trace that was recorded of one of them");
    enum seep_err code = bind(options, dict, symbols, err);
    if (code)
        return code;
    const struct frag_read_options how = {.filter = options->filter,
                                          .at = options->at,
                                          .what_if = options->what_if,
                                          .progress = options->progress,
                                          .progress_arg = options->progress_arg};
    code = frag_read(&f.read, reader, &how, err);
    if (!code) {
        group(&f);
        rank(&f.blame, &f, waste_of, compare_waste);
        rank(&f.left, &f, left_of, compare_left);
        code = resolve_shown(&f, err);
    }
    if (!code) {
        struct result *tree = result_new_object();
        code = make_tree(&f, tree, err);
        if (code)
            result_free(tree);
        else
            *out = tree;
    }
    free(f.groups);
    free(f.blame.all);
    free(f.left.all);
    frag_read_release(&f.read);
    return code;
}
