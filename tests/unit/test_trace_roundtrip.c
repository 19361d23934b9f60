/* SPDX-License-Identifier: MIT
 *
 * What is written into a trace is what is read out of it: random programs against the list of what
 * was told, live blocks against a naive picture of them. */
#include "trace_stream.h"

#include "trace/event_sums.h"
#include "util/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct stream_profile profiles[] = {
    {.name = "plain",
     .events = 20000,
     .free = 480,
     .beside = 5,
     .keep = 2000,
     .threads = 1,
     .stacks = 200},
    {.name = "lifo",
     .events = 20000,
     .free = 500,
     .lifo = true,
     .keep = 500,
     .threads = 1,
     .stacks = 20},
    {.name = "fifo",
     .events = 20000,
     .free = 490,
     .fifo = true,
     .keep = 3000,
     .threads = 2,
     .stacks = 50,
     .group_events = 7000},
    {.name = "reallocs",
     .events = 20000,
     .free = 200,
     .realloc = 300,
     .split_realloc = 200,
     .keep = 400,
     .threads = 4,
     .stacks = 100,
     .group_events = 100},
    {.name = "aligned",
     .events = 20000,
     .free = 450,
     .realloc = 50,
     .aligned = true,
     .keep = 1000,
     .threads = 3,
     .stacks = 300},
    {.name = "strange",
     .events = 20000,
     .free = 200,
     .failed = 200,
     .unknown_free = 200,
     .beside = 200,
     .split_realloc = 20,
     .keep = 300,
     .threads = 2,
     .stacks = 40,
     .group_events = 1000},
    {.name = "threads",
     .events = 20000,
     .free = 450,
     .realloc = 60,
     .split_realloc = 20,
     .keep = 2000,
     .threads = 700,
     .stacks = 5000,
     .group_events = 3000},
    {.name = "one event a group",
     .events = 1500,
     .free = 400,
     .realloc = 60,
     .split_realloc = 60,
     .failed = 20,
     .unknown_free = 20,
     .beside = 50,
     .keep = 40,
     .threads = 3,
     .stacks = 30,
     .group_events = 1},
    {.name = "times to 1 ms",
     .events = 20000,
     .free = 480,
     .beside = 5,
     .keep = 500,
     .threads = 2,
     .stacks = 100,
     .group_events = 7000,
     .unit_us = 1000},
    {.name = "nothing", .events = 0, .threads = 1},
    {.name = "only records", .events = 30, .beside = 1000, .threads = 1},
    {.name = "several parts",
     .events = 300000,
     .free = 480,
     .realloc = 20,
     .beside = 1,
     .keep = 5000,
     .threads = 3,
     .stacks = 500,
     .level = 1},
};

/* ---- the naive picture of the live blocks */

struct picture {
    const struct trace_block **slots; /* NULL: dead */
    size_t capacity, live;
};

static void picture_set(struct picture *p, uint32_t slot, const struct trace_block *block)
{
    while (slot >= p->capacity) {
        size_t more = p->capacity ? p->capacity * 2 : 64;
        p->slots = mem_resize(p->slots, more, sizeof *p->slots);
        memset(p->slots + p->capacity, 0, (more - p->capacity) * sizeof *p->slots);
        p->capacity = more;
    }
    p->live += (block != NULL) - (p->slots[slot] != NULL);
    p->slots[slot] = block;
}

static void picture_apply(struct picture *p, const struct trace_event *told)
{
    switch (told->type) {
    case TRACE_ALLOC:
    case TRACE_REALLOC_IN:
        if (told->slot < p->capacity)
            assert_null(p->slots[told->slot]); /* a slot has one block at a time */
        picture_set(p, told->slot, &told->after);
        break;
    case TRACE_REALLOC: picture_set(p, told->slot, &told->after); break;
    case TRACE_FREE:
    case TRACE_REALLOC_OUT: picture_set(p, told->slot, NULL); break;
    default: break;
    }
}

static void assert_live(const struct picture *p, const struct trace_reader *reader)
{
    size_t live = 0;
    for (uint32_t slot = 0; slot < trace_reader_slot_count(reader); slot++) {
        const struct trace_block *got = trace_reader_block(reader, slot);
        if (!got)
            continue;
        live++;
        assert_true(slot < p->capacity && p->slots[slot]);
        assert_int_equal(got->address, p->slots[slot]->address);
        assert_int_equal(got->size, p->slots[slot]->size);
        assert_int_equal(got->birth, p->slots[slot]->birth);
    }
    assert_int_equal(live, p->live);
}

/* ---- */

