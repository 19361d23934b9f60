/* SPDX-License-Identifier: MIT
 *
 * Random windows of random traces: what is cut out is what a naive filter leaves of the events that
 * were told, after the blocks that a naive replay of those before finds live. */
#include "trace_stream.h"

#include "trace/cut.h"
#include "util/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct stream_profile profiles[] = {
    {.name = "small groups",
     .events = 3000,
     .free = 400,
     .realloc = 80,
     .split_realloc = 60,
     .failed = 20,
     .unknown_free = 20,
     .beside = 40,
     .keep = 60,
     .threads = 5,
     .stacks = 40,
     .group_events = 300,
     .part_events = 70},
    {.name = "one group",
     .events = 2000,
     .free = 450,
     .realloc = 40,
     .beside = 10,
     .keep = 200,
     .threads = 2,
     .stacks = 10,
     .aligned = true},
    {.name = "coarse times",
     .events = 2000,
     .free = 450,
     .realloc = 40,
     .split_realloc = 40,
     .beside = 30,
     .keep = 30,
     .threads = 3,
     .stacks = 10,
     .group_events = 200,
     .unit_us = 100},
    {.name = "nothing freed",
     .events = 800,
     .keep = 1000,
     .threads = 1,
     .stacks = 5,
     .group_events = 100},
};

/* All that a reader gives out. */
struct decoded {
    struct trace_event *events; /* their records point nowhere */
    size_t count, capacity;
};

struct window {
    struct cut_moment from, to;
};

static uint64_t state;

static uint64_t below(uint64_t n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return n ? (state >> 33) % n : 0;
}

static struct trace_reader *open_reader(const char *path)
{
    struct trace_reader *reader;
    struct err err;
    if (trace_reader_open(&reader, path, &err) != SEEP_OK)
        fail_msg("%s", err.message);
    return reader;
}

static void decode(struct decoded *d, struct trace_reader *reader)
{
    struct trace_event ev;
    *d = (struct decoded){0};
    while (trace_reader_next(reader, &ev, NULL) == SEEP_OK) {
        MEM_GROW(d->events, d->capacity, d->count + 1);
        d->events[d->count++] = ev;
    }
}

static void cut(const char *from, const char *to, const struct window *window, uint32_t unit_us)
{
    struct trace_reader *reader = open_reader(from);
    struct cut_options options = {.from = window->from,
                                  .to = window->to,
                                  .name = "whole.seep",
                                  .coding = {.unit_us = unit_us}};
    struct err err;
    unlink(to);
    if (cut_trace(reader, to, &options, &err) != SEEP_OK)
        fail_msg("%s", err.message);
    trace_reader_free(reader);
}

static bool is_inside(const struct window *w, const struct trace_event *ev)
{
    if (w->from.text &&
        (w->from.by_number ? ev->number < w->from.number : ev->time_ns < w->from.time_ns))
        return false;
    return !w->to.text ||
           (w->to.by_number ? ev->number < w->to.number : ev->time_ns <= w->to.time_ns);
}

static bool same_stack(const struct trace_dict *a, uint32_t x, const struct trace_dict *b,
                       uint32_t y)
{
    while (x && y) {
        const struct trace_stack_node *m = &a->stacks[x], *n = &b->stacks[y];
        if (m->pc != n->pc || m->flags != n->flags)
            return false;
        x = m->parent;
        y = n->parent;
    }
    return x == y;
}

/* Times of a trace of a trace of a trace are off by so many units. */
static void take_time(uint64_t told, uint64_t *got, uint64_t tolerance_ns)
{
    assert_true((told > *got ? told - *got : *got - told) <= tolerance_ns);
    *got = told;
}

static void take_block(const struct trace_dict *whole, const struct trace_block *told,
                       const struct trace_dict *dict, struct trace_block *got,
                       uint64_t tolerance_ns)
{
    assert_true(same_stack(whole, told->stack, dict, got->stack));
    got->stack = told->stack;
    take_time(told->time_ns, &got->time_ns, tolerance_ns);
}

static bool has_before(const struct trace_event *ev)
{
    return ev->type == TRACE_FREE || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_OUT ||
           ev->type == TRACE_REALLOC_IN;
}

static bool has_after(const struct trace_event *ev)
{
    return ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC || ev->type == TRACE_REALLOC_IN;
}

/* `told` as it should be read out of the window. */
static void check_event(const struct trace_dict *whole, const struct trace_event *told,
                        const struct trace_dict *dict, struct trace_event got,
                        uint64_t tolerance_ns)
{
    take_time(told->time_ns, &got.time_ns, tolerance_ns);
    if (told->type != TRACE_BESIDE) {
        assert_true(same_stack(whole, told->stack, dict, got.stack));
        got.stack = told->stack;
    }
    if (has_before(told))
        take_block(whole, &told->before, dict, &got.before, tolerance_ns);
    if (has_after(told))
        take_block(whole, &told->after, dict, &got.after, tolerance_ns);
    const char *difference = stream_difference(told, &got, false);
    if (difference)
        fail_msg("event %llu: %s", (unsigned long long)told->number, difference);
}

