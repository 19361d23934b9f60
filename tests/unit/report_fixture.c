/* SPDX-License-Identifier: MIT */
#include "report_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct result *fixture_completeness(bool complete)
{
    struct result *r = result_new_object();
    result_bool(r, "complete", complete);
    result_text(r, "word", complete ? "complete" : "incomplete");
    struct result *reasons = result_array(r, "reasons");
    if (!complete) {
        result_text(reasons, NULL,
                    "1,204 events were lost after recording stopped: the disk was "
                    "full");
        result_text(reasons, NULL, "3 events were lost inside signal handlers");
    }
    result_count(r, "lost_events", complete ? 0 : 1207);
    return r;
}

static void add_completeness(struct result *parent)
{
    struct result *r = result_object(parent, "completeness");
    result_bool(r, "complete", true);
    result_text(r, "word", "complete");
    result_array(r, "reasons");
}

struct result *fixture_info(void)
{
    static const struct {
        const char *name;
        uint64_t value;
        enum result_unit unit;
    } figures[] = {
        {"events", 2467930, UNIT_COUNT},
        {"allocations", 1234567, UNIT_COUNT},
        {"frees", 1233363, UNIT_COUNT},
        {"reallocations", 0, UNIT_COUNT},
        {"failed", 2, UNIT_COUNT},
        {"temporary", 903112, UNIT_COUNT},
        {"mismatched_frees", 0, UNIT_COUNT},
        {"allocated_bytes", 4509715660, UNIT_BYTES},
        {"peak_live_bytes", 36805017, UNIT_BYTES},
        {"peak_live_blocks", 12031, UNIT_COUNT},
        {"peak_time_ns", 1240000000, UNIT_NS},
        {"live_blocks", 1204, UNIT_COUNT},
        {"live_bytes", 4404019, UNIT_BYTES},
        {"live_usable_bytes", 4500000, UNIT_BYTES},
        {"inherited_blocks", 0, UNIT_COUNT},
        {"inherited_bytes", 0, UNIT_BYTES},
        {"lost_events", 0, UNIT_COUNT},
        {"raced", 0, UNIT_COUNT},
        {"repaired", 12, UNIT_COUNT},
        {"unknown_frees", 0, UNIT_COUNT},
        {"threads", 4, UNIT_COUNT},
        {"duration_ns", 3410000000, UNIT_NS},
        {"trace_bytes", 1258291, UNIT_BYTES},
        {"peak_rss_bytes", 50541363, UNIT_BYTES},
        {"recorder_bytes", 1258291, UNIT_BYTES},
        {"stacks", 4711, UNIT_COUNT},
        {"modules", 7, UNIT_COUNT},
        {"cut_stacks", 0, UNIT_COUNT},
        {"guessed_frames", 3, UNIT_COUNT},
        {"suspect_frames", 1, UNIT_COUNT},
        {"unprovable_frames", 0, UNIT_COUNT},
    };
    struct result *r = result_new_object();
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        result_count(r, figures[i].name, figures[i].value)->unit = figures[i].unit;
    result_real(r, "bytes_per_event", 0.50986);
    result_text(r, "allocator", "glibc");
    result_text(r, "allocator_version", "2.36");
    result_text(r, "allocator_path", "/lib/x86_64-linux-gnu/libc.so.6");
    struct result *process = result_object(r, "process");
    result_text(process, "command", "./server --port 8080 'two words'");
    result_text(process, "exe", "/srv/bin/server");
    result_text(process, "working_directory", "/srv");
    result_text(process, "host", "db\033[31m7");
    result_text(process, "kernel", "Linux 6.1.0");
    result_text(process, "libc", "glibc 2.36");
    result_integer(process, "pid", 4242);
    result_integer(process, "cpus", 16);
    result_null(process, "fork_parent_pid");
    result_text(process, "start", "2026-11-25T00:12:31Z");
    result_array(process, "options");
    struct result *end = result_object(r, "exit");
    result_text(end, "word", "exited with status 0");
    result_text(end, "recording", "closed");
    add_completeness(r);
    struct result *marks = result_array(r, "marks");
    struct result *mark = result_object(marks, NULL);
    result_text(mark, "name", "loaded");
    result_ns(mark, "time_ns", 250000000);
    mark = result_object(marks, NULL);
    result_text(mark, "name", "serving \xe6\xbc\xa2\xe5\xad\x97");
    result_ns(mark, "time_ns", 1100000000);
    return r;
}