static struct trace_reader *open_stream(const struct stream *s)
{
    struct trace_reader *reader;
    struct err err = {0};
    if (trace_reader_open(&reader, s->path, &err))
        fail_msg("%s", err.message);
    return reader;
}

/* Reads from the reader's place on, which is before event `from` of the stream, to the end. */
static void assert_reads(struct trace_reader *reader, const struct stream *s, size_t from,
                         struct picture *p)
{
    struct trace_event ev;
    uint64_t last_ns = 0;
    for (size_t i = from; i < s->count; i++) {
        assert_int_equal(trace_reader_next(reader, &ev, NULL), SEEP_OK);
        const char *difference = stream_difference(&s->events[i], &ev, false);
        if (difference)
            fail_msg("event %zu (type %d, read as %d): %s differs", i, s->events[i].type, ev.type,
                     difference);
        assert_true(ev.time_ns >= last_ns);
        last_ns = ev.time_ns;
        picture_apply(p, &s->events[i]);
        if (i % 997 == 0)
            assert_live(p, reader);
    }
    assert_int_equal(trace_reader_next(reader, &ev, NULL), SEEP_END);
    assert_int_equal(trace_reader_next(reader, &ev, NULL), SEEP_END);
    assert_live(p, reader);
}

static void assert_dictionaries(struct trace_reader *reader, const struct stream *s)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    assert_int_equal(dict->stack_count, s->node_count);
    for (uint32_t id = 1; id <= s->node_count; id++) {
        assert_int_equal(dict->stacks[id].pc, s->nodes[id].pc);
        assert_int_equal(dict->stacks[id].parent, s->nodes[id].parent);
        assert_int_equal(dict->stacks[id].flags, s->nodes[id].flags);
    }
    assert_int_equal(dict->module_count, 2);
    assert_string_equal(dict->modules[1].path, "/b/lib.so");
    assert_int_equal(dict->modules[0].generation_to, UINT32_MAX);
    assert_true(dict->modules[0].unload_ns == UINT64_MAX);
    assert_int_equal(dict->modules[1].generation_to, 3);
    assert_int_equal(dict->modules[1].unload_ns, 12345);
    assert_int_equal(dict->modules[1].build_id_bytes, 3);
    assert_memory_equal(dict->modules[1].build_id, "\1\2\3", 3);
    assert_int_equal(dict->modules[1].segment_count, 1);
    assert_int_equal(dict->modules[1].segments[0].bytes, 0x2000);
    assert_string_equal(dict->threads[0].name, "main");
    assert_int_equal(dict->threads[0].tid, 42);
    size_t mark = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct trace_event *ev = &s->events[i];
        if (ev->type != TRACE_BESIDE || ev->beside.kind != SEEP_BESIDE_MARK || !ev->beside.length)
            continue;
        assert_true(mark < dict->mark_count);
        assert_int_equal(dict->marks[mark].number, ev->number);
        assert_int_equal(dict->marks[mark].thread, 1);
        assert_int_equal(strlen(dict->marks[mark].name), ev->beside.length - 1);
        mark++;
    }
    assert_int_equal(dict->mark_count, mark);
    const struct trace_facts *facts = trace_reader_facts(reader);
    assert_int_equal(facts->pid, 42);
    assert_string_equal(facts->exe, "/b/x");
    assert_string_equal(facts->command[0], "x");
    assert_string_equal(facts->command[1], "-v");
    assert_null(facts->command[2]);
    assert_string_equal(facts->host, "");
    assert_null(facts->environment[0]);
}

static void assert_summary(struct trace_reader *reader, const struct stream *s)
{
    const struct trace_summary *got = trace_reader_summary(reader);
    uint64_t events = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct trace_event *ev = &s->events[i];
        events += (ev->type == TRACE_ALLOC && !(ev->flags & TRACE_INHERITED)) ||
                  ev->type == TRACE_FREE || ev->type == TRACE_REALLOC ||
                  ev->type == TRACE_REALLOC_IN;
    }
    assert_int_equal(got->events, events);
    assert_int_equal(got->events, s->summary.events);
    assert_int_equal(got->trace_bytes, s->summary.trace_bytes);
    assert_int_equal(got->duration_ns, s->summary.duration_ns);
    assert_int_equal(got->wait_status, 9);
    assert_int_equal(got->cut_stacks, 5);
    assert_int_equal(got->peak_rss_bytes, 1 << 20);
    assert_int_equal(got->spool_state, SEEP_SPOOL_CLOSED);
    assert_true(trace_summary_complete(got));
}

