/* SPDX-License-Identifier: MIT
 *
 * The heap over time: the whole tree against a naive second implementation over random programs,
 * and case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_trace.h"
#include "result_path.h"
#include "growth_oracle.h"
#include "analysis/growth.h"
#include "analysis/growth_class.h"
#include "analysis/growth_moments.h"
#include "trace/beside_read.h"

#include <stdio.h>

#define STACKS 12u
#define MS 1000000u

struct program {
    struct trace_reader trace;
    struct symbols symbols;
    uint32_t first_stack;
};

static void begin_program(struct program *p, uint64_t seed)
{
    static const char *const names[] = {"parse", "render", "cache_insert", "node_new"};
    memset(p, 0, sizeof *p);
    fake_init(&p->trace, seed);
    p->symbols.dict = &p->trace.dict;
    fake_thread(&p->trace, 100, "main");
    fake_thread(&p->trace, 101, "worker");
    uint32_t root = fake_node(&p->trace, 0, 1, SEEP_ROW_ROOT);
    for (size_t i = 0; i < 4; i++)
        fake_function(&p->symbols, names[i], "/src/x.c", "/bin/x");
    for (uint32_t i = 0; i < STACKS; i++) {
        uint32_t node = fake_node(&p->trace, root, FAKE_PC + i % 4, 0);
        if (i == 0)
            p->first_stack = node;
    }
}

static void end_program(struct program *p)
{
    fake_release(&p->trace);
    fake_symbols_release(&p->symbols);
}

/* Allocations, frees and reallocations of both kinds, in spells of growing and shrinking, with
 * blocks of a parent at first and records between. */
static void make_program(struct program *p, uint64_t seed, int events)
{
    struct trace_reader *t = &p->trace;
    uint32_t *live = mem_alloc(((size_t)events + 64) * sizeof *live);
    size_t count = 0;
    uint64_t now = 0;
    begin_program(p, seed);
    for (int i = 0; i < 10 && seed % 2; i++)
        live[count++] = fake_alloc(t, 1, now, p->first_stack, 50 + fake_random(t, 100),
                                   SEEP_CALL_MALLOC, TRACE_INHERITED);
    for (int i = 0; i < events; i++) {
        uint32_t thread = 1 + (uint32_t)fake_random(t, 2);
        uint32_t stack = p->first_stack + (uint32_t)fake_random(t, STACKS);
        uint64_t size = 1 + fake_random(t, 4000), roll = fake_random(t, 100);
        uint64_t grow = i / (events / 7 + 1) % 2 ? 25 : 60;
        size_t at = count ? fake_random(t, count) : 0;
        now += fake_random(t, 3) * fake_random(t, 50) * 1000;
        if (i == events / 3)
            fake_mark(t, "third", now);
        if (fake_random(t, 20) == 0)
            fake_event(t, TRACE_BESIDE, 1, now)->beside.kind = SEEP_BESIDE_LOST;
        if (roll < grow || !count) {
            live[count++] = fake_alloc(t, thread, now, stack, size, SEEP_CALL_MALLOC, 0);
        } else if (roll < 80) {
            fake_free(t, thread, now, live[at], SEEP_CALL_FREE, 0);
            live[at] = live[--count];
        } else if (roll < 95) {
            fake_realloc(t, thread, now, stack, live[at], size);
        } else {
            struct trace_event out = fake_realloc_out(t, thread, now, stack, live[at]);
            now += fake_random(t, 3) * 1000;
            fake_realloc_in(t, &out, now, size);
            live[at] = t->events[t->count - 1].slot;
        }
    }
    t->summary.duration_ns = now + fake_random(t, 5) * MS;
    free(live);
}

/* Of records no number is told. */
static struct trace_event *only_events(const struct trace_reader *t, size_t *count)
{
    struct trace_event *events = mem_alloc((t->count + 1) * sizeof *events);
    *count = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->events[i].type != TRACE_BESIDE)
            events[(*count)++] = t->events[i];
    return events;
}

static struct result *analyse(struct program *p, struct growth_options options)
{
    struct result *tree = NULL;
    struct err err = {{0}, 0};
    enum seep_err code = growth_analyse(&tree, &p->trace, &p->symbols, &options, &err);
    if (code)
        fail_msg("%s", err.message);
    return tree;
}

