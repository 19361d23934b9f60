/* SPDX-License-Identifier: MIT */
#include "analysis/growth_read.h"

#include "trace/beside_read.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536

bool growth_takes(const struct growth_read_options *options, const struct trace_block *b)
{
    return trace_block_in_pool(b) == options->pools &&
           (!options->filter || filter_block(options->filter, b));
}

bool growth_ended(const struct trace_dict *dict, const struct trace_block *b, uint64_t number)
{
    uint32_t process = trace_process_of(b->address);
    if (!process || process > dict->process_count)
        return false;
    uint64_t end = dict->processes[process - 1].end_number;
    return end && end <= number;
}

static uint32_t site_of(struct growth_read *g, const struct trace_block *b)
{
    return growth_takes(g->options, b) ? growth_sites_find(&g->sites, b->stack) : GROWTH_LEFT_OUT;
}

/* ------------------------------------------------------------------ before the window */

static void preset(struct growth_read *g, const struct trace_block *b, bool enters)
{
    uint32_t site = site_of(g, b);
    if (site == GROWTH_LEFT_OUT)
        return;
    int64_t bytes = (int64_t)b->size;
    growth_site_preset(&g->sites.items[site], enters ? bytes : -bytes, enters ? 1 : -1);
}

static void preset_all(struct growth_read *g)
{
    const struct trace_dict *dict = trace_reader_dict(g->reader);
    uint32_t slots = trace_reader_slot_count(g->reader);
    uint64_t number = slots ? trace_reader_number(g->reader) : 0;
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(g->reader, slot);
        if (b && !growth_ended(dict, b, number))
            preset(g, b, true);
    }
}

static bool leaves(const struct trace_event *ev)
{
    return ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT;
}

static bool enters(const struct trace_event *ev)
{
    return ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
}

/* ------------------------------------------------------------------ in the window */

/* Makes the buckets up to this time; the sites' grid follows the series'. */
static uint32_t reach(struct growth_read *g, uint64_t time_ns)
{
    struct growth_series *s = &g->series;
    growth_series_reach(s, time_ns);
    g->sites.level = (uint8_t)(s->shift - GROWTH_SHIFT_MIN);
    g->site_shift = s->shift + g->coarser;
    return (uint32_t)(((s->count - 1) << s->shift) >> g->site_shift);
}

static void begin(struct growth_read *g, uint64_t time_ns)
{
    uint64_t bytes = 0, blocks = 0;
    for (size_t i = 0; i < g->sites.count; i++) {
        bytes += g->sites.items[i].bytes;
        blocks += g->sites.items[i].blocks;
    }
    g->begun = true;
    g->start_ns = time_ns;
    growth_series_init(&g->series, g->options->limit, time_ns, bytes, blocks);
    for (size_t points = g->options->limit; points > GROWTH_POINTS; points /= 2)
        g->coarser++;
    reach(g, time_ns);
    growth_sites_begin(&g->sites, time_ns);
}

static void apply(struct growth_read *g, const struct trace_event *ev)
{
    uint32_t from = leaves(ev) ? site_of(g, &ev->before) : GROWTH_LEFT_OUT;
    uint32_t to = enters(ev) ? site_of(g, &ev->after) : GROWTH_LEFT_OUT;
    if (from == GROWTH_LEFT_OUT && to == GROWTH_LEFT_OUT)
        return;
    struct growth_step step = {
        .bucket = reach(g, ev->time_ns),
        .time_ns = ev->time_ns,
        .leaves = from != GROWTH_LEFT_OUT,
        .enters = to != GROWTH_LEFT_OUT,
        .made = !(ev->flags & TRACE_INHERITED),
        .old = ev->before.time_ns < g->start_ns + (ev->time_ns - g->start_ns) / 2,
    };
    step.left_bytes = step.leaves ? ev->before.size : 0;
    step.entered_bytes = step.enters ? ev->after.size : 0;
    growth_series_change(&g->series, &(struct growth_change){.number = ev->number,
                                                             .time_ns = ev->time_ns,
                                                             .entered_bytes = step.entered_bytes,
                                                             .left_bytes = step.left_bytes,
                                                             .enters = step.enters,
                                                             .leaves = step.leaves,
                                                             .made = step.made});
    if (from == to || !step.leaves) {
        growth_site_change(&g->sites, to, &step);
        return;
    }
    struct growth_step out = step;
    out.enters = false;
    out.entered_bytes = 0;
    growth_site_change(&g->sites, from, &out);
    if (step.enters) {
        step.leaves = false;
        step.left_bytes = 0;
        growth_site_change(&g->sites, to, &step);
    }
}

/* Takes what is live from the reader: after damage, and where a process's memory is gone. */
static void resync(struct growth_read *g, uint64_t number, uint64_t time_ns)
{
    struct {
        uint64_t bytes, blocks;
    } *live = mem_zalloc(g->sites.capacity + 1, sizeof *live), all = {0};
    size_t capacity = g->sites.capacity + 1;
    const struct trace_dict *dict = trace_reader_dict(g->reader);
    uint32_t slots = trace_reader_slot_count(g->reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(g->reader, slot);
        uint32_t site = b && !growth_ended(dict, b, number) ? site_of(g, b) : GROWTH_LEFT_OUT;
        if (site == GROWTH_LEFT_OUT)
            continue;
        if (site >= capacity) { /* its stack is met here first */
            live = mem_resize(live, g->sites.capacity + 1, sizeof *live);
            memset(live + capacity, 0, (g->sites.capacity + 1 - capacity) * sizeof *live);
            capacity = g->sites.capacity + 1;
        }
        live[site].bytes += b->size;
        live[site].blocks++;
        all.bytes += b->size;
        all.blocks++;
    }
    uint32_t bucket = g->begun ? reach(g, time_ns) : 0;
    for (uint32_t i = 0; i < g->sites.count; i++) {
        struct growth_site *site = &g->sites.items[i];
        if (site->bytes == live[i].bytes && site->blocks == live[i].blocks)
            continue;
        if (g->begun) {
            growth_site_set(&g->sites, i, live[i].bytes, live[i].blocks, bucket);
        } else {
            site->bytes = live[i].bytes;
            site->blocks = live[i].blocks;
        }
    }
    if (g->begun)
        growth_series_set(&g->series, all.bytes, all.blocks, number, time_ns);
    free(live);
}

