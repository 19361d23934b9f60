/* SPDX-License-Identifier: MIT
 *
 * What stands beside the events of a spool: threads, modules, marks, snapshots, clocks, counters.
 */
#include "pack_fixture.h"

#include "seep/trace_codec.h"
#include "trace/stamp_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#define START 1000000u
#define START_NS 5000000u
#define S(ns) (START + 2 * (uint64_t)(ns))

static void alloc_at(struct pack_fixture *f, uint32_t lane, uint64_t stamp, uint64_t address)
{
    sb_alloc(&f->b, lane, stamp, 0, &(struct builder_block){.address = address, .size = 1});
}

static void pack(struct pack_fixture *f)
{
    sb_finish(&f->b);
    assert_int_equal(fixture_pack(f, NULL), SEEP_OK);
}

static void number_row(struct pack_fixture *f, uint64_t ns, enum seep_beside kind, uint64_t first,
                       const char *text)
{
    uint8_t payload[64];
    uint8_t *p = seep_put_varint(payload, first);
    memcpy(p, text, strlen(text));
    sb_beside(&f->b, 0, S(ns), kind, payload, (size_t)(p - payload) + strlen(text));
}

/* Threads 1, 2 and 3 follow each other on one lane, within chunks and at their borders. */
static void lanes_are_taken_over(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    sb_thread(&f.b, 0, S(10), 1, 501, "first");
    alloc_at(&f, 0, S(20), 0x1000);
    number_row(&f, 30, SEEP_BESIDE_THREAD_NAME, 1, "renamed");
    number_row(&f, 40, SEEP_BESIDE_THREAD_END, 1, "");
    alloc_at(&f, 0, S(45), 0x1100); /* late destructors still count for it */
    sb_thread(&f.b, 0, S(50), 2, 502, "second");
    alloc_at(&f, 0, S(60), 0x2000);
    sb_flush(&f.b, 0);
    alloc_at(&f, 0, S(70), 0x3000);
    sb_thread(&f.b, 0, S(80), 3, 503, "");
    alloc_at(&f, 0, S(90), 0x4000);
    pack(&f);
    static const uint32_t threads[] = {1, 1, 2, 2, 3};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(fixture_event(&f, i)->thread, threads[i]);
    assert_int_equal(f.p.thread_count, 3);
    assert_string_equal(f.p.threads[0].name, "renamed");
    assert_int_equal(f.p.threads[0].tid, 501);
    assert_int_equal(f.p.threads[0].start_ns, 10);
    assert_int_equal(f.p.threads[0].end_ns, 40);
    assert_string_equal(f.p.threads[1].name, "second");
    assert_true(f.p.threads[1].end_ns == UINT64_MAX);
    assert_string_equal(f.p.threads[2].name, "");
    fixture_end(&f);
}

static void marks_stand_in_their_place(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, S(100), 0x1000);
    number_row(&f, 150, SEEP_BESIDE_MARK, 1, "phase two");
    alloc_at(&f, 0, S(200), 0x2000);
    pack(&f);
    assert_int_equal(f.p.count, 3);
    const struct trace_event *ev = &f.p.events[1];
    assert_int_equal(ev->type, TRACE_BESIDE);
    assert_int_equal(ev->beside.kind, SEEP_BESIDE_MARK);
    assert_int_equal(ev->beside.length, 10);
    assert_memory_equal(ev->beside.bytes, "\001phase two", 10);
    assert_true(ev->time_ns <= 150 + 1000);
    fixture_end(&f);
}

static void module_row(struct pack_fixture *f, uint64_t ns, uint64_t generation, uint64_t start,
                       const char *path)
{
    uint8_t payload[128];
    uint8_t *p = seep_put_varint(payload, generation);
    p = seep_put_varint(p, start - 0x100); /* base */
    p = seep_put_varint(p, start);
    p = seep_put_varint(p, start + 0x1000);
    p = seep_put_varint(p, strlen(path));
    memcpy(p, path, strlen(path));
    p += strlen(path);
    p = seep_put_varint(p, 2);
    *p++ = 0xab;
    *p++ = 0xcd;
    p = seep_put_varint(p, 1);
    for (uint64_t i = 1; i <= 4; i++)
        p = seep_put_varint(p, i);
    sb_beside(&f->b, 0, S(ns), SEEP_BESIDE_MODULE, payload, (size_t)(p - payload));
}

static void unload_row(struct pack_fixture *f, uint64_t ns, uint64_t generation, uint64_t start)
{
    uint8_t payload[32];
    uint8_t *p = seep_put_varint(payload, generation);
    p = seep_put_varint(p, start);
    sb_beside(&f->b, 0, S(ns), SEEP_BESIDE_UNLOAD, payload, (size_t)(p - payload));
}

static const struct trace_module *module_at(const struct pack_fixture *f, uint64_t start,
                                            uint32_t generation)
{
    const struct trace_module *found = NULL;
    for (size_t i = 0; i < f->p.module_count; i++) {
        const struct trace_module *m = &f->p.modules[i];
        if (m->start == start && m->generation_from <= generation &&
            generation <= m->generation_to) {
            assert_null(found);
            found = m;
        }
    }
    return found;
}