static uint64_t item_number(const struct result *r, const char *path, size_t i)
{
    return item(r, path, i)->u.count;
}

/* ------------------------------------------------------------------ against the oracle */

static void check_series(const struct result *tree, const struct oracle *o)
{
    uint64_t width = number(tree, "series.width_ns");
    size_t count = result_length(get(tree, "series.max_bytes"));
    assert_true(count > 0 && count <= GROWTH_BUCKETS);
    assert_true(o->start_ns + width * count > o->end_ns);
    for (size_t i = 0; i < count; i++) {
        uint64_t from = o->start_ns + i * width;
        struct oracle_bucket b = oracle_bucket(o, from, from + width, ORACLE_ANY);
        assert_int_equal(item_number(tree, "series.max_bytes", i), b.max_bytes);
        assert_int_equal(item_number(tree, "series.min_bytes", i), b.min_bytes);
        assert_int_equal(item_number(tree, "series.last_bytes", i), b.last_bytes);
        assert_int_equal(item_number(tree, "series.max_blocks", i), b.max_blocks);
        assert_int_equal(item_number(tree, "series.last_blocks", i), b.last_blocks);
        assert_int_equal(item_number(tree, "series.allocations", i), b.allocations);
        assert_int_equal(item_number(tree, "series.frees", i), b.frees);
        assert_int_equal(item_number(tree, "series.allocated_bytes", i), b.allocated_bytes);
    }
}

/* By function: the stacks i, i + 4, ... are one site. By stack they are told apart by their first
 * address only, so that the sums over all sites are compared. */
static void check_sites(const struct program *p, const struct result *tree, const struct oracle *o)
{
    const struct result *sites = get(tree, "sites");
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        uint64_t width = number(site, "series.width_ns"), end = 0;
        size_t count = result_length(get(site, "series.max_bytes")), function = 4;
        while (function-- > 0)
            if (strcmp(p->symbols.places[function].frames[0].function, get(site, "name")->u.text) ==
                0)
                break;
        assert_true(count <= 128);
        struct trace_event *own = mem_alloc((o->count + 1) * sizeof *own);
        for (size_t e = 0; e < o->count; e++) { /* all the function's stacks become one */
            own[e] = o->events[e];
            if ((own[e].before.stack - p->first_stack) % 4 == function)
                own[e].before.stack = 1;
            if ((own[e].after.stack - p->first_stack) % 4 == function)
                own[e].after.stack = 1;
        }
        struct oracle one = *o;
        one.events = own;
        for (size_t b = 0; b < count; b++) {
            uint64_t from = o->start_ns + b * width;
            struct oracle_bucket bucket = oracle_bucket(&one, from, from + width, 1);
            assert_int_equal(item_number(site, "series.max_bytes", b), bucket.max_bytes);
            end = bucket.last_bytes;
        }
        assert_int_equal(number(site, "end_bytes"), end);
        free(own);
    }
}

static void check_parts(const struct program *p, const struct result *moment,
                        const struct oracle *o, uint64_t before, uint64_t from)
{
    const struct result *sites = get(moment, "sites");
    uint64_t blocks, bytes, all_blocks = 0, all_bytes = 0;
    assert_int_equal(number(moment, "others.sites"), 0);
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        uint64_t site_blocks = 0, site_bytes = 0;
        for (uint32_t stack = 0; stack < STACKS; stack++) {
            const char *function = p->symbols.places[stack % 4].frames[0].function;
            if (strcmp(function, get(site, "name")->u.text) != 0)
                continue;
            oracle_live(o, before, from, p->first_stack + stack, &blocks, &bytes);
            site_blocks += blocks;
            site_bytes += bytes;
        }
        assert_int_equal(number(site, "blocks"), site_blocks);
        assert_int_equal(number(site, "bytes"), site_bytes);
        all_blocks += site_blocks;
        all_bytes += site_bytes;
    }
    oracle_live(o, before, from, ORACLE_ANY, &blocks, &bytes);
    assert_int_equal(all_blocks, blocks);
    assert_int_equal(all_bytes, bytes);
}