static void roundtrip(void **state)
{
    const struct stream_profile *profile = *state;
    for (uint64_t seed = 1; seed <= (profile->events > 100000 ? 1 : 3); seed++) {
        struct stream s;
        stream_write(&s, profile, seed);
        struct trace_reader *reader = open_stream(&s);
        for (int pass = 0; pass < 2; pass++) {
            struct picture picture = {0};
            assert_reads(reader, &s, 0, &picture);
            assert_dictionaries(reader, &s);
            assert_summary(reader, &s);
            assert_int_equal(trace_reader_rewind(reader, NULL), SEEP_OK);
            free(picture.slots);
        }
        trace_reader_free(reader);
        stream_release(&s);
    }
}

/* ---- all at once */

struct made {
    uint64_t blocks, bytes;
};

static void note_made(void *arg, const struct trace_block *like, uint64_t count)
{
    struct made *by_stack = arg;
    by_stack[like->stack].blocks += count;
    by_stack[like->stack].bytes += count * like->size;
}

/* The sums of what was told, by the rules of counting; `made` by stack. */
static void add_up(const struct stream *s, struct event_sums *sums, struct made *made)
{
    struct last_made last_made = {0};
    for (size_t i = 0; i < s->count; i++) {
        const struct trace_event *ev = &s->events[i];
        bool changes = ev->type == TRACE_REALLOC, inherited = ev->flags & TRACE_INHERITED;
        bool enters = changes || ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC_IN;
        bool leaves = changes || ev->type == TRACE_FREE || ev->type == TRACE_REALLOC_OUT;
        struct event_total *t = &sums->total[trace_event_in_pool(ev)];
        if (leaves) {
            struct event_total *left = &sums->total[trace_block_in_pool(&ev->before)];
            left->live_blocks--;
            left->live_bytes -= ev->before.size;
            sums->ended[ev->before.call][ev->call] += !(ev->flags & TRACE_IMPLIED);
        }
        t->frees += ev->type == TRACE_FREE;
        if (ev->type == TRACE_FREE)
            t->temporary +=
                last_made_by(&last_made, ev->thread)[trace_block_in_pool(&ev->before)] ==
                ev->before.birth + 1;
        t->failed += ev->type == TRACE_FAILED;
        t->inherited_frees += ev->type == TRACE_FREE_UNKNOWN && inherited;
        if (!enters)
            continue;
        t->live_blocks++;
        t->live_bytes += ev->after.size;
        if (t->live_bytes > t->peak.bytes)
            t->peak = (struct trace_peak){t->live_bytes, t->live_blocks, ev->time_ns, ev->number};
        if (ev->type == TRACE_ALLOC && inherited) {
            t->inherited_blocks++;
            t->inherited_bytes += ev->after.size;
            continue;
        }
        t->allocations += ev->type == TRACE_ALLOC;
        t->reallocations += ev->type != TRACE_ALLOC;
        t->allocated_bytes += ev->after.size;
        last_made_by(&last_made, ev->thread)[trace_event_in_pool(ev)] = ev->number + 1;
        made[ev->stack].blocks++;
        made[ev->stack].bytes += ev->after.size;
    }
    last_made_release(&last_made);
}

static void assert_total(const struct event_total *got, const struct event_total *told,
                         uint64_t unit_ns)
{
    assert_in_range(got->peak.time_ns + unit_ns, told->peak.time_ns,
                    told->peak.time_ns + 2 * unit_ns);
    struct event_total same = *got;
    same.peak.time_ns = told->peak.time_ns;
    assert_memory_equal(&same, told, sizeof same);
}

/* Groups played by any number of threads give the sums and the live blocks that the events give one
 * by one. */
static void play_seed(const struct stream_profile *profile, uint64_t seed)
{
    const uint64_t unit_ns = (profile->unit_us ? profile->unit_us : 1) * UINT64_C(1000);
    struct stream s;
    stream_write(&s, profile, seed);
    struct trace_reader *reader = open_stream(&s);
    struct event_sums *told = event_sums_new();
    struct made *told_made = mem_zalloc(s.node_count + 1, sizeof *told_made);
    add_up(&s, told, told_made);
    struct picture picture = {0};
    for (size_t i = 0; i < s.count; i++)
        picture_apply(&picture, &s.events[i]);
    for (unsigned threads = 0; threads <= 3; threads++) {
        struct event_sums *got = event_sums_new();
        struct made *made = mem_zalloc(s.node_count + 1, sizeof *made);
        struct trace_play how = {.threads = threads, .made = note_made, .arg = made};
        struct trace_event ev;
        bool sound;
        assert_int_equal(trace_reader_play(reader, &how, got, &sound, NULL), SEEP_OK);
        assert_true(sound);
        for (int sort = 0; sort < 2; sort++)
            assert_total(&got->total[sort], &told->total[sort], unit_ns);
        assert_memory_equal(got->ended, told->ended, sizeof got->ended);
        assert_memory_equal(made, told_made, (s.node_count + 1) * sizeof *made);
        assert_live(&picture, reader);
        assert_int_equal(trace_reader_next(reader, &ev, NULL), SEEP_END);
        assert_int_equal(trace_reader_rewind(reader, NULL), SEEP_OK);
        event_sums_free(got);
        free(made);
    }
    free(picture.slots);
    event_sums_free(told);
    free(told_made);
    trace_reader_free(reader);
    stream_release(&s);
}

