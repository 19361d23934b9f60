/* SPDX-License-Identifier: MIT
 *
 * Events -> the heap over time and by site (growth_read.h) -> the moments worth a look -> what is
 * live at those (growth_live.h) and what class each site is (growth_class.h) -> tree. */
#include "analysis/growth.h"

#include "analysis/growth_class.h"
#include "analysis/growth_live.h"
#include "analysis/growth_moments.h"
#include "analysis/growth_read.h"
#include "analysis/resolve.h"
#include "analysis/site_frames.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

struct peak {
    struct growth_peak found;
    uint64_t time_ns;
    struct growth_moment moment;
};

struct rise {
    bool given;
    uint64_t from_ns, to_ns, before_bytes, after_bytes;
    struct growth_moment moment;
};

struct classed {
    uint32_t site;
    struct growth_evidence evidence;
};

struct growth {
    const struct growth_options *options;
    const struct trace_dict *dict;
    struct symbols *symbols;
    struct growth_read_options how; /* growth_read() holds on to it */
    struct growth_read read;
    struct peak *peaks; /* owned, like the next two */
    struct rise *rises;
    struct classed *classed;
    size_t peak_count, rise_count, classed_count, shown;
    bool paused[GROWTH_POINTS];
    size_t shutdown;      /* bucket, or their count */
    uint64_t level_bytes; /* live where it begins */
    uint64_t unclassed_sites, unclassed_bytes;
};

/* ------------------------------------------------------------------ moments */

/* The number behind that of the last event before the bucket. */
static uint64_t number_before(const struct growth *g, size_t bucket)
{
    uint64_t number = bucket ? g->read.series.items[bucket - 1].end_number : 0;
    return number ? number : g->read.first_number;
}

/* The same for the moment of its highest value. */
static uint64_t number_of_max(const struct growth *g, size_t bucket)
{
    uint64_t number = g->read.series.items[bucket].max_number;
    return number == UINT64_MAX ? number_before(g, bucket) : number + 1;
}

static void find_peaks(struct growth *g)
{
    const struct growth_series *s = &g->read.series;
    struct growth_peak *found = mem_zalloc(g->options->peaks + 1, sizeof *found);
    g->peak_count = growth_peaks(found, g->options->peaks, s);
    g->peaks = mem_zalloc(g->peak_count + 1, sizeof *g->peaks);
    for (size_t i = 0; i < g->peak_count; i++)
        g->peaks[i] = (struct peak){
            .found = found[i],
            .time_ns = s->items[found[i].bucket].max_ns,
            .moment = {.number = number_of_max(g, found[i].bucket), .top = g->options->top_parts},
        };
    free(found);
}

static void take_window(struct growth *g)
{
    const struct growth_series *s = &g->read.series;
    g->rises = mem_zalloc(1, sizeof *g->rises);
    g->rise_count = 1;
    g->rises[0] = (struct rise){
        .given = true,
        .from_ns = g->read.start_ns,
        .to_ns = g->read.end_ns,
        .before_bytes = s->start_bytes,
        .after_bytes = s->bytes,
        .moment = {.number = number_before(g, s->count),
                   .from_number = g->read.first_number,
                   .top = g->options->top_parts},
    };
}

static void find_rises(struct growth *g)
{
    const struct growth_series *s = &g->read.series;
    struct growth_rise *found = mem_zalloc(g->options->rises + 1, sizeof *found);
    g->rise_count = growth_rises(found, g->options->rises, s);
    g->rises = mem_zalloc(g->rise_count + 1, sizeof *g->rises);
    for (size_t i = 0; i < g->rise_count; i++) {
        const struct growth_bucket *last = &s->items[found[i].last];
        g->rises[i] = (struct rise){
            .from_ns = growth_series_time(s, found[i].first),
            .to_ns = last->max_ns,
            .before_bytes = growth_series_before(s, found[i].first),
            .after_bytes = last->max_bytes,
            .moment = {.number = number_of_max(g, found[i].last),
                       .from_number = number_before(g, found[i].first),
                       .top = g->options->top_parts},
        };
    }
    free(found);
}

