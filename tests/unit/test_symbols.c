/* SPDX-License-Identifier: MIT
 *
 * Which module, which file, which debug file: found where they should be, refused where they must
 * not be touched. That the names in them are right is the business of test_symbols_names. */
#include "model/symbols.h"

#include "model/elf_file.h"
#include "model/text_pool.h"
#include "symbols/probe.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/seep-test-XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    alarm(200); /* nothing here may wait for anything */
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    free_lines(run_lines("rm -rf '%s'", directory));
    return 0;
}

/* A path below the test's directory; valid until the next call but three. */
static const char *path_of(const char *name)
{
    static char texts[4][256];
    static int next;
    char *text = texts[next++ % 4];
    snprintf(text, sizeof texts[0], "%s/%s", directory, name);
    return text;
}

static uint64_t *list_addresses(const char *path, size_t *count)
{
    struct instruction *all = list_instructions(path, ".text", count);
    uint64_t *out = mem_zalloc(*count, sizeof *out);
    for (size_t i = 0; i < *count; i++)
        out[i] = all[i].address;
    free(all);
    return out;
}

static void assert_same_frames(const struct symbol_address *a, const struct symbol_address *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct symbol_frame *x = &a->frames[i], *y = &b->frames[i];
        assert_int_equal(x->named, y->named);
        if (x->named) /* else they are offsets, each in its own file */
            assert_string_equal(x->function, y->function);
        assert_int_equal(x->line, y->line);
        assert_int_equal(x->file == NULL, y->file == NULL);
        if (x->file)
            assert_string_equal(x->file, y->file);
    }
}

/* `path` must be named as `truth` is, which has the same code and its debug information inside. */
static void assert_named_like(const char *path, const char *truth,
                              const struct symbol_options *options)
{
    size_t count, inlined = 0;
    uint64_t *addresses = list_addresses(truth, &count);
    struct probe a, b;
    probe_open(&a, path, addresses, count, true, options);
    probe_open(&b, truth, addresses, count, true, NULL);
    for (size_t i = 0; i < count; i++) {
        assert_same_frames(probe_at(&a, i), probe_at(&b, i));
        inlined += probe_at(&a, i)->count > 1;
    }
    assert_true(inlined > 500);
    assert_null(symbols_problem(a.symbols, 0));
    probe_close(&a);
    probe_close(&b);
    free(addresses);
}

static void debug_file_by_link(void **state)
{
    (void)state;
    assert_named_like(FIXTURES "/shapes-linked", FIXTURES "/shapes-gcc", NULL);
}

static void debug_file_by_build_id(void **state)
{
    (void)state;
    free_lines(run_lines("id=$(readelf -n '%s' | sed -n 's/.*Build ID: //p'); "
                         "d=%s/debug/.build-id/$(echo $id | cut -c1-2); mkdir -p $d && "
                         "cp '%s' $d/$(echo $id | cut -c3-).debug",
                         FIXTURES "/shapes-stripped", directory, FIXTURES "/linked.debug"));
    struct strbuf dirs = {0};
    strbuf_addf(&dirs, "/nonexistent::%s/debug", directory);
    struct symbol_options options = {.debug_dirs = dirs.text};
    assert_named_like(FIXTURES "/shapes-stripped", FIXTURES "/shapes-gcc", &options);
    strbuf_release(&dirs);

    /* the same below a sysroot, where only the module's own path is that of the trace */
    free_lines(run_lines(
        "mkdir -p %s/root/usr/lib %s/root/opt && cp -r %s/debug %s/root/usr/lib/ && "
        "cp '%s' %s/root/opt/program",
        directory, directory, directory, directory, FIXTURES "/shapes-stripped", directory));
    options = (struct symbol_options){.sysroot = path_of("root")};
    assert_named_like("/opt/program", FIXTURES "/shapes-gcc", &options);
}

static void supplementary_debug_file(void **state)
{
    (void)state;
    if (access(FIXTURES "/dwz-common", R_OK) != 0)
        skip();
    assert_named_like(FIXTURES "/dwz-a", FIXTURES "/shapes-gcc", NULL);
    assert_named_like(FIXTURES "/dwz-b", FIXTURES "/shapes-gcc-dwarf4-nopie", NULL);

    free_lines(run_lines("cp '%s' %s/", FIXTURES "/dwz-a", directory));
    size_t count;
    uint64_t *addresses = list_addresses(FIXTURES "/dwz-a", &count);
    struct probe p;
    probe_open(&p, path_of("dwz-a"), addresses, count, true, NULL);
    size_t named = 0; /* the outermost one still is, by symbol table */
    for (size_t i = 0; i < count; i++)
        named += probe_at(&p, i)->frames[probe_at(&p, i)->count - 1].named;
    assert_true(named > count - 60); /* all but padding */
    assert_non_null(strstr(symbols_problem(p.symbols, 0), "some names are missing"));
    probe_close(&p);
    free(addresses);
}