static void play(void **state)
{
    const struct stream_profile *profile = *state;
    for (uint64_t seed = 7; seed < (profile->events > 100000 ? 8 : 12); seed++)
        play_seed(profile, seed);
}

/* The peak that the reader tells is that of the first `count` events of the stream, pools aside,
 * its time `unit_ns` off at most. */
static void assert_peak_before(const struct trace_reader *reader, const struct stream *s,
                               size_t count, uint64_t unit_ns)
{
    struct trace_peak peak = {0};
    uint64_t bytes = 0, blocks = 0;
    for (size_t i = 0; i < count; i++) {
        const struct trace_event *ev = &s->events[i];
        bool changes = ev->type == TRACE_REALLOC;
        bool enters = changes || ev->type == TRACE_ALLOC || ev->type == TRACE_REALLOC_IN;
        bool leaves = changes || ev->type == TRACE_FREE || ev->type == TRACE_REALLOC_OUT;
        enters = enters && ev->after.call != SEEP_CALL_POOL;
        leaves = leaves && ev->before.call != SEEP_CALL_POOL;
        bytes += (enters ? ev->after.size : 0) - (leaves ? ev->before.size : 0);
        blocks += enters - (uint64_t)leaves;
        if (bytes > peak.bytes && enters)
            peak = (struct trace_peak){bytes, blocks, ev->time_ns, ev->number};
    }
    const struct trace_peak *got = trace_reader_peak_before(reader);
    assert_int_equal(got->number, peak.number);
    assert_int_equal(got->bytes, peak.bytes);
    assert_int_equal(got->blocks, peak.blocks);
    assert_in_range(got->time_ns + unit_ns, peak.time_ns, peak.time_ns + 2 * unit_ns);
}

/* From any number on, the same as from a time. */
static void assert_seeks_number(struct trace_reader *reader, const struct stream *s,
                                uint64_t number)
{
    struct trace_event ev;
    size_t at = 0;
    assert_int_equal(trace_reader_seek_number(reader, number, NULL), SEEP_OK);
    assert_int_equal(trace_reader_next(reader, &ev, NULL), SEEP_OK);
    while (at < s->count && stream_difference(&s->events[at], &ev, false))
        at++;
    assert_true(at < s->count);
    assert_true(ev.number <= number);
    struct picture picture = {0};
    for (size_t i = 0; i <= at; i++)
        picture_apply(&picture, &s->events[i]);
    assert_reads(reader, s, at + 1, &picture);
    free(picture.slots);
}

/* From any time on, what is read is the end of what was told, beginning early enough; and live
 * blocks come from a checkpoint. */
static void seek(void **state)
{
    const struct stream_profile *profile = *state;
    struct stream s;
    stream_write(&s, profile, 99);
    struct trace_reader *reader = open_stream(&s);
    uint64_t end_ns = s.count ? s.events[s.count - 1].time_ns : 0;
    size_t skipped = 0;
    for (unsigned i = 0; i <= 16; i++) {
        uint64_t time_ns = end_ns / 16 * i + (i == 16 ? 10000 : 0);
        assert_int_equal(trace_reader_seek_time(reader, time_ns, NULL), SEEP_OK);
        struct trace_event ev;
        struct picture picture = {0};
        struct trace_peak peak = *trace_reader_peak_before(reader);
        enum seep_err code = trace_reader_next(reader, &ev, NULL);
        size_t at = 0;
        while (code == SEEP_OK && at < s.count && stream_difference(&s.events[at], &ev, false))
            picture_apply(&picture, &s.events[at++]);
        if (code == SEEP_OK) {
            assert_true(at < s.count);
            assert_true(at == 0 ||
                        s.events[at - 1].time_ns <=
                            time_ns + (profile->unit_us ? profile->unit_us * 1000 : 1000));
            picture_apply(&picture, &s.events[at++]);
        } else {
            assert_int_equal(s.count, 0);
        }
        assert_live(&picture, reader);
        assert_memory_equal(&peak, trace_reader_peak_before(reader), sizeof peak);
        assert_peak_before(reader, &s, code == SEEP_OK ? at - 1 : 0,
                           (profile->unit_us ? profile->unit_us : 1) * UINT64_C(1000));
        assert_reads(reader, &s, at, &picture);
        if (s.count)
            assert_seeks_number(reader, &s, s.events[s.count / 17 * i].number);
        assert_true(trace_summary_complete(trace_reader_summary(reader)));
        skipped += at;
        free(picture.slots);
    }
    if (profile->group_events > 1 && profile->group_events < 5000)
        assert_true(skipped > 4 * s.count);
    trace_reader_free(reader);
    stream_release(&s);
}