static enum seep_err look_at_moments(struct growth *g, struct err *err)
{
    size_t count = g->peak_count + g->rise_count, at = 0;
    struct growth_moment **all = mem_zalloc(count + 1, sizeof(struct growth_moment *));
    for (size_t i = 0; i < g->peak_count; i++)
        all[at++] = &g->peaks[i].moment;
    for (size_t i = 0; i < g->rise_count; i++)
        all[at++] = &g->rises[i].moment;
    enum seep_err code = growth_live_read(all, count, &g->read, err);
    free(all);
    return code;
}

/* ------------------------------------------------------------------ classes */

static int compare_classed(const void *a, const void *b)
{
    const struct classed *x = a, *y = b;
    bool gx = x->evidence.class == GROWTH_GROWING, gy = y->evidence.class == GROWTH_GROWING;
    if (gx != gy)
        return gx ? -1 : 1;
    uint64_t bx = gx ? (uint64_t)x->evidence.risen_bytes : x->evidence.high_bytes;
    uint64_t by = gy ? (uint64_t)y->evidence.risen_bytes : y->evidence.high_bytes;
    if (bx != by)
        return bx < by ? 1 : -1;
    return (x->site > y->site) - (x->site < y->site);
}

static void classify(struct growth *g)
{
    struct growth_read *r = &g->read;
    const struct growth_series *s = &r->series;
    g->shutdown = r->at_exit ? growth_shutdown(s) : s->count;
    g->level_bytes = g->shutdown < s->count ? growth_series_before(s, g->shutdown) : s->bytes;
    size_t end = r->site_buckets;
    if (g->shutdown < s->count)
        end = (size_t)(((uint64_t)g->shutdown << s->shift) >> r->site_shift) + 1;
    g->classed = mem_zalloc(r->sites.count + 1, sizeof *g->classed);
    growth_pauses(g->paused, s, r->site_buckets, r->coarser);
    for (uint32_t i = 0; i < r->sites.count; i++) {
        const struct growth_site *site = &r->sites.items[i];
        if (site->max_bytes < g->options->min_bytes) {
            g->unclassed_sites += site->max_bytes > 0;
            g->unclassed_bytes += site->max_bytes;
            continue;
        }
        struct growth_curve curve;
        struct classed *c = &g->classed[g->classed_count++];
        c->site = i;
        growth_site_curve(&curve, &r->sites, i, r->site_buckets);
        curve.paused = g->paused;
        growth_classify(&c->evidence, &curve, site, end, g->shutdown < s->count);
    }
    if (g->classed_count)
        qsort(g->classed, g->classed_count, sizeof *g->classed, compare_classed);
    size_t top = g->options->top;
    g->shown = top && top < g->classed_count ? top : g->classed_count;
}

/* ------------------------------------------------------------------ names */

static void mark_site(const struct growth *g, uint8_t *marks, uint32_t site)
{
    uint32_t node = g->read.sites.items[site].node;
    for (unsigned n = 0; node && (!g->options->depth || n < g->options->depth); n++) {
        marks[node] = 1;
        node = g->dict->stacks[node].parent;
    }
}

static void mark_parts(const struct growth *g, uint8_t *marks, const struct growth_moment *m)
{
    for (size_t i = 0; i < m->part_count; i++)
        mark_site(g, marks, m->parts[i].site);
}

/* Names the frames that will be shown. */
static enum seep_err resolve_shown(struct growth *g, struct err *err)
{
    uint8_t *marks = mem_zalloc((size_t)g->dict->stack_count + 1, 1);
    for (size_t i = 0; i < g->peak_count; i++)
        mark_parts(g, marks, &g->peaks[i].moment);
    for (size_t i = 0; i < g->rise_count; i++)
        mark_parts(g, marks, &g->rises[i].moment);
    for (size_t i = 0; i < g->shown; i++)
        mark_site(g, marks, g->classed[i].site);
    enum seep_err code = resolve_marked(g->symbols, g->dict, marks, false, err);
    free(marks);
    return code;
}