/* Every function that `nm` lists, at its first and last byte: one of the names it has there. */
static void compare_with_nm(const char *path, const char *options, size_t least)
{
    char **lines = run_lines("nm -S --defined-only --without-symbol-versions %s '%s' | "
                             "awk '$3 ~ /^[tTwWi]$/ {print $1, $2, $4}' | sort | c++filt -i",
                             options, path);
    size_t count = 0, capacity = 0;
    uint64_t *addresses = NULL; /* first and last byte of one after the other */
    for (size_t i = 0; lines[i]; i++) {
        unsigned long long start, bytes;
        assert_int_equal(sscanf(lines[i], "%llx %llx", &start, &bytes), 2);
        MEM_GROW(addresses, capacity, count + 2);
        addresses[count++] = start;
        addresses[count++] = start + bytes - 1;
    }
    assert_true(count >= 2 * least);
    struct probe p;
    probe_open(&p, path, addresses, count, true, NULL);
    for (size_t i = 0; i < count; i++) {
        const char *name = probe_at(&p, i)->frames[0].function;
        bool found = false;
        for (size_t k = 0; k < count && !found; k += 2)
            found = addresses[k] <= addresses[i] && addresses[i] <= addresses[k + 1] &&
                    strcmp(strchr(strchr(lines[k / 2], ' ') + 1, ' ') + 1, name) == 0;
        if (!found)
            fail_msg("%s: %#lx is not in %s", path, addresses[i], name);
        assert_true(probe_at(&p, i)->frames[0].named);
    }
    probe_close(&p);
    free(addresses);
    free_lines(lines);
}

static void symbol_table_names(void **state)
{
    (void)state;
    compare_with_nm(FIXTURES "/plain-symtab", "", 4);
}

static void dynamic_symbol_names(void **state)
{
    (void)state;
    char **path = run_lines("readlink -f $(g++ -print-file-name=libstdc++.so.6)");
    free_lines(run_lines("cp '%s' %s/libcxx.so && strip %s/libcxx.so && "
                         "objcopy --remove-section .note.gnu.build-id %s/libcxx.so",
                         path[0], directory, directory, directory));
    free_lines(path);
    compare_with_nm(path_of("libcxx.so"), "-D", 4000);
}

static void without_symbols_offsets(void **state)
{
    (void)state;
    size_t count;
    uint64_t *addresses = list_addresses(FIXTURES "/shapes-stripped", &count);
    struct probe p;
    probe_open(&p, FIXTURES "/shapes-stripped", addresses, count, false, NULL);
    for (size_t i = 0; i < count; i++) {
        const struct symbol_address *a = probe_at(&p, i);
        char text[64];
        snprintf(text, sizeof text, "shapes-stripped+%#lx", addresses[i]);
        assert_int_equal(a->count, 1);
        assert_false(a->frames[0].named);
        assert_string_equal(a->frames[0].function, text);
        assert_string_equal(a->frames[0].module, FIXTURES "/shapes-stripped");
    }
    probe_close(&p);
    free(addresses);
}

/* A return address names the call before it. */
static void return_addresses(void **state)
{
    (void)state;
    const char *path = FIXTURES "/shapes-gcc";
    size_t count, calls = 0, suspects = 0;
    struct instruction *all = list_instructions(path, ".text", &count);
    uint64_t *after = mem_zalloc(count, sizeof *after), *before = mem_zalloc(count, sizeof *before);
    for (size_t i = 0; i + 1 < count; i++) {
        after[i] = all[i + 1].address;
        before[i] = after[i] - 1;
    }
    struct probe returns, places, starts;
    probe_open(&returns, path, after, count - 1, false, NULL);
    probe_open(&places, path, before, count - 1, true, NULL);
    probe_open(&starts, path, after, count - 1, true, NULL);
    for (size_t i = 0; i + 1 < count; i++) {
        const struct symbol_address *a = probe_at(&returns, i);
        assert_int_equal(probe_at(&places, i)->suspicion, SYMBOL_PROVED);
        if (all[i].call) {
            assert_int_equal(a->suspicion, SYMBOL_PROVED);
            assert_same_frames(a, probe_at(&places, i));
            calls++;
        } else if (a->suspicion == SYMBOL_SUSPECT) {
            assert_same_frames(a, probe_at(&places, i));
            suspects++;
        } else { /* the start of a function: put on a stack by hand */
            assert_same_frames(a, probe_at(&starts, i));
        }
    }
    assert_true(calls > 100);
    assert_true(suspects + calls > count - 50);
    probe_close(&returns);
    probe_close(&places);
    probe_close(&starts);
    free(after);
    free(before);
    free(all);
}

