/* SPDX-License-Identifier: MIT */
#include "analysis/growth_series.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* A bucket in which nothing has happened yet. */
static struct growth_bucket begin_bucket(const struct growth_series *s, size_t bucket,
                                         uint64_t end_number)
{
    return (struct growth_bucket){
        .max_bytes = s->bytes,
        .min_bytes = s->bytes,
        .last_bytes = s->bytes,
        .max_blocks = s->blocks,
        .last_blocks = s->blocks,
        .max_number = UINT64_MAX,
        .max_ns = growth_series_time(s, bucket),
        .end_number = end_number,
        .max_rss = s->rss,
        .last_rss = s->rss,
    };
}

void growth_series_init(struct growth_series *s, size_t limit, uint64_t start_ns, uint64_t bytes,
                        uint64_t blocks)
{
    memset(s, 0, sizeof *s);
    s->limit = limit;
    s->items = mem_zalloc(limit, sizeof *s->items);
    s->shift = GROWTH_SHIFT_MIN;
    s->start_ns = start_ns;
    s->bytes = s->start_bytes = bytes;
    s->blocks = s->start_blocks = blocks;
    s->items[0] = begin_bucket(s, 0, 0);
    s->count = 1;
}

void growth_series_release(struct growth_series *s)
{
    free(s->items);
    memset(s, 0, sizeof *s);
}

static void join(struct growth_bucket *to, const struct growth_bucket *later)
{
    if (later->max_bytes > to->max_bytes) {
        to->max_bytes = later->max_bytes;
        to->max_number = later->max_number;
        to->max_ns = later->max_ns;
    }
    if (later->min_bytes < to->min_bytes)
        to->min_bytes = later->min_bytes;
    if (later->max_blocks > to->max_blocks)
        to->max_blocks = later->max_blocks;
    if (later->max_rss > to->max_rss)
        to->max_rss = later->max_rss;
    to->last_bytes = later->last_bytes;
    to->last_blocks = later->last_blocks;
    to->last_rss = later->last_rss;
    to->end_number = later->end_number;
    to->allocations += later->allocations;
    to->allocated_bytes += later->allocated_bytes;
    to->frees += later->frees;
}

static void widen(struct growth_series *s)
{
    size_t joined = (s->count + 1) / 2;
    for (size_t i = 0; i < joined; i++) {
        struct growth_bucket b = s->items[2 * i];
        if (2 * i + 1 < s->count)
            join(&b, &s->items[2 * i + 1]);
        s->items[i] = b;
    }
    s->count = joined;
    s->shift++;
}

void growth_series_reach(struct growth_series *s, uint64_t time_ns)
{
    uint64_t since = time_ns > s->start_ns ? time_ns - s->start_ns : 0;
    while (since >> s->shift >= s->limit)
        widen(s);
    size_t bucket = (size_t)(since >> s->shift);
    while (s->count <= bucket) {
        s->items[s->count] = begin_bucket(s, s->count, s->items[s->count - 1].end_number);
        s->count++;
    }
}

static void take_level(struct growth_series *s, uint64_t number, uint64_t time_ns)
{
    struct growth_bucket *b = &s->items[s->count - 1];
    if (s->bytes > b->max_bytes) {
        b->max_bytes = s->bytes;
        b->max_number = number;
        b->max_ns = time_ns;
    }
    if (s->bytes < b->min_bytes)
        b->min_bytes = s->bytes;
    if (s->blocks > b->max_blocks)
        b->max_blocks = s->blocks;
    b->last_bytes = s->bytes;
    b->last_blocks = s->blocks;
}

void growth_series_change(struct growth_series *s, const struct growth_change *c)
{
    struct growth_bucket *b = &s->items[s->count - 1];
    s->bytes += c->entered_bytes - c->left_bytes;
    s->blocks += (uint64_t)c->enters - (uint64_t)c->leaves;
    b->end_number = c->number + 1;
    b->allocations += c->enters && c->made;
    b->allocated_bytes += c->enters && c->made ? c->entered_bytes : 0;
    b->frees += c->leaves;
    take_level(s, c->number, c->time_ns);
}

void growth_series_set(struct growth_series *s, uint64_t bytes, uint64_t blocks, uint64_t number,
                       uint64_t time_ns)
{
    s->bytes = bytes;
    s->blocks = blocks;
    take_level(s, number ? number - 1 : UINT64_MAX, time_ns);
}

void growth_series_rss(struct growth_series *s, uint64_t bytes)
{
    struct growth_bucket *b = &s->items[s->count - 1];
    s->rss = bytes;
    if (bytes > b->max_rss)
        b->max_rss = bytes;
    b->last_rss = bytes;
}
