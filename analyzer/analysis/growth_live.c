/* SPDX-License-Identifier: MIT */
#include "analysis/growth_live.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVENTS 65536
#define SEEK_BEYOND 4000000u

static int compare_moments(const void *a, const void *b)
{
    const struct growth_moment *x = *(struct growth_moment *const *)a,
                               *y = *(struct growth_moment *const *)b;
    return (x->number > y->number) - (x->number < y->number);
}

static int compare_parts(const void *a, const void *b)
{
    const struct growth_part *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->site > y->site) - (x->site < y->site);
}

struct parts {
    struct growth_part *by_site; /* owned */
    size_t count;
};

static void take_block(struct growth_moment *m, struct growth_read *g, const struct trace_block *b,
                       struct parts *parts)
{
    const struct trace_dict *dict = trace_reader_dict(g->reader);
    if (b->birth >= m->number || b->birth < m->from_number || growth_ended(dict, b, m->number) ||
        !growth_takes(g->options, b))
        return;
    uint32_t site = growth_sites_find(&g->sites, b->stack);
    if (site == GROWTH_LEFT_OUT)
        return;
    if (site >= parts->count) { /* a moment outside the window may have sites of its own */
        size_t count = g->sites.count;
        parts->by_site = mem_resize(parts->by_site, count, sizeof *parts->by_site);
        memset(parts->by_site + parts->count, 0, (count - parts->count) * sizeof *parts->by_site);
        parts->count = count;
    }
    parts->by_site[site].blocks++;
    parts->by_site[site].bytes += b->size;
}

/* `extra`: a block that the reader has already dropped, or NULL. */
static void look(struct growth_moment *m, struct growth_read *g, const struct trace_block *extra)
{
    struct parts all = {.by_site = mem_zalloc(g->sites.count + 1, sizeof *all.by_site),
                        .count = g->sites.count};
    uint32_t slots = trace_reader_slot_count(g->reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(g->reader, slot);
        if (b)
            take_block(m, g, b, &all);
    }
    if (extra)
        take_block(m, g, extra, &all);
    struct growth_part *parts = all.by_site;
    size_t count = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (!parts[i].blocks)
            continue;
        m->sites++;
        m->blocks += parts[i].blocks;
        m->bytes += parts[i].bytes;
        parts[count] = parts[i];
        parts[count++].site = (uint32_t)i;
    }
    qsort(parts, count, sizeof *parts, compare_parts);
    m->part_count = m->top && m->top < count ? m->top : count;
    m->parts = mem_resize(parts, m->part_count + 1, sizeof *parts);
}

enum seep_err growth_live_read(struct growth_moment **moments, size_t count, struct growth_read *g,
                               struct err *err)
{
    const struct growth_read_options *options = g->options;
    struct trace_event ev = {0};
    bool read = false; /* `ev` is an event of the trace, the last one read */
    if (!count)
        return SEEP_OK;
    qsort(moments, count, sizeof *moments, compare_moments);
    enum seep_err code = trace_reader_rewind(g->reader, err);
    uint64_t number = 0, steps = 0;
    uint64_t beyond_events = options->seek_beyond ? options->seek_beyond : SEEK_BEYOND;
    for (size_t i = 0; i < count && (!code || code == SEEP_END); i++) {
        struct growth_moment *m = moments[i];
        /* a block is live until the event that ends it: that is the one to stop at */
        if (!code && m->number > number + beyond_events) {
            code = trace_reader_seek_number(g->reader, m->number, err);
            read = false;
        }
        while (!code && !(read && number >= m->number)) {
            code = trace_reader_next(g->reader, &ev, err);
            if (!code && ev.type != TRACE_BESIDE && ev.type != TRACE_GAP) {
                read = true;
                number = ev.number;
            }
            if (++steps % PROGRESS_EVENTS == 0 && options->progress &&
                !options->progress(options->progress_arg, trace_reader_progress(g->reader)))
                return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        }
        bool beyond = !code && (ev.type == TRACE_FREE || ev.type == TRACE_REALLOC ||
                                ev.type == TRACE_REALLOC_OUT);
        if (!code || code == SEEP_END)
            look(m, g, beyond ? &ev.before : NULL);
    }
    return code == SEEP_END ? SEEP_OK : code;
}

void growth_moment_release(struct growth_moment *m)
{
    free(m->parts);
    m->parts = NULL;
}