/* Names nothing, says why in one line with `reason`. */
static void assert_refused(struct probe *p, const char *reason)
{
    const struct symbol_address *a = probe_at(p, 0);
    assert_int_equal(a->count, 1);
    assert_false(a->frames[0].named);
    assert_non_null(strstr(a->frames[0].function, "+0x"));
    assert_int_equal(a->suspicion, SYMBOL_UNPROVABLE);
    const char *problem = symbols_problem(p->symbols, 0);
    assert_non_null(problem);
    if (strstr(problem, reason) == NULL)
        fail_msg("\"%s\" rather than \"%s\"", problem, reason);
    assert_null(strchr(problem, '\n'));
    assert_null(strchr(problem, '\033'));
    assert_null(symbols_problem(p->symbols, 1));
}

static void other_builds_are_refused(void **state)
{
    (void)state;
    uint64_t address = 0x2400;
    struct probe p;
    probe_open(&p, FIXTURES "/shapes-gcc", &address, 1, false, NULL);
    p.module.build_id[19] ^= 1;
    assert_refused(&p, "its build ID differs");
    probe_close(&p);

    probe_open(&p, FIXTURES "/shapes-gcc", &address, 1, false, NULL);
    p.module.build_id_bytes = 0; /* recorded without, here with */
    assert_refused(&p, "its build ID differs");
    probe_close(&p);

    probe_open(&p, FIXTURES "/libplain-no-build-id.so", &address, 1, false, NULL);
    assert_null(p.module.build_id);
    p.module.segments[1].bytes++;
    assert_refused(&p, "its segments differ");
    probe_close(&p);
}

static void refuse_path(const char *path, const char *reason)
{
    uint64_t address = 0x2400;
    struct probe p;
    probe_open(&p, FIXTURES "/shapes-gcc", &address, 1, false, NULL);
    symbols_free(p.symbols); /* it took the path at its start */
    free(p.module.path);
    p.module.path = mem_strdup(path);
    p.symbols = symbols_new(&p.dict, NULL);
    assert_refused(&p, reason);
    probe_close(&p);
}

/* A trace may name any path. */
static void hostile_paths(void **state)
{
    (void)state;
    refuse_path("/nonexistent/lib.so", "not found");
    refuse_path("/nonexistent/\033[31m\nlib.so", "not found");
    refuse_path("", "not found");
    refuse_path("shapes-gcc", "not found");
    refuse_path("/dev/zero", "not a readable ELF file");
    refuse_path("/proc/self/exe/", "not found");
    refuse_path("/proc/kcore", "on this machine");
    refuse_path("/proc/self/environ", "not a readable ELF file");
    refuse_path(directory, "not a readable ELF file");
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    refuse_path(path_of("fifo"), "not a readable ELF file");
    free_lines(run_lines("seq 1000 > %s; head -c 100 '%s' > %s; head -c 3000 '%s' > %s",
                         path_of("text"), FIXTURES "/shapes-gcc", path_of("cut-100"),
                         FIXTURES "/shapes-gcc", path_of("cut-3000")));
    refuse_path(path_of("text"), "not a readable ELF file");
    refuse_path(path_of("cut-100"), "cut-100");

    /* cut behind its build ID: usable as far as it goes */
    struct probe p;
    size_t count;
    uint64_t *addresses = list_addresses(FIXTURES "/shapes-gcc", &count);
    probe_open(&p, FIXTURES "/shapes-gcc", addresses, count, false, NULL);
    symbols_free(p.symbols);
    free(p.module.path);
    p.module.path = mem_strdup(path_of("cut-3000"));
    p.symbols = symbols_new(&p.dict, NULL);
    for (size_t i = 0; i < count; i++)
        assert_false(probe_at(&p, i)->frames[0].named);
    probe_close(&p);
    free(addresses);
}