static void take_rss(struct growth_read *g, uint64_t process, uint64_t bytes, uint64_t time_ns)
{
    size_t old = g->rss_capacity;
    if (process > UINT16_MAX)
        return;
    MEM_GROW(g->rss, g->rss_capacity, process + 1);
    memset(g->rss + old, 0, (g->rss_capacity - old) * sizeof *g->rss);
    g->rss[process] = bytes;
    uint64_t all = 0;
    for (size_t i = 0; i < g->rss_capacity; i++)
        all += g->rss[i];
    if (!g->begun)
        return;
    reach(g, time_ns);
    growth_series_rss(&g->series, all);
}

static void take_beside(struct growth_read *g, const struct trace_event *ev)
{
    struct beside_view view;
    if (!beside_read(&view, &ev->beside))
        return;
    if (view.kind == SEEP_BESIDE_MEMORY && view.memory_count > SEEP_MEMORY_RSS) {
        take_rss(g, view.process, view.memory[SEEP_MEMORY_RSS], ev->time_ns);
    } else if (view.kind == SEEP_BESIDE_PROCESS_END) {
        resync(g, trace_reader_number(g->reader), ev->time_ns);
        take_rss(g, view.process, 0, ev->time_ns);
    }
}

/* ------------------------------------------------------------------ reading */

/* When the window begins, of which this is the first that is met. */
static uint64_t window_start(const struct growth_read *g, uint64_t time_ns)
{
    const struct filter *f = g->options->filter;
    if (!f || !f->from.text)
        return 0;
    return f->from.time_ns ? f->from.time_ns : time_ns;
}

static void find_end(struct growth_read *g, uint64_t last_ns)
{
    const struct trace_facts *facts = trace_reader_facts(g->reader);
    const struct filter *f = g->options->filter;
    uint64_t duration_ns = trace_reader_summary(g->reader)->duration_ns;
    g->end_ns = last_ns;
    if (g->at_exit && duration_ns > g->end_ns)
        g->end_ns = duration_ns;
    if (g->at_exit && facts->cut_to_ns > g->end_ns)
        g->end_ns = facts->cut_to_ns;
    if (f && f->to.text && f->to.time_ns && (!g->at_exit || f->to.time_ns < g->end_ns)) {
        g->end_ns = f->to.time_ns; /* the trace may be over, or silent, before that */
        g->at_exit = false;
    }
    if (!g->begun)
        begin(g, window_start(g, g->end_ns));
    if (g->end_ns < g->start_ns)
        g->end_ns = g->start_ns;
    g->site_buckets = reach(g, g->end_ns) + 1;
}

enum seep_err growth_read(struct growth_read *g, struct trace_reader *reader,
                          const struct growth_read_options *options, struct err *err)
{
    struct trace_event ev;
    struct filter *f = options->filter;
    memset(g, 0, sizeof *g);
    g->options = options;
    g->reader = reader;
    g->at_exit = true;
    g->first_number = UINT64_MAX;
    growth_sites_init(&g->sites, options->by, f && filter_needs_names(f) ? f : NULL,
                      trace_reader_dict(reader), options->symbols);
    enum seep_err code = f ? filter_seek(f, reader, err) : SEEP_OK;
    if (!code)
        preset_all(g);
    uint64_t last_ns = 0;
    for (uint64_t n = 1; !code && !(code = trace_reader_next(reader, &ev, err)); n++) {
        if (n % PROGRESS_EVENTS == 0 && options->progress &&
            !options->progress(options->progress_arg, trace_reader_progress(reader)))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        enum filter_place place = f ? filter_window(f, ev.number, ev.time_ns) : FILTER_INSIDE;
        bool event = ev.type != TRACE_BESIDE && ev.type != TRACE_GAP;
        if (place == FILTER_AFTER && event) {
            g->at_exit = false;
            break;
        }
        if (place == FILTER_AFTER)
            continue;
        if (place == FILTER_INSIDE) {
            if (!g->begun)
                begin(g, window_start(g, ev.time_ns));
            last_ns = ev.time_ns;
            if (event && g->first_number == UINT64_MAX)
                g->first_number = ev.number;
        }
        if (ev.type == TRACE_BESIDE) {
            take_beside(g, &ev);
        } else if (ev.type == TRACE_GAP) {
            resync(g, trace_reader_number(reader), ev.time_ns);
        } else if (place == FILTER_INSIDE) {
            apply(g, &ev);
        } else {
            if (leaves(&ev))
                preset(g, &ev.before, false);
            if (enters(&ev))
                preset(g, &ev.after, true);
        }
    }
    if (code && code != SEEP_END)
        return code;
    find_end(g, last_ns);
    return SEEP_OK;
}

void growth_read_release(struct growth_read *g)
{
    growth_series_release(&g->series);
    growth_sites_release(&g->sites);
    free(g->rss);
    memset(g, 0, sizeof *g);
}