/* The number behind the first event with so many bytes live at that time. */
static uint64_t number_of(const struct oracle *o, uint64_t time_ns, uint64_t level)
{
    uint64_t blocks, bytes;
    for (size_t i = 0; i < o->count; i++) {
        if (o->events[i].time_ns != time_ns)
            continue;
        oracle_live(o, o->events[i].number + 1, 0, ORACLE_ANY, &blocks, &bytes);
        if (bytes == level)
            return o->events[i].number + 1;
    }
    fail_msg("nothing happens at the peak");
    return 0;
}

/* Before the first event at or after that time. */
static uint64_t number_at(const struct oracle *o, uint64_t time_ns)
{
    size_t i = 0;
    while (i < o->count && o->events[i].time_ns < time_ns)
        i++;
    return i < o->count ? o->events[i].number : UINT64_MAX;
}

static void check_moments(const struct program *p, const struct result *tree,
                          const struct oracle *o)
{
    const struct result *peaks = get(tree, "peaks"), *rises = get(tree, "rises");
    for (size_t i = 0; i < result_length(peaks); i++) {
        const struct result *peak = result_at(peaks, i);
        uint64_t bytes = number(peak, "bytes");
        if (number(peak, "time_ns") == o->start_ns && bytes == number(tree, "total.start_bytes"))
            continue; /* it has no event of its own */
        check_parts(p, peak, o, number_of(o, number(peak, "time_ns"), bytes), 0);
    }
    for (size_t i = 0; i < result_length(rises); i++) {
        const struct result *rise = result_at(rises, i);
        uint64_t after = number(rise, "after_bytes"), before = number(rise, "before_bytes");
        uint64_t from = number_at(o, number(rise, "from_ns"));
        uint64_t to = get(rise, "given")->u.boolean ? number_at(o, o->end_ns + 1)
                                                    : number_of(o, number(rise, "to_ns"), after);
        uint64_t blocks, bytes;
        oracle_live(o, from, 0, ORACLE_ANY, &blocks, &bytes);
        assert_int_equal(before, bytes);
        assert_int_equal(get(rise, "change_bytes")->u.integer, (int64_t)(after - before));
        assert_int_equal(number(rise, "added_bytes"), number(rise, "gone_bytes") + after - before);
        check_parts(p, rise, o, to, from);
    }
}

static void random_programs(void **state)
{
    (void)state;
    unsigned peaks = 0, rises = 0;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct program p;
        struct filter filter;
        char text[32];
        make_program(&p, seed, 200 + (int)(seed * 100));
        struct oracle o = {.end_ns = p.trace.summary.duration_ns};
        struct trace_event *events = only_events(&p.trace, &o.count);
        o.events = events;
        filter_init(&filter);
        if (seed % 3 == 1) { /* a window in time */
            o.start_ns = o.end_ns / 5;
            o.end_ns = o.end_ns / 5 * 4;
            snprintf(text, sizeof text, "%dns", (int)o.start_ns);
            assert_int_equal(filter_set(&filter, "from", text, NULL), SEEP_OK);
            snprintf(text, sizeof text, "%dns", (int)o.end_ns);
            assert_int_equal(filter_set(&filter, "to", text, NULL), SEEP_OK);
        }
        if (seed % 4 == 1) {
            o.thread = 2;
            assert_int_equal(filter_set(&filter, "thread", "2", NULL), SEEP_OK);
        }
        struct result *tree =
            analyse(&p, (struct growth_options){
                            .by = SITE_BY_FUNCTION, .peaks = 5, .rises = 5, .filter = &filter});
        assert_int_equal(number(tree, "start_ns"), o.start_ns);
        assert_int_equal(number(tree, "end_ns"), o.end_ns);
        check_series(tree, &o);
        check_sites(&p, tree, &o);
        check_moments(&p, tree, &o);
        peaks += (unsigned)result_length(get(tree, "peaks"));
        rises += (unsigned)result_length(get(tree, "rises"));
        result_free(tree);
        filter_release(&filter);
        free(events);
        end_program(&p);
    }
    assert_true(peaks > 24 && rises > 24); /* there was something to compare */
}

/* ------------------------------------------------------------------ case by case */