/* ------------------------------------------------------------------ the tree */

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void add_window(struct result *r, const struct growth *g)
{
    const struct filter *f = g->options->filter;
    if (!f || (!f->from.text && !f->to.text)) {
        result_null(r, "window");
    } else {
        struct result *w = result_object(r, "window");
        result_text(w, "from", f->from.text);
        result_text(w, "to", f->to.text);
    }
    result_ns(r, "start_ns", g->read.start_ns);
    result_ns(r, "end_ns", g->read.end_ns);
    result_text(r, "by", site_by_names[g->options->by]);
    if (g->shutdown < g->read.series.count)
        result_ns(r, "shutdown_ns", growth_series_time(&g->read.series, g->shutdown));
    else
        result_null(r, "shutdown_ns");
}

static void add_total(struct result *r, const struct growth *g)
{
    const struct growth_series *s = &g->read.series;
    uint64_t allocations = 0, frees = 0, allocated_bytes = 0;
    for (size_t i = 0; i < s->count; i++) {
        allocations += s->items[i].allocations;
        frees += s->items[i].frees;
        allocated_bytes += s->items[i].allocated_bytes;
    }
    struct result *total = result_object(r, "total");
    result_bytes(total, "start_bytes", s->start_bytes);
    result_count(total, "start_blocks", s->start_blocks);
    result_bytes(total, "end_bytes", s->bytes);
    result_count(total, "end_blocks", s->blocks);
    result_bytes(total, "level_bytes", g->level_bytes);
    result_count(total, "allocations", allocations);
    result_count(total, "frees", frees);
    result_bytes(total, "allocated_bytes", allocated_bytes);
}

#define COLUMN(name, add, field)                                                                   \
    do {                                                                                           \
        struct result *column_ = result_array(o, name);                                            \
        for (size_t i = 0; i < s->count; i++)                                                      \
            add(column_, NULL, s->items[i].field);                                                 \
    } while (0)

static void add_series(struct result *r, const struct growth_series *s)
{
    struct result *o = result_object(r, "series");
    result_ns(o, "width_ns", growth_series_width(s));
    COLUMN("max_bytes", result_bytes, max_bytes);
    COLUMN("min_bytes", result_bytes, min_bytes);
    COLUMN("last_bytes", result_bytes, last_bytes);
    COLUMN("max_blocks", result_count, max_blocks);
    COLUMN("last_blocks", result_count, last_blocks);
    COLUMN("allocations", result_count, allocations);
    COLUMN("frees", result_count, frees);
    COLUMN("allocated_bytes", result_bytes, allocated_bytes);
    bool sampled = false;
    for (size_t i = 0; i < s->count; i++)
        sampled |= s->items[i].max_rss > 0;
    if (sampled) {
        COLUMN("rss_max", result_bytes, max_rss);
        COLUMN("rss_last", result_bytes, last_rss);
    } else {
        result_null(o, "rss_max");
        result_null(o, "rss_last");
    }
}

static void add_marks(struct result *r, const struct growth *g)
{
    struct result *list = result_array(r, "marks");
    for (size_t i = 0; i < g->dict->mark_count; i++) {
        const struct trace_mark *mark = &g->dict->marks[i];
        if (mark->time_ns < g->read.start_ns || mark->time_ns > g->read.end_ns)
            continue;
        struct result *o = result_object(list, NULL);
        result_text(o, "name", mark->name);
        result_ns(o, "time_ns", mark->time_ns);
    }
}

/* What every site in the tree tells of itself. */
static void add_site(struct result *o, const struct growth *g, uint32_t number,
                     struct site_frames *frames)
{
    const struct growth_site *site = &g->read.sites.items[number];
    const char *name = site->name;
    if (!name)
        name = site_key_of(site->node, SITE_BY_STACK, NULL, g->dict, g->symbols).name;
    result_text(o, "name", name);
    result_count(o, "stacks", site->stacks);
    site_frames_add(o, site->node, g->options->depth, frames);
}

static void add_parts(struct result *o, const struct growth *g, const struct growth_moment *m,
                      struct site_frames *frames)
{
    struct result *list = result_array(o, "sites");
    uint64_t blocks = m->blocks, bytes = m->bytes;
    for (size_t i = 0; i < m->part_count; i++) {
        const struct growth_part *part = &m->parts[i];
        struct result *p = result_object(list, NULL);
        result_count(p, "blocks", part->blocks);
        result_bytes(p, "bytes", part->bytes);
        result_percent(p, "share_percent", percent(part->bytes, m->bytes));
        add_site(p, g, part->site, frames);
        blocks -= part->blocks;
        bytes -= part->bytes;
    }
    struct result *others = result_object(o, "others");
    result_count(others, "sites", m->sites - m->part_count);
    result_count(others, "blocks", blocks);
    result_bytes(others, "bytes", bytes);
}