/* ------------------------------------------------------------------ leaks */

struct frame {
    const char *function, *file;
    int line;
    const char *module;
    enum { INLINED = 1, SUSPECT = 2, GUESSED = 4, UNNAMED = 8 } flags;
};

static void add_frames(struct result *site, const struct frame *frames)
{
    struct result *array = result_array(site, "frames");
    for (; frames->function; frames++) {
        struct result *f = result_object(array, NULL);
        result_text(f, "function", frames->function);
        result_text(f, "file", frames->file);
        if (frames->line)
            result_integer(f, "line", frames->line);
        else
            result_null(f, "line");
        result_text(f, "module", frames->module);
        result_address(f, "address", 0x55d5c0001234);
        result_bool(f, "inlined", frames->flags & INLINED);
        result_bool(f, "suspect", frames->flags & SUSPECT);
        result_bool(f, "guessed", frames->flags & GUESSED);
        result_bool(f, "named", !(frames->flags & UNNAMED));
    }
}

static struct result *add_site(struct result *sites, const char *name, uint64_t bytes,
                               uint64_t blocks, double share, uint64_t made)
{
    struct result *s = result_object(sites, NULL);
    result_text(s, "name", name);
    result_count(s, "blocks", blocks);
    result_bytes(s, "bytes", bytes);
    result_percent(s, "share_percent", share);
    result_count(s, "allocated_blocks", made);
    return s;
}

static void add_sizes(struct result *site, uint64_t min, uint64_t typical, uint64_t max,
                      uint64_t first_ns, uint64_t last_ns)
{
    struct result *sizes = result_object(site, "sizes");
    result_bytes(sizes, "min", min);
    result_bytes(sizes, "typical", typical);
    result_bytes(sizes, "max", max);
    result_ns(site, "first_ns", first_ns);
    result_ns(site, "last_ns", last_ns);
}

static void add_rest(struct result *site, uint64_t thread, uint64_t threads, const char *call,
                     uint64_t hidden_frames)
{
    struct result *array = result_array(site, "threads");
    for (uint64_t i = 0; i < threads && i < 8; i++)
        result_integer(array, NULL, (int64_t)(thread + i));
    result_count(site, "thread_count", threads);
    result_text(result_array(site, "calls"), NULL, call);
    result_count(site, "stacks", 1);
    result_null(site, "suppressed");
    result_bool(site, "builtin", false);
    result_bool(site, "cut", false);
    result_count(site, "hidden_frames", hidden_frames);
}

static void add_sums(struct result *r, const char *name, uint64_t sites, uint64_t blocks,
                     uint64_t bytes)
{
    struct result *o = result_object(r, name);
    result_count(o, "sites", sites);
    result_count(o, "blocks", blocks);
    result_bytes(o, "bytes", bytes);
}

static struct result *leaks_head(uint64_t blocks, uint64_t bytes)
{
    struct result *r = result_new_object();
    result_text(r, "word", "live at exit");
    result_text(r, "by", "stack");
    result_text(r, "order", "bytes");
    result_null(r, "window");
    struct result *total = result_object(r, "total");
    result_count(total, "blocks", blocks);
    result_bytes(total, "bytes", bytes);
    result_bytes(total, "peak_live_bytes", 36805017);
    result_ns(total, "peak_time_ns", 1240000000);
    result_percent(total, "share_of_peak_percent", 100. * (double)bytes / 36805017);
    return r;
}