/* At every address, in every generation, at most one module, and the right one. */
static void modules_by_generation(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    module_row(&f, 10, 1, 0x10000, "/bin/program");
    module_row(&f, 20, 1, 0x50000, "/lib/one.so");
    unload_row(&f, 30, 2, 0x50000);
    module_row(&f, 40, 2, 0x10000, "/bin/program"); /* met again in the new generation */
    module_row(&f, 50, 2, 0x50000, "/lib/two.so");
    module_row(&f, 60, 4, 0x50000, "/lib/three.so"); /* the unload of two.so was lost */
    unload_row(&f, 70, 6, 0x90000);
    module_row(&f, 80, 5, 0x90000, "/lib/late.so"); /* by a thread that lagged behind the unload */
    pack(&f);
    assert_int_equal(f.p.module_count, 5);
    for (uint32_t generation = 1; generation < 8; generation++)
        assert_string_equal(module_at(&f, 0x10000, generation)->path, "/bin/program");
    assert_string_equal(module_at(&f, 0x50000, 1)->path, "/lib/one.so");
    assert_int_equal(module_at(&f, 0x50000, 1)->load_ns, 20);
    assert_int_equal(module_at(&f, 0x50000, 1)->unload_ns, 30);
    assert_string_equal(module_at(&f, 0x50000, 2)->path, "/lib/two.so");
    assert_string_equal(module_at(&f, 0x50000, 3)->path, "/lib/two.so");
    assert_string_equal(module_at(&f, 0x50000, 4)->path, "/lib/three.so");
    assert_string_equal(module_at(&f, 0x50000, 9)->path, "/lib/three.so");
    assert_string_equal(module_at(&f, 0x90000, 5)->path, "/lib/late.so");
    assert_null(module_at(&f, 0x90000, 6));
    fixture_end(&f);
}

/* Snapshots are merged by time, the last ones behind the last event. */
static void snapshots_find_their_time(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    f.b.control.recorder_bytes = 1000;
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, S(100), 0x1000);
    alloc_at(&f, 0, S(200), 0x2000);
    alloc_at(&f, 0, S(300), 0x3000);
    uint8_t memory[32], *p = seep_put_varint(memory, 2);
    p = seep_put_varint(p, 70000);
    p = seep_put_varint(p, 90000);
    sb_snapshot(&f.b, START_NS - 50, SEEP_BESIDE_RECORDER, "\x05", 1); /* before the start */
    sb_snapshot(&f.b, START_NS + 150, SEEP_BESIDE_MEMORY, memory, (size_t)(p - memory));
    sb_snapshot(&f.b, START_NS + 250, SEEP_BESIDE_MAPPINGS, "anything", 8);
    sb_snapshot(&f.b, START_NS + 240, SEEP_BESIDE_MEMORY, "\x01\x07", 2); /* stepped back */
    int64_t status = 0x8b; /* killed by signal 11, with a core */
    uint8_t exit_status[16];
    p = seep_put_svarint(exit_status, status);
    sb_snapshot(&f.b, START_NS + 777, SEEP_BESIDE_EXIT, exit_status, (size_t)(p - exit_status));
    pack(&f);
    static const uint64_t times[] = {0, 100, 150, 200, 250, 250, 300, 777};
    static const uint32_t kinds[] = {
        SEEP_BESIDE_RECORDER, 0, SEEP_BESIDE_MEMORY, 0, SEEP_BESIDE_MAPPINGS,
        SEEP_BESIDE_MEMORY,   0, SEEP_BESIDE_EXIT};
    assert_int_equal(f.p.count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_true(f.p.events[i].time_ns + 1000 >= times[i]);
        assert_true(f.p.events[i].time_ns <= times[i] + 1000);
        assert_int_equal(f.p.events[i].type == TRACE_BESIDE ? f.p.events[i].beside.kind : 0,
                         kinds[i]);
    }
    assert_memory_equal(f.p.events[4].beside.bytes, "anything", 8);
    assert_int_equal(f.p.summary.peak_rss_bytes, 90000);
    assert_int_equal(f.p.summary.wait_status, 0x8b);
    assert_int_equal(f.p.summary.duration_ns, 777);
    assert_int_equal(f.p.summary.recorder_bytes, 1000);
    assert_int_equal(f.p.summary.lost_damaged, 0);
    fixture_end(&f);
}