/* What the events before `end` leave live, by slot; owned by the caller. */
static const struct trace_event **replay(const struct stream *s, const struct trace_event *end,
                                         uint32_t *slots)
{
    const struct trace_event **live = mem_zalloc(s->count + 1, sizeof *live);
    *slots = 1; /* the first one is no block's */
    for (const struct trace_event *ev = s->events; ev < end; ev++) {
        if (ev->type == TRACE_BESIDE || ev->type == TRACE_FAILED || ev->type == TRACE_FREE_UNKNOWN)
            continue;
        live[ev->slot] = has_after(ev) ? ev : NULL;
        if (ev->slot >= *slots)
            *slots = ev->slot + 1;
    }
    return live;
}

static void check_start(const struct stream *s, const struct trace_event *end,
                        const struct trace_dict *whole, const struct trace_reader *window,
                        uint64_t tolerance_ns)
{
    uint32_t slots;
    const struct trace_event **live = replay(s, end, &slots);
    assert_int_equal(trace_reader_slot_count(window), slots);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *block = trace_reader_block(window, slot);
        assert_int_equal(block != NULL, live[slot] != NULL);
        if (!block)
            continue;
        struct trace_event told = *live[slot], got = told;
        told.type = got.type = TRACE_ALLOC; /* only the block is of interest */
        got.after = *block;
        take_block(whole, &told.after, trace_reader_dict(window), &got.after, tolerance_ns);
        assert_null(stream_difference(&told, &got, false));
    }
    free(live);
}

/* Compares the window at `path` with what was told; `all`: the whole trace as it is read. */
static void check(const struct stream *s, const struct decoded *all, const struct window *w,
                  struct trace_reader *whole, const char *path, uint64_t tolerance_ns)
{
    struct trace_reader *window = open_reader(path);
    const struct trace_dict *dict = trace_reader_dict(whole), *own = trace_reader_dict(window);
    size_t at = 0;
    while (at < all->count && !is_inside(w, &all->events[at]))
        at++;
    /* a record beside the first event says nothing of what is live */
    size_t first = at;
    while (first > 0 && all->events[first - 1].number == all->events[first].number &&
           at < all->count)
        first--;
    if (at < all->count)
        check_start(s, &s->events[first], dict, window, tolerance_ns);
    assert_string_equal(trace_reader_facts(window)->cut_of, "whole.seep");
    struct trace_event got;
    uint64_t events = 0;
    for (; at < all->count && is_inside(w, &all->events[at]); at++) {
        assert_int_equal(trace_reader_next(window, &got, NULL), SEEP_OK);
        check_event(dict, &s->events[at], own, got, tolerance_ns);
        events += got.type == TRACE_FREE || got.type == TRACE_REALLOC ||
                  got.type == TRACE_REALLOC_IN ||
                  (got.type == TRACE_ALLOC && !(got.flags & TRACE_INHERITED));
    }
    assert_int_equal(trace_reader_next(window, &got, NULL), SEEP_END);
    assert_int_equal(trace_reader_summary(window)->events, events);
    assert_true(trace_summary_complete(trace_reader_summary(window)));
    trace_reader_free(window);
}

static struct cut_moment random_moment(const struct decoded *all, uint64_t least, bool end)
{
    size_t at = (size_t)(least + below(all->count - least));
    const struct trace_event *ev = &all->events[at];
    if (below(2))
        return (struct cut_moment){"#", true, ev->number + (end ? below(3) : 0), 0};
    return (struct cut_moment){"ns", false, 0, ev->time_ns + below(2)};
}

/* Half of them near the trace's ends, or without one. */
static struct window random_window(const struct decoded *all)
{
    struct window w = {0};
    uint64_t start = below(all->count);
    if (below(8)) {
        w.from = (struct cut_moment){"#", true, all->events[start].number, 0};
        if (below(2))
            w.from = (struct cut_moment){"ns", false, 0, all->events[start].time_ns};
    } else {
        start = 0;
    }
    if (below(8))
        w.to = random_moment(all, start, true);
    return w;
}

static void test_windows(void **arg)
{
    const struct stream_profile *profile = *arg;
    uint64_t unit_ns = (profile->unit_us ? profile->unit_us : 1) * UINT64_C(1000);
    char path[] = "/tmp/seep-cut-XXXXXX", again[] = "/tmp/seep-cut-XXXXXX";
    close(mkstemp(path));
    close(mkstemp(again));
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct stream s;
        struct decoded all;
        stream_write(&s, profile, seed);
        struct trace_reader *whole = open_reader(s.path);
        decode(&all, whole);
        assert_int_equal(all.count, s.count);
        state = seed;
        for (unsigned i = 0; i < 60; i++) {
            struct window w = random_window(&all);
            cut(s.path, path, &w, profile->unit_us);
            check(&s, &all, &w, whole, path, 2 * unit_ns);
            /* of it a smaller one, by numbers: those do not drift */
            struct window smaller = {.from = {"#", true, all.events[below(all.count)].number, 0},
                                     .to = {"#", true, all.events[below(all.count)].number, 0}};
            struct window both = smaller;
            if (!w.from.by_number || !w.to.by_number)
                continue;
            both.from.number = w.from.number > both.from.number ? w.from.number : both.from.number;
            both.to.number = w.to.number < both.to.number ? w.to.number : both.to.number;
            if (both.from.number >= both.to.number)
                continue;
            cut(path, again, &smaller, profile->unit_us);
            check(&s, &all, &both, whole, again, 3 * unit_ns);
        }
        free(all.events);
        trace_reader_free(whole);
        stream_release(&s);
    }
    unlink(path);
    unlink(again);
}