struct result *fixture_leaks(void)
{
    struct result *r = leaks_head(1302, 4479019);
    add_sums(r, "matched", 17, 1204, 4404019);
    struct result *sites = result_array(r, "sites"), *s;
    s = add_site(sites, "cache_insert", 3145728, 812, 70.2, 812);
    add_sizes(s, 3874, 3874, 3874, 120000000, 3410000000);
    add_rest(s, 1, 1, "malloc", 0);
    add_frames(s, (const struct frame[]){
                      {"xmalloc", "/src/server/lib/xmalloc.c", 17, "/srv/bin/server", INLINED},
                      {"cache_insert", "/src/server/cache.c", 88, "/srv/bin/server", 0},
                      {"handle_request", "/src/server/server.c", 210, "/srv/bin/server", 0},
                      {"main", "/src/server/main.c", 31, "/srv/bin/server", 0},
                      {"__libc_start_call_main", NULL, 0, "/lib/x86_64-linux-gnu/libc.so.6", 0},
                      {"__libc_start_main_impl", NULL, 0, "/lib/x86_64-linux-gnu/libc.so.6", 0},
                      {"_start", NULL, 0, "/srv/bin/server", 0},
                      {NULL},
                  });
    s = add_site(sites,
                 "std::vector<std::pair<std::string, int>, std::allocator<std::pair<std::string, "
                 "int> > >::push_back(std::pair<std::string, int> const&)",
                 1258291, 390, 28.1, 90112);
    add_sizes(s, 16, 3072, 65536, 3400000000, 3400000000);
    add_rest(s, 2, 9, "new", 4);
    add_frames(
        s,
        (const struct frame[]){
            {"operator new(unsigned long)", NULL, 0, "/lib/x86_64-linux-gnu/libstdc++.so.6", 0},
            {"std::vector<std::pair<std::string, int>, std::allocator<std::pair<std::string, int> "
             "> "
             ">::push_back(std::pair<std::string, int> const&)",
             "/usr/include/c++/12/bits/stl_vector.h", 1278, "/srv/bin/server", INLINED},
            {"Index::operator()(std::function<void (int)> const&) const",
             "/src/server/a/very/long/path/to/some/module/index.cpp", 1204, "/srv/bin/server", 0},
            {"libplugin.so+0x1a2b", NULL, 0, "/srv/lib/libplugin.so", UNNAMED | SUSPECT},
            {"jit_entry", NULL, 0, "/srv/lib/libplugin.so", GUESSED},
            {NULL},
        });
    s = add_site(sites, "bad\033]0;name\007", 0, 2, 0, 2);
    add_sizes(s, 0, 0, 0, 0, 0);
    add_rest(s, 1, 1, "malloc", 0);
    add_frames(s, (const struct frame[]){
                      {"bad\033]0;name\007", "evil\nfile.c", 3, "/srv/bin/server", 0}, {NULL}});
    add_sums(r, "hidden", 14, 12, 3482);
    add_sums(r, "filtered_out", 0, 0, 0);
    add_sums(r, "suppressed", 2, 4, 1229);
    struct result *unused = result_array(r->u.children.items[r->u.children.count - 1], "unused");
    struct result *rule = result_object(unused, NULL);
    result_text(rule, "pattern", "old_thing");
    result_text(rule, "file", "lsan.supp");
    result_integer(rule, "line", 12);
    add_sums(r, "builtin", 3, 94, 74854);
    return r;
}

struct result *fixture_no_leaks(void)
{
    struct result *r = leaks_head(0, 0);
    add_sums(r, "matched", 0, 0, 0);
    result_array(r, "sites");
    add_sums(r, "hidden", 0, 0, 0);
    return r;
}

/* ------------------------------------------------------------------ files */

void fixture_compare(const char *name, const struct strbuf *text)
{
    char path[512];
    snprintf(path, sizeof path, GOLDEN "/report/%s", name);
    if (getenv("SEEP_REGENERATE")) {
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(text->text, 1, text->length, out), text->length);
        assert_int_equal(fclose(out), 0);
        return;
    }
    FILE *in = fopen(path, "rb");
    if (!in)
        fail_msg("%s: no such file; SEEP_REGENERATE=1 writes it", path);
    char *wanted = calloc(1, text->length + 4096);
    size_t length = fread(wanted, 1, text->length + 4095, in);
    fclose(in);
    if (length != text->length || memcmp(wanted, text->text, length) != 0)
        fail_msg("%s differs; now it is:\n%s", path, text->text);
    free(wanted);
}