static void add_moments(struct result *r, const struct growth *g, struct site_frames *frames)
{
    struct result *list = result_array(r, "peaks");
    for (size_t i = 0; i < g->peak_count; i++) {
        const struct peak *p = &g->peaks[i];
        struct result *o = result_object(list, NULL);
        result_ns(o, "time_ns", p->time_ns);
        result_bytes(o, "bytes", p->found.bytes);
        result_count(o, "blocks", p->moment.blocks);
        result_bytes(o, "prominence_bytes", p->found.prominence_bytes);
        add_parts(o, g, &p->moment, frames);
    }
    list = result_array(r, "rises");
    for (size_t i = 0; i < g->rise_count; i++) {
        const struct rise *p = &g->rises[i];
        struct result *o = result_object(list, NULL);
        int64_t change = (int64_t)(p->after_bytes - p->before_bytes);
        result_bool(o, "given", p->given);
        result_ns(o, "from_ns", p->from_ns);
        result_ns(o, "to_ns", p->to_ns);
        result_bytes(o, "before_bytes", p->before_bytes);
        result_bytes(o, "after_bytes", p->after_bytes);
        result_integer(o, "change_bytes", change);
        result_count(o, "added_blocks", p->moment.blocks);
        result_bytes(o, "added_bytes", p->moment.bytes);
        result_bytes(o, "gone_bytes", p->moment.bytes - (uint64_t)change);
        add_parts(o, g, &p->moment, frames);
    }
}

static void add_slope(struct result *o, const struct growth_slope *slope, uint64_t bucket_ns)
{
    if (!slope->known) {
        result_null(o, "slope");
        return;
    }
    double per_s = 1e9 / (double)bucket_ns;
    struct result *s = result_object(o, "slope");
    result_real(s, "bytes_per_s", slope->per_bucket * per_s);
    result_real(s, "low", slope->low * per_s);
    result_real(s, "high", slope->high * per_s);
    result_real(s, "r2", slope->r2);
}

static void add_classed(struct result *list, struct growth *g, const struct classed *c,
                        struct site_frames *frames)
{
    struct growth_read *r = &g->read;
    const struct growth_site *site = &r->sites.items[c->site];
    const struct growth_evidence *e = &c->evidence;
    struct result *o = result_object(list, NULL);
    uint64_t to_ns = r->start_ns + ((uint64_t)e->end << r->site_shift);
    result_text(o, "class", growth_class_names[e->class]);
    result_bool(o, "freed_at_end", e->freed_at_end);
    result_ns(o, "from_ns", r->start_ns + ((uint64_t)e->first << r->site_shift));
    result_ns(o, "to_ns", to_ns < r->end_ns ? to_ns : r->end_ns);
    result_bytes(o, "level_bytes", e->level_bytes);
    result_bytes(o, "high_bytes", e->high_bytes);
    result_percent(o, "share_percent", percent(e->level_bytes, g->level_bytes));
    result_bytes(o, "risen_bytes", (uint64_t)e->risen_bytes);
    result_bytes(o, "end_bytes", site->bytes);
    result_count(o, "allocations", e->made);
    result_count(o, "frees", e->freed);
    result_count(o, "late_allocations", e->made_late);
    result_bytes(o, "allocated_bytes", site->made_bytes);
    result_ns(o, "first_ns", site->first_ns);
    result_ns(o, "last_ns", site->last_made_ns);
    result_count(o, "falls", site->teeth);
    struct growth_curve curve;
    struct growth_slope slope;
    growth_site_curve(&curve, &r->sites, c->site, r->site_buckets);
    growth_slope(&slope, &curve, e);
    add_slope(o, &slope, UINT64_C(1) << r->site_shift);
    struct result *series = result_object(o, "series");
    result_ns(series, "width_ns", UINT64_C(1) << r->site_shift);
    struct result *column = result_array(series, "max_bytes");
    for (size_t i = 0; i < curve.count; i++)
        result_bytes(column, NULL, curve.max[i]);
    add_site(o, g, c->site, frames);
}