/* A writer that is given up leaves what it had completed. */
static void abandoned(void **state)
{
    (void)state;
    char path[] = "/tmp/seep-abandoned-XXXXXX";
    close(mkstemp(path));
    unlink(path);
    struct trace_writer *w;
    assert_int_equal(
        trace_writer_open(&w, path, &(struct trace_writer_options){.group_events = 10}, NULL),
        SEEP_OK);
    struct trace_writer *second;
    struct err err;
    assert_int_equal(trace_writer_open(&second, path, NULL, &err), SEEP_ERR_EXISTS);
    assert_non_null(strstr(err.message, path));
    for (int i = 0; i < 25; i++) {
        struct trace_event ev = {.type = TRACE_ALLOC,
                                 .thread = 1,
                                 .after = {.address = 4096 + 64 * (uint64_t)i, .size = 40}};
        assert_int_equal(trace_writer_event(w, &ev, NULL), SEEP_OK);
        assert_int_equal(ev.slot, i + 1);
        assert_int_equal(trace_writer_block(w, ev.slot)->size, 40);
    }
    trace_writer_abort(w);
    struct trace_reader *reader;
    assert_int_equal(trace_reader_open(&reader, path, NULL), SEEP_OK);
    struct trace_event ev;
    int events = 0;
    while (trace_reader_next(reader, &ev, NULL) == SEEP_OK)
        assert_int_equal(ev.after.address, 4096 + 64 * events++);
    assert_int_equal(events, 20);
    const struct trace_summary *summary = trace_reader_summary(reader);
    assert_true(summary->truncated);
    assert_false(summary->damaged);
    assert_int_equal(summary->events, 20);
    assert_false(trace_summary_complete(summary));
    trace_reader_free(reader);
    unlink(path);
}

/* What cannot be is refused, and goes on being refused. */
static void contradictions(void **state)
{
    (void)state;
    const struct trace_event wrong[] = {
        {.type = TRACE_FREE, .slot = 3},
        {.type = TRACE_REALLOC, .slot = 0, .after = {.address = 16}},
        {.type = TRACE_REALLOC_OUT, .slot = UINT32_MAX, .link = 1},
        {.type = TRACE_REALLOC_IN, .link = 7, .after = {.address = 16}},
        {.type = TRACE_REALLOC_IN, .link = 0, .after = {.address = 16}},
        {.type = TRACE_GAP},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[] = "/tmp/seep-contradictions-XXXXXX";
        close(mkstemp(path));
        unlink(path);
        struct trace_writer *w;
        assert_int_equal(trace_writer_open(&w, path, NULL, NULL), SEEP_OK);
        struct trace_event ev = wrong[i];
        struct err err;
        assert_int_equal(trace_writer_event(w, &ev, &err), SEEP_ERR_USAGE);
        assert_non_null(strstr(err.message, path));
        struct trace_summary summary = {0};
        assert_int_equal(trace_writer_finish(w, &summary, NULL), SEEP_ERR_USAGE);
        unlink(path);
    }
}

int main(void)
{
    const size_t count = sizeof profiles / sizeof *profiles;
    static const struct {
        const char *name;
        CMUnitTestFunction test;
    } ways[] = {{"roundtrip", roundtrip}, {"seek", seek}, {"play", play}};
    struct CMUnitTest tests[3 * sizeof profiles / sizeof *profiles + 2];
    char names[3 * sizeof profiles / sizeof *profiles][64];
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof ways / sizeof *ways; j++, at++) {
            snprintf(names[at], sizeof *names, "%s: %s", ways[j].name, profiles[i].name);
            tests[at] = (struct CMUnitTest){.name = names[at],
                                            .test_func = ways[j].test,
                                            .initial_state = (void *)&profiles[i]};
        }
    tests[at++] = (struct CMUnitTest)cmocka_unit_test(abandoned);
    tests[at++] = (struct CMUnitTest)cmocka_unit_test(contradictions);
    return cmocka_run_group_tests_name("trace_roundtrip", tests, NULL, NULL);
}