/* A window whose first part is lost says so, and does not take up what it does not know. */
static void test_damaged_start(void **arg)
{
    (void)arg;
    struct stream s;
    char path[] = "/tmp/seep-cut-XXXXXX";
    close(mkstemp(path));
    stream_write(&s, &profiles[0], 7);
    struct window w = {.from = {"#1000", true, 1000, 0}, .to = {"#2000", true, 2001, 0}};
    cut(s.path, path, &w, 0);
    struct stream window = {.path = path};
    size_t length, count;
    uint8_t *bytes = stream_bytes(&window, &length);
    struct stream_chunk *chunks = stream_chunks(bytes, length, &count);
    size_t i = 0;
    while (chunks[i].type != SEEP_CHUNK_GROUP)
        i++;
    assert_int_equal(chunks[i].first_event, 1000);
    assert_true(chunks[i].checkpoint);
    bytes[chunks[i].end - 1] ^= 0x55;
    struct trace_reader *reader;
    assert_int_equal(trace_reader_open_bytes(&reader, bytes, length, "bytes", NULL), SEEP_OK);
    struct trace_event ev;
    enum seep_err code;
    uint64_t lost = 0, read = 0;
    while (!(code = trace_reader_next(reader, &ev, NULL))) {
        lost += ev.type == TRACE_GAP ? ev.lost_events : 0;
        read += ev.type != TRACE_GAP && ev.type != TRACE_BESIDE;
    }
    assert_int_equal(code, SEEP_END);
    assert_true(lost > 0);
    assert_int_equal(lost + read, 1001);
    assert_int_equal(trace_reader_summary(reader)->lost_damaged, lost);
    trace_reader_free(reader);
    free(chunks);
    free(bytes);
    stream_release(&s);
    unlink(path);
}

/* What is lost in the middle of a window is lost in what is cut out, and no more. */
static void test_damaged_middle(void **arg)
{
    (void)arg;
    struct stream s;
    char path[] = "/tmp/seep-cut-XXXXXX";
    close(mkstemp(path));
    stream_write(&s, &profiles[0], 8);
    size_t length, count, group = 0;
    uint8_t *bytes = stream_bytes(&s, &length);
    struct stream_chunk *chunks = stream_chunks(bytes, length, &count);
    while (chunks[group].type != SEEP_CHUNK_GROUP || chunks[group].first_event < 1200)
        group++;
    bytes[chunks[group].end - 1] ^= 0x55;
    struct trace_reader *whole, *window;
    struct decoded all;
    assert_int_equal(trace_reader_open_bytes(&whole, bytes, length, "bytes", NULL), SEEP_OK);
    decode(&all, whole);
    const uint64_t gap = chunks[group].first_event;
    for (uint64_t from = gap - 200; from < gap + 400; from += 37) {
        struct cut_options options = {
            .from = {"#", true, from, 0}, .to = {"#", true, from + 500, 0}, .name = "whole.seep"};
        const struct window w = {options.from, options.to};
        unlink(path);
        assert_int_equal(cut_trace(whole, path, &options, NULL), SEEP_OK);
        window = open_reader(path);
        size_t at = 0;
        uint64_t lost = 0, wanted = 0, number = from;
        struct trace_event ev;
        while (at < all.count && !is_inside(&w, &all.events[at]))
            at++;
        while (trace_reader_next(window, &ev, NULL) == SEEP_OK) {
            if (ev.type == TRACE_BESIDE)
                continue;
            if (ev.type == TRACE_GAP) {
                lost += ev.lost_events;
                continue;
            }
            while (all.events[at].type == TRACE_BESIDE || all.events[at].type == TRACE_GAP)
                at++;
            check_event(trace_reader_dict(whole), &all.events[at], trace_reader_dict(window), ev,
                        2000);
            number = all.events[at++].number + 1;
            wanted++;
        }
        assert_true(number <= from + 500);
        assert_int_equal(lost + wanted, 500);
        trace_reader_free(window);
    }
    free(all.events);
    trace_reader_free(whole);
    free(chunks);
    free(bytes);
    stream_release(&s);
    unlink(path);
}

int main(void)
{
    enum { COUNT = sizeof profiles / sizeof *profiles };
    struct CMUnitTest tests[COUNT + 2];
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){.name = profiles[i].name,
                                       .test_func = test_windows,
                                       .initial_state = (void *)&profiles[i]};
    tests[COUNT] = (struct CMUnitTest)cmocka_unit_test(test_damaged_start);
    tests[COUNT + 1] = (struct CMUnitTest)cmocka_unit_test(test_damaged_middle);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