static void add_classes(struct result *r, struct growth *g, struct site_frames *frames)
{
    uint64_t sites[GROWTH_CLASSES] = {0}, bytes[GROWTH_CLASSES] = {0};
    uint64_t hidden_bytes = 0, hidden_growing = 0;
    for (size_t i = 0; i < g->classed_count; i++) {
        const struct growth_evidence *e = &g->classed[i].evidence;
        sites[e->class]++;
        bytes[e->class] += e->level_bytes;
        if (i >= g->shown) {
            hidden_bytes += e->level_bytes;
            hidden_growing += e->class == GROWTH_GROWING;
        }
    }
    struct result *list = result_array(r, "classes");
    for (size_t class = 0; class < GROWTH_CLASSES; class ++) {
        if (!sites[class])
            continue;
        struct result *o = result_object(list, NULL);
        result_text(o, "class", growth_class_names[class]);
        result_count(o, "sites", sites[class]);
        result_bytes(o, "level_bytes", bytes[class]);
    }
    struct result *unclassed = result_object(r, "unclassed");
    result_count(unclassed, "sites", g->unclassed_sites);
    result_bytes(unclassed, "high_bytes", g->unclassed_bytes);
    list = result_array(r, "sites");
    for (size_t i = 0; i < g->shown; i++)
        add_classed(list, g, &g->classed[i], frames);
    struct result *hidden = result_object(r, "hidden");
    result_count(hidden, "sites", g->classed_count - g->shown);
    result_bytes(hidden, "level_bytes", hidden_bytes);
    result_count(hidden, "growing", hidden_growing);
}

static struct result *make_tree(struct growth *g)
{
    struct site_frames frames;
    site_frames_init(&frames, g->dict, g->symbols);
    struct result *r = result_new_object();
    add_window(r, g);
    add_total(r, g);
    add_series(r, &g->read.series);
    add_marks(r, g);
    add_moments(r, g, &frames);
    add_classes(r, g, &frames);
    site_frames_release(&frames);
    return r;
}

/* ------------------------------------------------------------------ all of it */

static enum seep_err bind_filter(struct growth *g, struct trace_reader *reader, struct err *err)
{
    struct filter *f = g->options->filter;
    if (!f)
        return SEEP_OK;
    if (f->lifetime.given)
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "--lifetime: how long a block will live is not known while it does; "
                       "'seep growth' cannot choose by it");
    enum seep_err code = filter_bind(f, g->dict, g->symbols, err);
    if (!code)
        filter_start_at_cut(f, trace_reader_facts(reader));
    return code;
}

static void release(struct growth *g)
{
    for (size_t i = 0; i < g->peak_count; i++)
        growth_moment_release(&g->peaks[i].moment);
    for (size_t i = 0; i < g->rise_count; i++)
        growth_moment_release(&g->rises[i].moment);
    free(g->peaks);
    free(g->rises);
    free(g->classed);
    growth_read_release(&g->read);
}

enum seep_err growth_analyse(struct result **out, struct trace_reader *reader,
                             struct symbols *symbols, const struct growth_options *options,
                             struct err *err)
{
    struct growth g = {.options = options, .dict = trace_reader_dict(reader), .symbols = symbols};
    enum seep_err code = bind_filter(&g, reader, err);
    if (code)
        return code;
    struct filter *f = options->filter;
    g.how = (struct growth_read_options){
        .filter = f && filter_active(f) ? f : NULL,
        .symbols = symbols,
        .by = options->by,
        .pools = options->pools,
        .limit = GROWTH_BUCKETS,
        .progress = options->progress,
        .progress_arg = options->progress_arg,
    };
    code = growth_read(&g.read, reader, &g.how, err);
    if (code)
        goto done;
    find_peaks(&g);
    if (f && (f->from.text || f->to.text))
        take_window(&g);
    else
        find_rises(&g);
    classify(&g);
    code = look_at_moments(&g, err);
    if (!code)
        code = resolve_shown(&g, err);
    if (!code)
        *out = make_tree(&g);
done:
    release(&g);
    return code;
}