/* As programs have it that look for their libraries beside themselves. */
static void paths_with_a_way_up(void **state)
{
    (void)state;
    size_t count;
    uint64_t *addresses = list_addresses(FIXTURES "/shapes-gcc", &count);
    struct probe p;
    probe_open(&p, FIXTURES "/shapes-gcc", addresses, count, false, NULL);
    symbols_free(p.symbols);
    free(p.module.path);
    p.module.path = mem_strdup(FIXTURES "/../symbols/shapes-gcc");
    p.symbols = symbols_new(&p.dict, NULL);
    size_t named = 0;
    for (size_t i = 0; i < count; i++)
        named += probe_at(&p, i)->frames[0].named;
    assert_true(named > 0);
    probe_close(&p);
    free(addresses);
}

static void sysroot_is_not_left(void **state)
{
    (void)state;
    free_lines(run_lines("mkdir -p %s/jail && cp '%s' %s/outside", directory,
                         FIXTURES "/shapes-gcc", directory));
    struct symbol_options options = {.sysroot = path_of("jail")};
    uint64_t address = 0x2400;
    struct probe p;
    probe_open(&p, "/../outside", &address, 1, false, &options);
    assert_refused(&p, "not found");
    probe_close(&p);
}

/* One address, three libraries one after the other; and what no module holds. */
static void generations(void **state)
{
    (void)state;
    char late[] = "/x/late.so", above[] = "/x/above.so", early[] = "/x/early.so",
         middle[] = "/x/middle.so";
    struct trace_module modules[] = {
        {.path = late,
         .start = 0x5000,
         .end = 0x6000,
         .generation_from = 7,
         .generation_to = UINT32_MAX},
        {.path = above, .start = 0x6000, .end = 0x7000, .generation_to = UINT32_MAX},
        {.path = early, .start = 0x4000, .end = 0x6000, .generation_to = 3},
        {.path = middle, .start = 0x5000, .end = 0x5800, .generation_from = 4, .generation_to = 6},
    };
    static const struct {
        uint32_t generation;
        uint64_t pc;
        const char *name;
    } cases[] = {
        {0, 0x5400, "/x/early.so"},
        {3, 0x5fff, "/x/early.so"},
        {4, 0x5400, "/x/middle.so"},
        {6, 0x57ff, "/x/middle.so"},
        {6, 0x5800, NULL},
        {7, 0x5800, "/x/late.so"},
        {4000000000u, 0x5000, "/x/late.so"},
        {3, 0x3fff, NULL},
        {4, 0x4000, NULL},
        {9, 0x6000, "/x/above.so"},
        {9, 0x7000, NULL},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    struct trace_stack_node nodes[3 * CASES + 1] = {0};
    for (uint32_t i = 0; i < CASES; i++) {
        uint32_t root = 3 * i + 1; /* root, a frame, the frame that is asked for */
        nodes[root] = (struct trace_stack_node){.pc = cases[i].generation, .flags = SEEP_ROW_ROOT};
        nodes[root + 1] = (struct trace_stack_node){.pc = 0x1000, .parent = root};
        nodes[root + 2] = (struct trace_stack_node){.pc = cases[i].pc, .parent = root + 1};
    }
    struct trace_dict dict = {
        .stacks = nodes, .stack_count = 3 * CASES, .modules = modules, .module_count = 4};
    struct symbols *s = symbols_new(&dict, NULL);
    for (uint32_t i = 0; i < CASES; i++) {
        const struct trace_module *m = symbols_module_of_node(s, 3 * i + 3);
        const struct symbol_frame *f = symbols_of_node(s, 3 * i + 3)->frames;
        char text[64];
        if (cases[i].name) {
            assert_non_null(m);
            assert_string_equal(m->path, cases[i].name);
            snprintf(text, sizeof text, "%s+%#lx", cases[i].name + 3, cases[i].pc);
            assert_string_equal(f->module, cases[i].name);
        } else {
            assert_null(m);
            snprintf(text, sizeof text, "%#lx", cases[i].pc);
            assert_null(f->module);
        }
        assert_string_equal(f->function, text);
        assert_false(f->named);
    }
    assert_null(symbols_module_of_node(s, 0));
    assert_null(symbols_module_of_node(s, 1));
    assert_null(symbols_module_of_node(s, UINT32_MAX));
    assert_non_null(symbols_of_node(s, 0));
    assert_non_null(symbols_of_node(s, 1));
    assert_non_null(symbols_of_node(s, UINT32_MAX));
    assert_ptr_equal(symbols_of_node(s, 3), symbols_of_node(s, 3));
    symbols_free(s);
}

static int progress_calls;
static double progress_last;

static bool note_progress(void *arg, double fraction)
{
    assert_true(fraction > progress_last && fraction <= 1);
    progress_last = fraction;
    return ++progress_calls < *(int *)arg;
}

static void progress_and_interruption(void **state)
{
    (void)state;
    size_t count;
    uint64_t *addresses = list_addresses(FIXTURES "/shapes-gcc", &count);
    uint32_t *nodes = mem_zalloc(count + 2, sizeof *nodes);
    for (size_t i = 0; i < count + 2; i++)
        nodes[i] = (uint32_t)i; /* with 0 and the root */
    int limit = 1000;
    struct symbol_options options = {.progress = note_progress, .progress_arg = &limit};
    struct probe p;
    probe_open(&p, FIXTURES "/shapes-gcc", addresses, count, false, &options);
    assert_int_equal(symbols_resolve(p.symbols, nodes, count + 2), SEEP_OK);
    assert_true(progress_calls > 3);
    probe_close(&p);

    limit = 2;
    progress_calls = 0;
    progress_last = 0;
    probe_open(&p, FIXTURES "/shapes-gcc", addresses, count, false, &options);
    assert_int_equal(symbols_resolve(p.symbols, nodes, count + 2), SEEP_ERR_INTERRUPTED);
    assert_int_equal(progress_calls, 2);
    assert_true(probe_at(&p, count - 1)->count > 0);
    probe_close(&p);
    free(nodes);
    free(addresses);
}

static void no_server_is_asked(void **state)
{
    (void)state;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server, 4), 0);
    assert_int_equal(getsockname(server, (struct sockaddr *)&address, &length), 0);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    setenv("DEBUGINFOD_URLS", url, 1);
    without_symbols_offsets(state);
    unsetenv("DEBUGINFOD_URLS");
    assert_int_equal(accept(server, NULL, NULL), -1); /* nobody has come */
    close(server);
}

