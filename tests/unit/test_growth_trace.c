/* SPDX-License-Identifier: MIT
 *
 * The heap over time from stored traces, in which moments are sought: against the plain way over
 * the events that the reader tells one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "growth_oracle.h"
#include "trace_stream.h"
#include "analysis/growth_live.h"
#include "analysis/growth_read.h"
#include "util/mem.h"

#include <stdio.h>

#define LIMIT 128 /* of buckets: joined often */

static const struct stream_profile profiles[] = {
    {.name = "plain",
     .events = 4000,
     .free = 450,
     .keep = 200,
     .threads = 3,
     .stacks = 9,
     .group_events = 700,
     .part_events = 300},
    {.name = "mixed",
     .events = 6000,
     .free = 350,
     .realloc = 150,
     .split_realloc = 60,
     .failed = 10,
     .unknown_free = 10,
     .beside = 20,
     .keep = 300,
     .threads = 4,
     .stacks = 12,
     .group_events = 900,
     .part_events = 400},
    {.name = "one group",
     .events = 3000,
     .free = 480,
     .keep = 50,
     .lifo = true,
     .threads = 1,
     .stacks = 5},
};

static struct trace_event *events_of(struct trace_reader *reader, size_t *count)
{
    struct trace_event *events = NULL, ev;
    size_t capacity = 0;
    struct err err;
    *count = 0;
    while (trace_reader_next(reader, &ev, &err) == SEEP_OK) {
        if (ev.type == TRACE_BESIDE)
            continue;
        MEM_GROW(events, capacity, *count + 1);
        events[(*count)++] = ev;
    }
    assert_int_equal(trace_reader_rewind(reader, &err), SEEP_OK);
    return events;
}

static void check_series(const struct growth_series *s, const struct oracle *o)
{
    for (size_t i = 0; i < s->count; i++) {
        uint64_t from = growth_series_time(s, i), to = growth_series_time(s, i + 1);
        struct oracle_bucket b = oracle_bucket(o, from, to, ORACLE_ANY);
        assert_int_equal(s->items[i].max_bytes, b.max_bytes);
        assert_int_equal(s->items[i].min_bytes, b.min_bytes);
        assert_int_equal(s->items[i].last_bytes, b.last_bytes);
        assert_int_equal(s->items[i].last_blocks, b.last_blocks);
        assert_int_equal(s->items[i].allocations, b.allocations);
        assert_int_equal(s->items[i].frees, b.frees);
        assert_int_equal(s->items[i].allocated_bytes, b.allocated_bytes);
    }
}

static void check_sites(struct growth_read *g, const struct oracle *o)
{
    uint64_t width = UINT64_C(1) << g->site_shift;
    for (uint32_t site = 0; site < g->sites.count; site++) {
        struct growth_curve curve;
        growth_site_curve(&curve, &g->sites, site, g->site_buckets);
        for (size_t i = 0; i < curve.count; i++) {
            uint64_t from = g->start_ns + i * width;
            struct oracle_bucket b =
                oracle_bucket(o, from, from + width, g->sites.items[site].node);
            assert_int_equal(curve.max[i], b.max_bytes);
            assert_int_equal(curve.min[i], b.min_bytes);
            assert_int_equal(curve.last[i], b.last_bytes);
            assert_int_equal(curve.made[i], b.allocations);
            assert_int_equal(curve.freed[i], b.frees);
        }
    }
}

/* At random moments, in any order. */
static void check_moments(struct growth_read *g, const struct oracle *o, uint64_t seed)
{
    enum { MOMENTS = 7 };
    struct growth_moment moments[MOMENTS], *order[MOMENTS];
    struct err err;
    for (size_t i = 0; i < MOMENTS; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t number = (seed >> 33) % (o->count + 1);
        moments[i] =
            (struct growth_moment){.number = number, .from_number = i % 2 ? number / 3 * 2 : 0};
        order[i] = &moments[i];
    }
    assert_int_equal(growth_live_read(order, MOMENTS, g, &err), SEEP_OK);
    for (size_t i = 0; i < MOMENTS; i++) {
        const struct growth_moment *m = &moments[i];
        uint64_t blocks, bytes;
        oracle_live(o, m->number, m->from_number, ORACLE_ANY, &blocks, &bytes);
        assert_int_equal(m->blocks, blocks);
        assert_int_equal(m->bytes, bytes);
        assert_int_equal(m->part_count, m->sites);
        for (size_t j = 0; j < m->part_count; j++) {
            oracle_live(o, m->number, m->from_number, g->sites.items[m->parts[j].site].node,
                        &blocks, &bytes);
            assert_int_equal(m->parts[j].blocks, blocks);
            assert_int_equal(m->parts[j].bytes, bytes);
        }
        growth_moment_release(&moments[i]);
    }
}

/* `window`: a filter's, which is sought. */
static void check(const struct stream_profile *profile, uint64_t seed, bool window)
{
    struct stream stream = {0};
    struct trace_reader *reader = NULL;
    struct filter filter;
    struct err err;
    struct growth_read g;
    stream_write(&stream, profile, seed);
    assert_int_equal(trace_reader_open(&reader, stream.path, &err), SEEP_OK);
    struct oracle o = {.end_ns = UINT64_MAX};
    struct trace_event *events = events_of(reader, &o.count);
    o.events = events;
    filter_init(&filter);
    if (window) {
        char text[32];
        uint64_t last = o.events[o.count - 1].time_ns;
        o.start_ns = last / 2;
        o.end_ns = last / 4 * 3;
        snprintf(text, sizeof text, "%lluns", (unsigned long long)o.start_ns);
        assert_int_equal(filter_set(&filter, "from", text, &err), SEEP_OK);
        snprintf(text, sizeof text, "%lluns", (unsigned long long)o.end_ns);
        assert_int_equal(filter_set(&filter, "to", text, &err), SEEP_OK);
        assert_int_equal(filter_bind(&filter, trace_reader_dict(reader), NULL, &err), SEEP_OK);
    }
    const struct growth_read_options options = {
        .filter = window ? &filter : NULL, .limit = LIMIT, .seek_beyond = seed % 2 ? 300 : 0};
    assert_int_equal(growth_read(&g, reader, &options, &err), SEEP_OK);
    check_series(&g.series, &o);
    check_sites(&g, &o);
    check_moments(&g, &o, seed);
    growth_read_release(&g);
    filter_release(&filter);
    free(events);
    trace_reader_free(reader);
    stream_release(&stream);
}

static void random_traces(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
            check(&profiles[i], seed, false);
            check(&profiles[i], seed, true);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_traces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