/* Live bytes as given, in milliseconds, by one block. */
static struct growth_series series_of(const uint64_t *bytes, size_t count)
{
    struct growth_series s;
    growth_series_init(&s, 1024, 0, 0, 0);
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        growth_series_reach(&s, i * MS);
        growth_series_change(&s, &(struct growth_change){.number = i,
                                                         .time_ns = i * MS,
                                                         .entered_bytes = bytes[i],
                                                         .left_bytes = before,
                                                         .enters = true,
                                                         .leaves = before > 0,
                                                         .made = true});
        before = bytes[i];
    }
    return s;
}

static void peaks_by_prominence(void **state)
{
    (void)state;
    /* 100 is the highest; 90 is reached after a fall to 20; 95 after one to 92 only; 40 is less
     * than a tenth above what surrounds it */
    const uint64_t bytes[] = {10, 90, 20, 92, 100, 92, 95, 30, 35, 32, 0};
    struct growth_series s = series_of(bytes, sizeof bytes / sizeof *bytes);
    struct growth_peak peaks[8];
    assert_int_equal(growth_peaks(peaks, 8, &s), 2);
    assert_int_equal(peaks[0].bytes, 100);
    assert_int_equal(peaks[0].prominence_bytes, 100);
    assert_int_equal(peaks[1].bytes, 90);
    assert_int_equal(peaks[1].prominence_bytes, 70);
    assert_int_equal(growth_peaks(peaks, 1, &s), 1);
    assert_int_equal(peaks[0].bytes, 100);
    growth_series_release(&s);
}

static void rises_are_steep(void **state)
{
    (void)state;
    uint64_t bytes[200]; /* even growth, a jump at 120 ms, no change after 150 ms */
    for (size_t i = 0; i < 200; i++)
        bytes[i] = 1000 + (i < 150 ? i : 150) * 2 + (i >= 120 ? 5000 : 0);
    struct growth_series s = series_of(bytes, 200);
    struct growth_rise rises[4];
    assert_true(growth_rises(rises, 4, &s) >= 1);
    assert_true(rises[0].bytes >= 5000 && rises[0].bytes < 5050);
    assert_in_range(growth_series_time(&s, rises[0].first), 119 * MS, 120 * MS);
    growth_series_release(&s);

    for (size_t i = 0; i < 200; i++) /* nothing but even growth: one rise */
        bytes[i] = 1000 + i * 100;
    s = series_of(bytes, 200);
    assert_int_equal(growth_rises(rises, 4, &s), 1);
    assert_int_equal(rises[0].bytes, 1000 + 199 * 100);
    growth_series_release(&s);

    const uint64_t flat[] = {500, 500, 500, 500};
    s = series_of(flat, 4);
    assert_int_equal(growth_rises(rises, 4, &s), 1); /* the start */
    assert_int_equal(rises[0].last, 0);
    growth_series_release(&s);
}

/* Every peak is kept, however often buckets are joined. */
static void series_keeps_peaks(void **state)
{
    (void)state;
    struct growth_series s;
    growth_series_init(&s, 128, 5 * MS, 7, 1);
    uint64_t now = 5 * MS;
    for (uint64_t i = 0; i < 20000; i++) {
        bool spike = i == 7777;
        now += 1000 + i % 7 * 1000;
        growth_series_reach(&s, now);
        struct growth_change c = {.number = 2 * i,
                                  .time_ns = now,
                                  .entered_bytes = spike ? 1000000 : 10,
                                  .enters = true,
                                  .made = true};
        growth_series_change(&s, &c);
        c = (struct growth_change){
            .number = 2 * i + 1, .time_ns = now, .left_bytes = c.entered_bytes, .leaves = true};
        growth_series_change(&s, &c);
    }
    uint64_t made = 0, most = 0, at = 0;
    assert_true(s.count > 64 && s.count <= 128);
    for (size_t i = 0; i < s.count; i++) {
        made += s.items[i].allocations;
        if (s.items[i].max_bytes > most) {
            most = s.items[i].max_bytes;
            at = s.items[i].max_number;
        }
        assert_int_equal(s.items[i].last_bytes, 7);
    }
    assert_int_equal(made, 20000);
    assert_int_equal(most, 1000007);
    assert_int_equal(at, 2 * 7777);
    growth_series_release(&s);
}