static void counters_reach_the_summary(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    struct seep_control *c = &f.b.control;
    c->lost_nested = 1;
    c->lost_stopped = 20;
    c->lost_early = 300;
    c->lost_no_lane = 4000;
    c->cut_stacks = 5;
    c->guessed_frames = 6;
    c->state = SEEP_SPOOL_STOPPED;
    c->stop_reason = SEEP_STOP_CAP;
    sb_lane(&f.b, 1);
    number_row(&f, 10, SEEP_BESIDE_LOST, 15, "\x02"); /* 15 of the 20, and where */
    number_row(&f, 20, SEEP_BESIDE_LOST, 9, "\x01");  /* more than was counted */
    pack(&f);
    const struct trace_summary *s = &f.p.summary;
    assert_int_equal(s->lost_nested, 9);
    assert_int_equal(s->lost_stopped, 20);
    assert_int_equal(s->lost_early, 300);
    assert_int_equal(s->lost_no_lane, 4000);
    assert_int_equal(s->cut_stacks, 5);
    assert_int_equal(s->guessed_frames, 6);
    assert_int_equal(s->spool_state, SEEP_SPOOL_STOPPED);
    assert_int_equal(s->stop_reason, SEEP_STOP_CAP);
    assert_int_equal(s->wait_status, -1);
    assert_int_equal(s->peak_rss_bytes, 0);
    fixture_end(&f);
}

/* ------------------------------------------------------------------ clocks */

static void expect_times(const struct pack_fixture *f, const uint64_t *times, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t got = fixture_event(f, i)->time_ns;
        assert_true(got + 1001 >= times[i] && got <= times[i] + 1001);
    }
}

static void monotonic_stamps_are_times(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    f.b.control.clock = SEEP_CLOCK_MONOTONIC;
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, START - 5, 0x1000); /* before the start */
    alloc_at(&f, 0, START + 12345, 0x2000);
    pack(&f);
    expect_times(&f, (uint64_t[]){0, 12345}, 2);
    fixture_end(&f);
}

static void clock_row(struct pack_fixture *f, uint64_t stamp, uint64_t ns)
{
    uint8_t payload[16];
    seep_put_u64(seep_put_u64(payload, stamp), ns);
    sb_beside(&f->b, 0, stamp, SEEP_BESIDE_CLOCK, payload, 16);
}

/* A counter that runs at half a nanosecond a tick, then at two: pairs at the starts of chunks. */
static void pairs_bend_the_line(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    const uint64_t bend = START + 40000000, end = bend + 10000000;
    alloc_at(&f, 0, START + 20000000, 0x1000); /* 10 ms */
    sb_flush(&f.b, 0);
    clock_row(&f, bend, START_NS + 20000000);
    alloc_at(&f, 0, bend + 5000000, 0x2000); /* 30 ms */
    sb_flush(&f.b, 0);
    clock_row(&f, end, START_NS + 40000000);
    sb_flush(&f.b, 0);
    clock_row(&f, end + 10, START_NS + 99999999); /* cannot be: ignored */
    alloc_at(&f, 0, end + 50, 0x3000);
    sb_flush(&f.b, 0);
    f.b.control.last_stamp = 0;
    sb_finish(&f.b);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    expect_times(&f, (uint64_t[]){10000000, 30000000, 40000040}, 3);
    assert_int_equal(fixture_count(&f), 3);
    assert_null(fixture_beside(&f, SEEP_BESIDE_CLOCK, 0));
    fixture_end(&f);
}

/* Died while the pair was being written, on another machine: snapshots help, or nothing does. */
static void without_a_pair(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_fact(&f.b, SEEP_FACT_HOST, "no.such.host.invalid", 20);
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, START + 20000000, 0x1000);
    alloc_at(&f, 0, START + 80000000, 0x1100);
    sb_snapshot(&f.b, START_NS + 40000000, SEEP_BESIDE_MEMORY, "\x01\x07", 2);
    f.b.control.last_ns = START_NS + 1;
    f.b.control.last_seq = 7; /* odd: torn */
    pack(&f);
    expect_times(&f, (uint64_t[]){10000000, 40000000}, 2);
    fixture_again(&f);
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, START + 20000000, 0x1000);
    f.b.control.last_seq = 7;
    pack(&f);
    expect_times(&f, (uint64_t[]){20000000}, 1);
    fixture_end(&f);
}

/* On this machine its counter can be measured. The stamps are real ones. */
static void without_a_pair_on_this_machine(void **state)
{
    (void)state;
#if defined(__x86_64__)
    struct pack_fixture f;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    fixture_begin(&f);
    sb_fact(&f.b, SEEP_FACT_HOST, host, strlen(host));
    struct spool_clock_pair a, b; /* each read at one moment, whoever else has the processor */
    assert_true(stamp_clock_read_pair(SEEP_CLOCK_TSC, &a));
    f.b.control.start_stamp = a.stamp;
    usleep(50000);
    assert_true(stamp_clock_read_pair(SEEP_CLOCK_TSC, &b));
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, b.stamp, 0x1000);
    f.b.control.last_seq = 7;
    pack(&f);
    double took = (double)(b.ns - a.ns);
    double got = (double)fixture_event(&f, 0)->time_ns;
    assert_true(got > took * 0.9 && got < took * 1.1);
    fixture_end(&f);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_are_taken_over),
        cmocka_unit_test(marks_stand_in_their_place),
        cmocka_unit_test(modules_by_generation),
        cmocka_unit_test(snapshots_find_their_time),
        cmocka_unit_test(counters_reach_the_summary),
        cmocka_unit_test(monotonic_stamps_are_times),
        cmocka_unit_test(pairs_bend_the_line),
        cmocka_unit_test(without_a_pair),
        cmocka_unit_test(without_a_pair_on_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