static void own_vdso(void **state)
{
    (void)state;
    const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (image == NULL)
        skip();
    FILE *copy = fopen(path_of("vdso"), "w");
    assert_non_null(copy);
    fwrite(image, 1, 4096, copy); /* symbols lie in the first page; sections may be missing */
    fwrite(image + 4096, 1, 4096, copy);
    fclose(copy);
    char **lines =
        run_lines("nm -D --without-symbol-versions %s | grep ' [TW] __vdso_'", path_of("vdso"));
    unsigned long long start;
    char name[64];
    assert_int_equal(sscanf(lines[0], "%llx %*c %63s", &start, name), 2);
    free_lines(lines);
    for (int same = 0; same < 2; same++) {
        uint64_t address = start;
        struct probe p;
        probe_open(&p, path_of("vdso"), &address, 1, true, NULL);
        assert_non_null(p.module.build_id);
        symbols_free(p.symbols);
        free(p.module.path);
        p.module.path = mem_strdup("[vdso]");
        p.module.build_id[0] ^= !same;
        p.symbols = symbols_new(&p.dict, NULL);
        const struct symbol_address *a = probe_at(&p, 0);
        assert_int_equal(a->frames[0].named, same);
        if (same)
            assert_non_null(strstr(name, a->frames[0].function)); /* "time" for "__vdso_time" */
        else
            assert_non_null(strstr(a->frames[0].function, "[vdso]+0x"));
        probe_close(&p);
    }
}

static void texts_are_clean(void **state)
{
    (void)state;
    struct text_pool pool = {0};
    const char *a = text_pool_add(&pool, "red \033[31m\n\x7f");
    assert_string_equal(a, "red ?[31m??");
    assert_ptr_equal(a, text_pool_add(&pool, "red ?[31m??"));
    assert_string_equal(text_pool_demangled(&pool, "_Z1fi"), "f(int)");
    assert_string_equal(text_pool_demangled(&pool, "na\tme"), "na?me");
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "_Z4%04dv", i % 10000);
        text_pool_demangled(&pool, name);
    }
    assert_ptr_equal(a, text_pool_add(&pool, "red ?[31m??"));
    text_pool_release(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(debug_file_by_link),
        cmocka_unit_test(debug_file_by_build_id),
        cmocka_unit_test(supplementary_debug_file),
        cmocka_unit_test(symbol_table_names),
        cmocka_unit_test(dynamic_symbol_names),
        cmocka_unit_test(without_symbols_offsets),
        cmocka_unit_test(return_addresses),
        cmocka_unit_test(other_builds_are_refused),
        cmocka_unit_test(hostile_paths),
        cmocka_unit_test(paths_with_a_way_up),
        cmocka_unit_test(sysroot_is_not_left),
        cmocka_unit_test(generations),
        cmocka_unit_test(progress_and_interruption),
        cmocka_unit_test(no_server_is_asked),
        cmocka_unit_test(own_vdso),
        cmocka_unit_test(texts_are_clean),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