/* What a shutdown frees is looked at as it was before. */
static void shutdown_is_left_out(void **state)
{
    (void)state;
    struct program p;
    uint32_t slots[400];
    begin_program(&p, 1);
    for (size_t i = 0; i < 400; i++)
        slots[i] = fake_alloc(&p.trace, 1, i * MS, p.first_stack, 100, SEEP_CALL_MALLOC, 0);
    for (size_t i = 0; i < 400; i++)
        fake_free(&p.trace, 1, 400 * MS + i * MS / 20, slots[i], SEEP_CALL_FREE, 0);
    p.trace.summary.duration_ns = 421 * MS;
    struct result *tree = analyse(&p, (struct growth_options){.peaks = 1, .rises = 1});
    const struct result *site = result_at(get(tree, "sites"), 0);
    assert_string_equal(get(site, "class")->u.text, "growing");
    assert_true(get(site, "freed_at_end")->u.boolean);
    assert_in_range(number(tree, "shutdown_ns"), 399 * MS, 401 * MS);
    assert_in_range(number(site, "level_bytes"), 39900, 40000);
    assert_int_equal(number(site, "end_bytes"), 0);
    /* 100 bytes a millisecond */
    double slope = get(site, "slope.bytes_per_s")->u.real;
    assert_true(slope > 98000 && slope < 102000);
    assert_true(get(site, "slope.low")->u.real <= slope);
    assert_true(get(site, "slope.high")->u.real >= slope);
    assert_true(get(site, "slope.r2")->u.real > 0.99);
    result_free(tree);
    end_program(&p);
}

static void nothing_at_all(void **state)
{
    (void)state;
    struct program p;
    begin_program(&p, 1);
    struct result *tree = analyse(&p, (struct growth_options){.peaks = 3, .rises = 3});
    assert_int_equal(result_length(get(tree, "peaks")), 0);
    assert_int_equal(result_length(get(tree, "rises")), 0);
    assert_int_equal(result_length(get(tree, "sites")), 0);
    assert_int_equal(number(tree, "total.end_bytes"), 0);
    result_free(tree);
    end_program(&p);
}

/* Damage: what is live is known anew at the next checkpoint. */
static void lost_blocks(void **state)
{
    (void)state;
    struct program p;
    begin_program(&p, 1);
    for (size_t i = 0; i < 100; i++)
        fake_alloc(&p.trace, 1, i * MS, p.first_stack, 10, SEEP_CALL_MALLOC, 0);
    fake_gap(&p.trace, 100 * MS, 60);
    fake_alloc(&p.trace, 1, 101 * MS, p.first_stack, 10, SEEP_CALL_MALLOC, 0);
    p.trace.summary.duration_ns = 102 * MS;
    struct result *tree = analyse(&p, (struct growth_options){.peaks = 3, .rises = 3});
    assert_int_equal(number(tree, "total.end_bytes"), 410);
    assert_int_equal(number(tree, "total.end_blocks"), 41);
    assert_int_equal(number(result_at(get(tree, "sites"), 0), "end_bytes"), 410);
    assert_int_equal(number(result_at(get(tree, "peaks"), 0), "bytes"), 1000);
    result_free(tree);
    end_program(&p);
}

static void lifetime_is_refused(void **state)
{
    (void)state;
    struct program p;
    struct filter filter;
    struct err err;
    struct result *tree = NULL;
    begin_program(&p, 1);
    filter_init(&filter);
    assert_int_equal(filter_set(&filter, "lifetime", "1s..", NULL), SEEP_OK);
    const struct growth_options options = {.filter = &filter};
    assert_int_equal(growth_analyse(&tree, &p.trace, &p.symbols, &options, &err), SEEP_ERR_USAGE);
    assert_null(tree);
    filter_release(&filter);
    end_program(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs),      cmocka_unit_test(peaks_by_prominence),
        cmocka_unit_test(rises_are_steep),      cmocka_unit_test(series_keeps_peaks),
        cmocka_unit_test(shutdown_is_left_out), cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(lost_blocks),          cmocka_unit_test(lifetime_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
