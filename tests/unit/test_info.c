/* SPDX-License-Identifier: MIT
 *
 * The info tree, completeness and the result tree itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_trace.h"
#include "result_path.h"
#include "analysis/completeness.h"
#include "analysis/info.h"

#include <signal.h>

static void check_count(const struct result *r, const char *path, uint64_t expected)
{
    const struct result *leaf = get(r, path);
    if (leaf->type != RESULT_INTEGER || leaf->u.count != expected)
        fail_msg("%s: %llu", path, (unsigned long long)leaf->u.count);
}

static char *words(const char *s)
{
    return (char *)(uintptr_t)s; /* facts are not const, but info only reads them */
}

static void tells_everything(void **state)
{
    (void)state;
    struct trace_reader t;
    struct symbols symbols = {.dict = &t.dict};
    fake_init(&t, 1);
    struct symbol_frame frame = {.function = "f", .named = true};
    uint64_t proved = fake_place(&symbols, &frame, 1, SYMBOL_PROVED);
    uint64_t suspect = fake_place(&symbols, &frame, 1, SYMBOL_SUSPECT);
    uint64_t unprovable = fake_place(&symbols, &frame, 1, SYMBOL_UNPROVABLE);
    uint32_t root = fake_node(&t, 0, 1, SEEP_ROW_ROOT);
    uint32_t outer = fake_node(&t, root, proved, 0);
    fake_node(&t, outer, suspect, 0);
    fake_node(&t, outer, suspect, SEEP_ROW_GUESSED);
    fake_node(&t, outer, unprovable, 0);
    fake_thread(&t, 10, "main");
    fake_thread(&t, 11, "other");
    fake_module(&t, "/bin/x");
    char *command[] = {words("/bin/my prog"), words("-o"), words("it's"), words(""), NULL};
    char *environment[] = {words("LANG=C"), NULL};
    t.facts.command = command;
    t.facts.environment = environment;
    t.facts.exe = words("/bin/my prog");
    t.facts.pid = 77;
    t.facts.cpus = 2;
    t.facts.page_bytes = 4096;
    t.facts.allocator = words("glibc");
    t.facts.start_realtime_ns = 1700000000ull * 1000000000 + 5;
    t.summary = (struct trace_summary){.lost_nested = 1,
                                       .repaired = 2,
                                       .raced = 3,
                                       .unknown_frees = 4,
                                       .cut_stacks = 5,
                                       .guessed_frames = 6,
                                       .duration_ns = 9000,
                                       .trace_bytes = 300,
                                       .recorder_bytes = 8,
                                       .peak_rss_bytes = 1 << 20,
                                       .wait_status = SIGKILL,
                                       .spool_state = SEEP_SPOOL_OPEN};

    uint32_t a = fake_alloc(&t, 1, 100, outer, 50, SEEP_CALL_MALLOC, 0);
    uint32_t b = fake_alloc(&t, 1, 200, outer, 100, SEEP_CALL_NEW, 0);
    fake_mark(&t, "phase", 250);
    fake_free(&t, 1, 300, b, SEEP_CALL_FREE, 0);
    fake_realloc(&t, 2, 400, outer, a, 60);
    fake_event(&t, TRACE_FAILED, 1, 500);
    fake_event(&t, TRACE_FREE_UNKNOWN, 1, 500);
    fake_event(&t, TRACE_FREE_UNKNOWN, 1, 500)->flags = TRACE_INHERITED;
    fake_event(&t, TRACE_BESIDE, 1, 600);

    struct result *r = NULL;
    assert_int_equal(info_analyse(&r, &t, &symbols, NULL, NULL), SEEP_OK);
    static const struct {
        const char *path;
        uint64_t value;
    } counts[] = {
        {"events", 4},
        {"allocations", 2},
        {"frees", 1},
        {"reallocations", 1},
        {"failed", 1},
        {"temporary", 1},
        {"mismatched_frees", 1},
        {"allocated_bytes", 210},
        {"peak_live_bytes", 150},
        {"peak_live_blocks", 2},
        {"peak_time_ns", 200},
        {"live_blocks", 1},
        {"live_bytes", 60},
        {"live_usable_bytes", 72},
        {"inherited_blocks", 0},
        {"inherited_bytes", 0},
        {"inherited_frees", 1},
        {"lost_events", 1},
        {"raced", 3},
        {"repaired", 2},
        {"unknown_frees", 4},
        {"threads", 2},
        {"duration_ns", 9000},
        {"trace_bytes", 300},
        {"peak_rss_bytes", 1 << 20},
        {"recorder_bytes", 8},
        {"stacks", 4},
        {"modules", 1},
        {"cut_stacks", 5},
        {"guessed_frames", 6},
        {"suspect_frames", 2},
        {"unprovable_frames", 1},
        {"process.pid", 77},
        {"process.cpus", 2},
        {"process.page_bytes", 4096},
        {"process.start_realtime_ns", 1700000000000000005},
        {"exit.signal", SIGKILL},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        check_count(r, counts[i].path, counts[i].value);
    assert_true(get(r, "bytes_per_event")->u.real == 75.0);
    assert_string_equal(text(r, "allocator"), "glibc");
    assert_null(text(r, "allocator_version"));
    assert_string_equal(text(r, "process.command"), "'/bin/my prog' -o 'it'\\''s' ''");
    assert_int_equal(result_length(get(r, "process.arguments")), 4);
    assert_string_equal(text(r, "process.start"), "2023-11-14T22:13:20Z");
    assert_int_equal(get(r, "process.fork_parent_pid")->type, RESULT_NULL);
    assert_string_equal(text(r, "exit.word"), "killed by signal 9 (SIGKILL)");
    assert_string_equal(text(r, "exit.recording"), "open");
    assert_int_equal(get(r, "exit.status")->type, RESULT_NULL);
    assert_false(get(r, "completeness.complete")->u.boolean);
    const struct result *mark = result_at(get(r, "marks"), 0);
    assert_string_equal(text(mark, "name"), "phase");
    check_count(mark, "time_ns", 250);
    check_count(mark, "event", 2);
    result_free(r);
    fake_symbols_release(&symbols);
    fake_release(&t);
}

/* An empty trace, without names. */
static void tells_nothing(void **state)
{
    (void)state;
    struct trace_reader t;
    struct result *r = NULL;
    fake_init(&t, 1);
    fake_node(&t, 0, 1, SEEP_ROW_ROOT);
    fake_node(&t, 1, 1, 0);
    t.summary.wait_status = 3 << 8; /* exit(3), as waitpid says it */
    assert_int_equal(info_analyse(&r, &t, NULL, NULL, NULL), SEEP_OK);
    check_count(r, "events", 0);
    check_count(r, "stacks", 1);
    assert_int_equal(get(r, "suspect_frames")->type, RESULT_NULL);
    assert_int_equal(get(r, "bytes_per_event")->type, RESULT_NULL);
    assert_int_equal(get(r, "peak_rss_bytes")->type, RESULT_NULL);
    assert_int_equal(get(r, "process.command")->type, RESULT_NULL);
    assert_int_equal(get(r, "process.pid")->type, RESULT_NULL);
    assert_string_equal(text(r, "exit.word"), "exited with status 3");
    check_count(r, "exit.status", 3);
    assert_true(get(r, "completeness.complete")->u.boolean);
    result_free(r);
    t.summary.wait_status = -1;
    trace_reader_rewind(&t, NULL);
    assert_int_equal(info_analyse(&r, &t, NULL, NULL, NULL), SEEP_OK);
    assert_string_equal(text(r, "exit.word"), "not known");
    result_free(r);
    fake_release(&t);
}

static bool refuse(void *arg, double fraction)
{
    *(double *)arg = fraction;
    return false;
}

static void can_be_interrupted(void **state)
{
    (void)state;
    struct trace_reader t;
    struct result *r = NULL;
    double fraction = -1;
    fake_init(&t, 1);
    for (int i = 0; i < 70000; i++)
        fake_event(&t, TRACE_FAILED, 1, 0);
    struct info_options options = {.progress = refuse, .progress_arg = &fraction};
    assert_int_equal(info_analyse(&r, &t, NULL, &options, NULL), SEEP_ERR_INTERRUPTED);
    assert_null(r);
    assert_true(fraction > 0 && fraction < 1);
    fake_release(&t);
}

static void says_what_is_missing(void **state)
{
    (void)state;
    static const struct {
        struct trace_summary summary;
        bool complete;
        uint64_t lost;
        const char *reasons[3];
    } cases[] = {
        {{0}, true, 0, {NULL}},
        {{.repaired = 5, .raced = 2, .cut_stacks = 9}, true, 0, {NULL}},
        {{.spool_state = SEEP_SPOOL_OPEN, .wait_status = 9}, true, 0, {NULL}},
        {{.lost_nested = 1}, false, 1, {"1 event was lost inside signal handlers"}},
        {{.lost_stopped = 1234567, .stop_reason = SEEP_STOP_DISK_FULL},
         false,
         1234567,
         {"1,234,567 events were lost after recording stopped: the disk was full"}},
        {{.stop_reason = SEEP_STOP_CAP},
         false,
         0,
         {"recording stopped early: the recording reached its size limit"}},
        {{.lost_early = 100, .lost_no_lane = 20},
         false,
         120,
         {"100 events were lost before the recorder could start",
          "20 events were lost for want of memory for their thread"}},
        {{.lost_damaged = 1000, .damaged = true},
         false,
         1000,
         {"at least 1,000 events were lost in damaged parts",
          "parts of the trace are damaged: their checksums do not match"}},
        {{.truncated = true}, false, 0, {"the trace ends too early: all up to the cut was read"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result *r = result_new_object();
        completeness_add(r, "completeness", &cases[i].summary);
        assert_int_equal(get(r, "completeness.complete")->u.boolean, cases[i].complete);
        assert_string_equal(text(r, "completeness.word"),
                            cases[i].complete ? "complete" : "incomplete");
        check_count(r, "completeness.lost_events", cases[i].lost);
        const struct result *reasons = get(r, "completeness.reasons");
        size_t count = 0;
        for (; count < 3 && cases[i].reasons[count]; count++)
            assert_string_equal(result_at(reasons, count)->u.text, cases[i].reasons[count]);
        assert_int_equal(result_length(reasons), count);
        result_free(r);
    }
}

static void keeps_trees(void **state)
{
    (void)state;
    struct result *r = result_new_object();
    struct result *array = result_array(r, "array");
    for (uint64_t i = 0; i < 100; i++)
        result_count(array, NULL, i);
    result_text(r, "text", "x");
    result_text(r, "none", NULL);
    result_integer(r, "negative", -5);
    result_bytes(result_object(r, "object"), "inner", UINT64_MAX);
    assert_int_equal(result_length(array), 100);
    assert_int_equal(result_at(array, 99)->u.count, 99);
    assert_null(result_at(array, 100));
    assert_null(result_get(array, "text"));
    assert_null(result_get(r, "nothing"));
    assert_int_equal(get(r, "none")->type, RESULT_NULL);
    assert_int_equal(get(r, "negative")->u.integer, -5);
    assert_int_equal(get(r, "object.inner")->unit, UNIT_BYTES);
    check_count(r, "object.inner", UINT64_MAX);
    assert_string_equal(result_at(r, 1)->name, "text"); /* order is kept */
    assert_int_equal(result_length(get(r, "text")), 0);
    /* a shared item outlives its first parent */
    struct result *other = result_new_object();
    struct result *shared = result_object(array, NULL);
    result_text(shared, "text", "shared");
    struct result *second = result_array(other, "second");
    result_share(second, shared);
    result_share(second, shared);
    result_free(r);
    assert_int_equal(result_length(second), 2);
    assert_string_equal(text(result_at(second, 1), "text"), "shared");
    result_free(other);
    result_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_everything),   cmocka_unit_test(tells_nothing),
        cmocka_unit_test(can_be_interrupted), cmocka_unit_test(says_what_is_missing),
        cmocka_unit_test(keeps_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
