/* SPDX-License-Identifier: MIT
 *
 * What is said of modules, compared with dl_iterate_phdr and readelf; and whether an unload is
 * noticed in time, which rests on the loader's calls of free and malloc: this program's own, which
 * stand before libc's as the recorder's hooks do. */
#include "cold.h"
#include "fake_rows.h"
#include "modules.h"
#include "rules.h"
#include "seep/trace_codec.h"
#include "stacks.h"
#include "unwind.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

/* ------------------------------------------------------------------ hooks */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static atomic_bool watching;
static atomic_uint loader_calls;

static void hooked(const void *caller)
{
    if (atomic_load(&watching) && rec_modules_is_loader((uintptr_t)caller)) {
        loader_calls++;
        rec_modules_check(NULL);
    }
}

__attribute__((noinline)) void *malloc(size_t size)
{
    hooked(__builtin_return_address(0));
    return __libc_malloc(size);
}

__attribute__((noinline)) void *calloc(size_t n, size_t size)
{
    hooked(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

__attribute__((noinline)) void *realloc(void *p, size_t size)
{
    hooked(__builtin_return_address(0));
    return __libc_realloc(p, size);
}

__attribute__((noinline)) void free(void *p)
{
    hooked(__builtin_return_address(0));
    __libc_free(p);
}

/* ------------------------------------------------------------------ rows */

struct module_row {
    uint64_t generation, base, start, end, path_length, id_length, segments;
    char path[PATH_MAX];
    uint8_t id[64];
    uint64_t segment[16][4];
};

static uint64_t take(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    assert_true(seep_get_varint(p, end, &v));
    return v;
}

static void parse_module(const struct fake_row *row, struct module_row *m)
{
    const uint8_t *p = row->bytes, *end = p + row->length;
    assert_non_null(p);
    m->generation = take(&p, end);
    m->base = take(&p, end);
    m->start = take(&p, end);
    m->end = take(&p, end);
    m->path_length = take(&p, end);
    assert_true(m->path_length < (size_t)(end - p) && m->path_length < sizeof m->path);
    memcpy(m->path, p, m->path_length);
    m->path[m->path_length] = '\0';
    p += m->path_length;
    m->id_length = take(&p, end);
    assert_true(m->id_length < (size_t)(end - p) && m->id_length <= sizeof m->id);
    memcpy(m->id, p, m->id_length);
    p += m->id_length;
    m->segments = take(&p, end);
    assert_in_range(m->segments, 1, 16);
    for (uint64_t i = 0; i < m->segments; i++)
        for (int j = 0; j < 4; j++)
            m->segment[i][j] = take(&p, end);
    assert_ptr_equal(p, end);
}

/* The last row of that kind around `pc`; how many there are. */
static unsigned find_module(uintptr_t pc, struct module_row *out)
{
    unsigned found = 0;
    static struct module_row m;
    for (uint32_t i = 0; i < fake_rows_count(); i++) {
        const struct fake_row *row = fake_rows_at(i);
        if (row->what != FAKE_BESIDE || row->id != SEEP_BESIDE_MODULE)
            continue;
        parse_module(row, &m);
        if (pc < m.start || pc >= m.end)
            continue;
        found++;
        *out = m;
    }
    return found;
}

static void note(uintptr_t pc)
{
    uint64_t mask = rec_cold_lock();
    rec_modules_note_begin();
    rec_modules_note(NULL, pc);
    rec_cold_unlock(mask);
}

static void start(bool by_maps)
{
    watching = false;
    fake_rows_init(10000);
    rec_modules_by_maps = by_maps;
    assert_true(rec_unwind_init() && rec_stacks_init() && rec_modules_init());
    assert_int_equal(rec_modules_generation(), 1);
}

/* ------------------------------------------------------------------ what is said */

/* The build ID as readelf prints it; "" if there is none. */
static void build_id_of(const char *path, char *hex, size_t room)
{
    char command[PATH_MAX + 64], line[512];
    snprintf(command, sizeof command, "LC_ALL=C readelf -n '%s' 2>/dev/null", path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    hex[0] = '\0';
    while (fgets(line, sizeof line, f)) {
        const char *id = strstr(line, "Build ID: ");
        if (id)
            snprintf(hex, room, "%.*s", (int)strcspn(id + 10, "\n"), id + 10);
    }
    pclose(f);
}

static int compare_module(struct dl_phdr_info *info, size_t size, void *count)
{
    (void)size;
    uintptr_t pc = 0;
    unsigned loads = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        loads += h->p_type == PT_LOAD;
        if (h->p_type == PT_LOAD && h->p_flags & PF_X)
            pc = info->dlpi_addr + h->p_vaddr + 16;
    }
    static struct module_row m;
    note(pc);
    note(pc + 8);
    assert_int_equal(find_module(pc, &m), 1);
    assert_int_equal(m.generation, 1);
    assert_int_equal(m.base, info->dlpi_addr);
    assert_int_equal(m.segments, loads);
    for (int i = 0, n = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_LOAD)
            continue;
        assert_int_equal(m.segment[n][0], h->p_vaddr);
        assert_int_equal(m.segment[n][1], h->p_memsz);
        assert_int_equal(m.segment[n][2], h->p_offset);
        assert_int_equal(m.segment[n][3], h->p_flags);
        n++;
    }
    char expected[PATH_MAX], real[PATH_MAX], hex[2 * sizeof m.id + 1] = "", id[sizeof hex] = "";
    if (m.start == getauxval(AT_SYSINFO_EHDR)) {
        assert_string_equal(m.path, "[vdso]");
        ++*(unsigned *)count;
        return 0;
    }
    assert_non_null(realpath(info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe", expected));
    assert_non_null(realpath(m.path, real));
    assert_string_equal(real, expected);
    build_id_of(real, hex, sizeof hex);
    for (uint64_t i = 0; i < m.id_length; i++)
        snprintf(id + 2 * i, 3, "%02x", m.id[i]);
    assert_string_equal(id, hex);
    assert_true(m.id_length > 0);
    ++*(unsigned *)count;
    return 0;
}

static void compare_modules(bool by_maps)
{
    start(by_maps);
    unsigned count = 0;
    dl_iterate_phdr(compare_module, &count);
    assert_true(count >= 5); /* program, vDSO, cmocka, libc, loader */
    uint32_t rows = fake_rows_count();
    note((uintptr_t)&count); /* no module */
    note(16);
    assert_int_equal(fake_rows_count(), rows);
    assert_int_equal(rec_modules_generation(), 1);
}

static void test_described(void **state)
{
    (void)state;
    compare_modules(false);
}

static void test_described_by_maps(void **state)
{
    (void)state;
    compare_modules(true);
}

static int find_loader_code(struct dl_phdr_info *info, size_t size, void *out)
{
    (void)size;
    for (int i = 0; strstr(info->dlpi_name, "/ld-linux") && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_flags & PF_X)
            *(uintptr_t *)out = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    return 0;
}

static void test_loader(void **state)
{
    (void)state;
    start(false);
    uintptr_t code = 0;
    dl_iterate_phdr(find_loader_code, &code);
    assert_true(code != 0);
    assert_true(rec_modules_is_loader(code));
    assert_true(rec_modules_is_loader(code + 100000));
    assert_false(rec_modules_is_loader(code + (1 << 20)));
    assert_false(rec_modules_is_loader((uintptr_t)test_loader));
    assert_false(rec_modules_is_loader((uintptr_t)dlsym(RTLD_DEFAULT, "qsort")));
}

/* ------------------------------------------------------------------ unloading */

static struct rec_walk walk;
static struct rec_stack_bounds bounds;
static uint32_t last_id;

static __attribute__((noinline)) void check_point(void)
{
    struct rec_context at = REC_CONTEXT_HERE;
    rec_unwind(&walk, at, &bounds);
    last_id = rec_stacks_id(NULL, &walk);
}

/* The generation of the root of a node. */
static uint32_t generation_of(uint32_t id)
{
    for (uint32_t i = fake_rows_count(); i > 0; i--) {
        const struct fake_row *r = fake_rows_at(i - 1);
        if (r->what == FAKE_BESIDE || r->id != id)
            continue;
        if (r->what == FAKE_ROOT)
            return r->parent;
        id = r->parent;
    }
    return 0;
}

static unsigned unloads(uint64_t *generation, uint64_t *start_address)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < fake_rows_count(); i++) {
        const struct fake_row *r = fake_rows_at(i);
        if (r->what != FAKE_BESIDE || r->id != SEEP_BESIDE_UNLOAD)
            continue;
        const uint8_t *p = r->bytes, *end = p + r->length;
        *generation = take(&p, end);
        *start_address = take(&p, end);
        count++;
    }
    return count;
}

/* Calls the plugin and gives the place of its code. */
static uintptr_t use_plugin(const char *path, int number)
{
    void *handle = dlopen(path, RTLD_NOW);
    if (!handle) {
        fail_msg("%s", dlerror());
        return 0;
    }
    int (*call)(void (*)(void)) = (int (*)(void (*)(void)))dlsym(handle, "plugin_call");
    assert_non_null(call);
    assert_int_equal(call(check_point), number);
    assert_false(walk.cut);
    uintptr_t pc = walk.pc[0];
    assert_true(pc - (uintptr_t)call < 200);
    dlclose(handle);
    return pc;
}

static void replace_plugin(bool by_maps)
{
    start(by_maps);
    check_point();
    uint32_t id_here = last_id;
    watching = true;
    loader_calls = 0;
    uintptr_t pc_a = use_plugin(PLUGINS "/libplugin_a.so", 1);
    uint32_t id_a = last_id;
    /* By now it is known to be gone, before anything else is loaded. */
    assert_true(loader_calls > 0);
    assert_int_equal(rec_modules_generation(), 2);
    uintptr_t pc_b = use_plugin(PLUGINS "/libplugin_b.so", 2);
    uint32_t id_b = last_id;
    watching = false;
    assert_int_equal(rec_modules_generation(), 3);
    if (pc_a != pc_b) /* the hazard itself: it took the other's place */
        skip();
    assert_int_not_equal(id_a, id_b);
    assert_int_equal(generation_of(id_here), 1);
    assert_int_equal(generation_of(id_a), 1);
    assert_int_equal(generation_of(id_b), 2);
    static struct module_row m;
    assert_int_equal(find_module(pc_b, &m), 2);
    assert_non_null(strstr(m.path, "/libplugin_b.so"));
    assert_int_equal(m.generation, 2);
    uint64_t generation = 0, start_address = 0;
    assert_int_equal(unloads(&generation, &start_address), 2);
    assert_int_equal(generation, 3);
    assert_int_equal(start_address, m.start);
    /* The program's own module is not told again. */
    assert_int_equal(find_module((uintptr_t)replace_plugin, &m), 1);
}

static void test_replaced(void **state)
{
    (void)state;
    replace_plugin(false);
}

static void test_replaced_by_maps(void **state)
{
    (void)state;
    replace_plugin(true);
}

/* Without the loader's calls: what the check is for, and what the second net catches. */
static void test_replaced_unseen(void **state)
{
    (void)state;
    start(false);
    uintptr_t pc[3];
    uint32_t id[3];
    for (int i = 0; i < 3; i++) { /* one place that calls: equal stacks */
        watching = i == 2;
        pc[i] = use_plugin(i ? PLUGINS "/libplugin_b.so" : PLUGINS "/libplugin_a.so", i ? 2 : 1);
        id[i] = last_id;
    }
    watching = false;
    if (pc[0] != pc[1] || pc[1] != pc[2])
        skip();
    /* Same pcs, same callers: nothing new is met, so nothing is noticed, until the loader calls. */
    assert_int_equal(id[1], id[0]);
    assert_int_not_equal(id[2], id[0]);
    assert_int_equal(generation_of(id[0]), 1);
    assert_int_equal(generation_of(id[2]), 2);
    /* Or until another stack runs through the new module. */
    start(false);
    use_plugin(PLUGINS "/libplugin_a.so", 1);
    use_plugin(PLUGINS "/libplugin_b.so", 2);
    assert_int_equal(generation_of(last_id), 2);
}

/* Rules of the unloaded code are gone, others stay, and their places are used again. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    start(false);
    watching = true;
    uint64_t rules = 0, stacks = 0;
    for (int i = 0; i < 300; i++) {
        use_plugin(i % 2 ? PLUGINS "/libplugin_a.so" : PLUGINS "/libplugin_b.so", i % 2 ? 1 : 2);
        if (i == 10) {
            rules = rec_unwind_bytes();
            stacks = rec_stacks_bytes();
        }
    }
    watching = false;
    assert_int_equal(rec_modules_generation(), 301);
    assert_int_equal(rec_unwind_bytes(), rules);
    assert_int_equal(rec_stacks_bytes(), stacks);
}

static atomic_bool stop;

static void *walk_all_the_time(void *argument)
{
    (void)argument;
    static __thread struct rec_walk own;
    static __thread struct rec_stack_bounds own_bounds;
    uintptr_t wrong = 0;
    while (!atomic_load(&stop)) {
        struct rec_context at = {.pc = (uintptr_t)__builtin_return_address(0),
                                 .sp = (uintptr_t)__builtin_frame_address(0) + 16,
                                 .fp = *(uintptr_t *)__builtin_frame_address(0)};
        rec_unwind(&own, at, &own_bounds);
        wrong += own.cut || own.count < 2 || rec_stacks_id(NULL, &own) == 0;
    }
    return (void *)wrong;
}

/* Another thread walks while modules come and go. */
static void test_beside_walks(void **state)
{
    (void)state;
    start(false);
    watching = true;
    stop = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, walk_all_the_time, NULL), 0);
    for (int i = 0; i < 300; i++)
        use_plugin(i % 2 ? PLUGINS "/libplugin_a.so" : PLUGINS "/libplugin_b.so", i % 2 ? 1 : 2);
    stop = true;
    void *wrong;
    pthread_join(thread, &wrong);
    watching = false;
    assert_null(wrong);
    assert_int_equal(rec_modules_generation(), 301);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_described),
        cmocka_unit_test(test_described_by_maps),
        cmocka_unit_test(test_loader),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_replaced_by_maps),
        cmocka_unit_test(test_replaced_unseen),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_beside_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
