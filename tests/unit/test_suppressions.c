/* SPDX-License-Identifier: MIT
 *
 * Suppression files as LeakSanitizer reads them, and the built-in list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_trace.h"
#include "model/suppressions.h"
#include "model/suppressions_builtin.h"
#include "util/strbuf.h"

#include <stdio.h>
#include <unistd.h>

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"
#define LOADER "/lib64/ld-linux-x86-64.so.2"
#define LIBSTDCXX "/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30"
#define PROGRAM "/usr/bin/prog"

/* ------------------------------------------------------------------ files */

static void reads_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *patterns; /* joined by | ; NULL: refused */
        int line;             /* of the refusal */
    } cases[] = {
        {"", "", 0},
        {"\n\n", "", 0},
        {"leak:foo", "foo", 0},
        {"leak:foo\nleak:bar\n", "foo|bar", 0},
        {"# This is a known leak.\nleak:libfoo.so\n\n# and another\nleak:Bar", "libfoo.so|Bar", 0},
        {" \tleak:foo\t \n", "foo", 0},
        {"leak:foo\r\nleak:bar\r\n", "foo|bar", 0},
        {"  # indented\nleak:a b* *c\n", "a b* *c", 0},
        {"leak:foo # kept", "foo # kept", 0}, /* no comments behind patterns */
        {"leak:a:b", "a:b", 0},
        {"leak:^foo$", "^foo$", 0},
        {"leak", NULL, 1},
        {"leak:", NULL, 1},
        {"leak:foo\n\nleak: \n", NULL, 3},
        {"leak:foo\nrace:bar\n", NULL, 2},
        {"foo\n", NULL, 1},
        {"Leak:foo\n", NULL, 1},
        {"{\n a name\n Memcheck:Leak\n fun:malloc\n}\nleak:foo", "a name|foo", 0},
        {"{\n x\n Addrcheck,Memcheck:Leak\n ...\n}", "x", 0},
        {"{\n x\n Memcheck:Leak\n match-leak-kinds: definite, possible\n fun:f\n}\n", "x", 0},
        {"{\n x\n Memcheck:Cond\n fun:f\n}\n{\n y\n Memcheck:Leak\n obj:*\n}\n", "y", 0},
        {"{\n x\n Memcheck:Param\n write(buf)\n fun:f\n}\n", "", 0}, /* not of leaks */
        {"{\n x\n Helgrind:Race\n}\n", "", 0},
        {"\n{\n x\n Memcheck:Leak\n fun:f\n", NULL, 2},
        {"{\n x\n Memcheck\n fun:f\n}", NULL, 3},
        {"{\n x\n Memcheck:Leak\n}", NULL, 4},
        {"{\n}", NULL, 2},
        {"{\n x\n Memcheck:Leak\n # no frame\n malloc\n}", NULL, 5},
        {"{\n x\n Memcheck:Leak\n match-leak-kinds: some\n fun:f\n}", NULL, 4},
        {"{ x\n", NULL, 1},
        {"}\n", NULL, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct suppressions *s = suppressions_new();
        struct err err = {0};
        char where[40];
        struct strbuf joined = {0};
        enum seep_err code =
            suppressions_parse(s, cases[i].text, strlen(cases[i].text), "known.supp", &err);
        assert_int_equal(code, cases[i].patterns ? SEEP_OK : SEEP_ERR_USAGE);
        if (cases[i].patterns) {
            for (size_t k = 0; suppressions_at(s, k)->file; k++) {
                strbuf_addf(&joined, "%s%s", k ? "|" : "", suppressions_at(s, k)->pattern);
            }
            assert_string_equal(joined.text ? joined.text : "", cases[i].patterns);
            strbuf_release(&joined);
        } else {
            snprintf(where, sizeof where, "known.supp:%d:", cases[i].line);
            assert_memory_equal(err.message, where, strlen(where));
        }
        suppressions_free(s);
    }
    struct suppressions *s = suppressions_new();
    assert_int_equal(suppressions_parse(s, "leak:a\0b\n", 9, "x", NULL), SEEP_ERR_USAGE);
    suppressions_free(s);
    suppressions_free(NULL);
}

static void loads_files(void **state)
{
    (void)state;
    char path[] = "/tmp/seep-supp-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char text[] = "leak:one\nleak:two\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    struct suppressions *s = suppressions_new();
    struct err err = {0};
    assert_int_equal(suppressions_load(s, path, &err), SEEP_OK);
    assert_string_equal(suppressions_at(s, 1)->pattern, "two");
    assert_string_equal(suppressions_at(s, 1)->file, path);
    assert_int_equal(suppressions_at(s, 1)->line, 2);
    assert_null(suppressions_at(s, 2)->file); /* built in */
    unlink(path);
    assert_int_equal(suppressions_load(s, path, &err), SEEP_ERR_IO);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(suppressions_load(s, "/tmp", &err), SEEP_ERR_IO);
    assert_non_null(strstr(err.message, "/tmp"));
    suppressions_free(s);
}

/* ------------------------------------------------------------------ stacks */

struct scene {
    struct trace_reader trace;
    struct symbols symbols;
};

static void make_scene(struct scene *s)
{
    memset(s, 0, sizeof *s);
    fake_init(&s->trace, 1);
    s->symbols.dict = &s->trace.dict;
    fake_module(&s->trace, PROGRAM);
    fake_module(&s->trace, LIBC);
    fake_module(&s->trace, LOADER);
    fake_module(&s->trace, LIBSTDCXX);
    fake_module(&s->trace, "/usr/lib/libfoo.so.1");
}

static void release_scene(struct scene *s)
{
    fake_symbols_release(&s->symbols);
    fake_release(&s->trace);
}

static const char *path_of(char letter)
{
    switch (letter) {
    case 'c': return LIBC;
    case 'l': return LOADER;
    case 's': return LIBSTDCXX;
    case 'f': return "/usr/lib/libfoo.so.1";
    case 'p': return PROGRAM;
    default: return NULL;
    }
}

/* "c:setlocale p:main", innermost first: the letter is the module. Names must stay. */
static uint32_t make_stack(struct scene *s, const char *stack, char *names, size_t size)
{
    const char *frames[16];
    size_t count = 0;
    char *save = NULL;
    snprintf(names, size, "%s", stack);
    for (char *f = strtok_r(names, " ", &save); f; f = strtok_r(NULL, " ", &save))
        frames[count++] = f;
    uint32_t node = fake_node(&s->trace, 0, 1, SEEP_ROW_ROOT);
    while (count--)
        node = fake_node(
            &s->trace, node,
            fake_function(&s->symbols, frames[count] + 2, NULL, path_of(frames[count][0])), 0);
    return node;
}

static void matches_every_frame(void **state)
{
    (void)state;
    struct scene s;
    make_scene(&s);
    struct symbol_frame inlined[] = {
        {.function = "Inner::make()",
         .file = "/src/inner.h",
         .line = 1,
         .module = "/usr/lib/libfoo.so.1",
         .inlined = true,
         .named = true},
        {.function = "Outer::run(int)",
         .file = "/src/outer.cc",
         .line = 2,
         .module = "/usr/lib/libfoo.so.1",
         .named = true},
    };
    uint64_t at_main = fake_function(&s.symbols, "main", "/src/main.c", PROGRAM);
    uint32_t root = fake_node(&s.trace, 0, 1, SEEP_ROW_ROOT);
    uint32_t main_node = fake_node(&s.trace, root, at_main, 0);
    uint32_t leaf =
        fake_node(&s.trace, main_node, fake_place(&s.symbols, inlined, 2, SYMBOL_PROVED), 0);
    static const struct {
        const char *rules;
        const char *leaf, *main; /* the pattern that matches, NULL: none */
    } cases[] = {
        {"leak:Inner::make", "Inner::make", NULL},
        {"leak:Outer", "Outer", NULL},
        {"leak:main", "main", "main"}, /* main.c, too */
        {"leak:^main$", "^main$", "^main$"},
        {"leak:inner.h", "inner.h", NULL},
        {"leak:/src/", "/src/", "/src/"},
        {"leak:libfoo.so", "libfoo.so", NULL},
        {"leak:^libfoo", NULL, NULL}, /* paths, not base names */
        {"leak:^/usr/bin/prog$", "^/usr/bin/prog$", "^/usr/bin/prog$"},
        {"leak:Inner*run", NULL, NULL}, /* within one frame */
        {"leak:O*run", "O*run", NULL},
        {"leak:main\nleak:Outer", "Outer", "main"},  /* the innermost frame decides */
        {"leak:Outer\nleak:libfoo", "libfoo", NULL}, /* in it the module comes first */
        {"leak:run\nleak:Outer", "run", NULL},       /* then the first rule */
        {"leak:nothing", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct suppressions *set = suppressions_new();
        assert_int_equal(suppressions_parse(set, cases[i].rules, strlen(cases[i].rules), "x", NULL),
                         SEEP_OK);
        suppressions_bind(set, &s.trace.dict, &s.symbols);
        for (int again = 0; again < 2; again++) {
            const struct suppression *l = suppressions_match(set, leaf, SUPPRESSION_ALL);
            const struct suppression *m = suppressions_match(set, main_node, SUPPRESSION_ALL);
            if (!l != !cases[i].leaf || !m != !cases[i].main)
                fail_msg("%s", cases[i].rules);
            if (l)
                assert_string_equal(l->pattern, cases[i].leaf);
            if (m)
                assert_string_equal(m->pattern, cases[i].main);
        }
        assert_null(suppressions_match(set, 0, SUPPRESSION_ALL));
        suppressions_free(set);
    }
    release_scene(&s);
}

/* The lines of a block between its kind and the closing brace; what of the stack it matches. */
static void matches_blocks(void **state)
{
    (void)state;
    struct scene s;
    make_scene(&s);
    struct symbol_frame inlined[] = {
        {.function = "Inner::make(int, char)",
         .symbol = "_ZN5Inner4makeEic",
         .file = "/src/inner.h",
         .line = 12,
         .module = "/usr/lib/libfoo.so.1",
         .inlined = true,
         .named = true},
        {.function = "outer",
         .file = "/src/outer.cc",
         .line = 2,
         .module = "/usr/lib/libfoo.so.1",
         .named = true},
    };
    uint32_t node = fake_node(&s.trace, 0, 1, SEEP_ROW_ROOT);
    node = fake_node(&s.trace, node, fake_function(&s.symbols, "main", "/src/main.c", PROGRAM), 0);
    node = fake_node(&s.trace, node, fake_function(&s.symbols, "again", NULL, PROGRAM), 0);
    node = fake_node(&s.trace, node, fake_function(&s.symbols, "again", NULL, PROGRAM), 0);
    node = fake_node(&s.trace, node, fake_place(&s.symbols, inlined, 2, SYMBOL_PROVED), 0);
    static const struct {
        const char *lines;
        bool matches;
    } cases[] = {
        {"fun:malloc", true},
        {"fun:calloc", true}, /* which one it was is not told */
        {"fun:*alloc", true},
        {"fun:_Znwm", true},
        {"fun:_Znw*", true},
        {"obj:*/vgpreload_memcheck-amd64-linux.so", true},
        {"obj:*", true},
        {"fun:free", false},
        {"fun:_ZN5Inner4makeEic", false}, /* the first line is the allocation function's */
        {"fun:malloc fun:_ZN5Inner4makeEic", true},
        {"fun:malloc fun:_ZN5Inner4make*", true},
        {"fun:malloc fun:_ZN?Inner*ic", true},
        {"fun:malloc fun:Inner::make", true},
        {"fun:malloc fun:Inner::make(int,?char)", true},
        {"fun:malloc fun:Inner", false}, /* the whole name */
        {"fun:malloc fun:make", false},
        {"fun:malloc obj:/usr/lib/libfoo.so*", true},
        {"fun:malloc obj:libfoo.so*", false},
        {"fun:malloc src:inner.h", true},
        {"fun:malloc src:inner.h:12", true},
        {"fun:malloc src:/src/inner.?:12", true},
        {"fun:malloc src:inner.h:13", false},
        {"fun:malloc src:nner.h", false},
        {"fun:malloc fun:outer", false}, /* what is inlined is a frame */
        {"fun:malloc fun:* fun:outer fun:again fun:again fun:main", true},
        {"fun:malloc fun:* fun:outer fun:again fun:main", false},
        {"fun:malloc fun:* fun:outer fun:again fun:again fun:main fun:*", false},
        {"... fun:main", true},
        {"... fun:outer ... fun:main", true},
        {"... fun:main ... fun:outer", false},
        {"fun:malloc ... fun:again fun:main", true},
        {"fun:malloc ... fun:outer fun:main", false},
        {"...", true},
        {"fun:malloc ...", true},
        {"... fun:nowhere", false},
        {"... fun:malloc fun:Inner*", true},
        {"fun:malloc ... ... fun:main ...", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf text = {0};
        strbuf_adds(&text, "{\n name\n Memcheck:Leak\n ");
        for (const char *c = cases[i].lines; *c; c++)
            strbuf_addc(&text, *c == ' ' ? '\n' : *c);
        strbuf_adds(&text, "\n}\n");
        struct suppressions *set = suppressions_new();
        assert_int_equal(suppressions_parse(set, text.text, text.length, "x", NULL), SEEP_OK);
        suppressions_bind(set, &s.trace.dict, &s.symbols);
        const struct suppression *rule = suppressions_match(set, node, SUPPRESSION_ALL);
        if (!rule != !cases[i].matches)
            fail_msg("%s", cases[i].lines);
        suppressions_free(set);
        strbuf_release(&text);
    }
    release_scene(&s);
}

static void matches_kinds(void **state)
{
    (void)state;
    struct scene s;
    make_scene(&s);
    char names[64];
    uint32_t stack = make_stack(&s, "p:foo p:main", names, sizeof names);
    static const struct {
        const char *kinds;
        unsigned matches;
    } cases[] = {{"", 15},
                 {"match-leak-kinds: definite\n", 1},
                 {"match-leak-kinds:indirect,reachable\n", 10},
                 {"match-leak-kinds: all\n", 15},
                 {"match-leak-kinds: none\n", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strbuf text = {0};
        strbuf_addf(&text, "{\nx\nMemcheck:Leak\n%s...\nfun:foo\n}\n", cases[i].kinds);
        struct suppressions *set = suppressions_new();
        assert_int_equal(suppressions_parse(set, text.text, text.length, "x", NULL), SEEP_OK);
        suppressions_bind(set, &s.trace.dict, &s.symbols);
        for (unsigned kind = 1; kind <= SUPPRESSION_REACHABLE; kind *= 2)
            assert_int_equal(suppressions_match(set, stack, kind) != NULL,
                             (cases[i].matches & kind) != 0);
        assert_int_equal(suppressions_match(set, stack, SUPPRESSION_ALL) != NULL,
                         cases[i].matches != 0);
        suppressions_free(set);
        strbuf_release(&text);
    }
    release_scene(&s);
}

static void counts_per_rule(void **state)
{
    (void)state;
    struct scene s;
    make_scene(&s);
    char names[64];
    uint32_t stack = make_stack(&s, "p:foo p:main", names, sizeof names);
    struct suppressions *set = suppressions_new();
    assert_int_equal(suppressions_parse(set, "leak:foo\nleak:bar\n", 18, "x", NULL), SEEP_OK);
    suppressions_bind(set, &s.trace.dict, &s.symbols);
    suppressions_count(suppressions_match(set, stack, SUPPRESSION_ALL), 3, 300);
    suppressions_count(suppressions_match(set, stack, SUPPRESSION_ALL), 1, 10);
    assert_int_equal(suppressions_at(set, 0)->blocks, 4);
    assert_int_equal(suppressions_at(set, 0)->bytes, 310);
    assert_int_equal(suppressions_at(set, 0)->stacks, 2);
    assert_int_equal(suppressions_at(set, 1)->stacks, 0);
    suppressions_bind(set, &s.trace.dict, &s.symbols); /* another trace */
    assert_int_equal(suppressions_at(set, 0)->blocks, 0);
    suppressions_free(set);
    release_scene(&s);
}

/* Stacks as glibc and libstdc++ make them, and ones of programs that look alike. */
static void knows_what_libc_keeps(void **state)
{
    (void)state;
    static const struct {
        const char *stack; /* innermost first */
        const char *what;  /* start of the rule's words; NULL: none */
    } cases[] = {
        {"l:_dl_new_object l:_dl_map_object l:dl_open_worker p:main", "allocations of the dynamic"},
        {"l:allocate_dtv l:_dl_allocate_tls c:pthread_create p:main", "allocations of the dynamic"},
        {"s:pool l:call_init l:_dl_init l:_dl_start_user", "libstdc++ initialised"},
        {"s:operator_new p:main", NULL},
        {"s:operator_new p:init_function l:call_init", NULL}, /* the program's own constructor */
        {"p:init_function l:call_init l:_dl_init", NULL},
        {"c:_IO_file_doallocate c:_IO_doallocbuf c:puts p:main", "_IO_file_doallocate"},
        {"c:__GI__IO_file_doallocate c:__GI__IO_doallocbuf c:__printf p:main",
         "_IO_file_doallocate"}, /* with debug information */
        {"c:fopen p:main", NULL},
        {"c:_nl_load_locale c:setlocale p:main", "setlocale"},
        {"c:libc.so.6+0x1234 c:setlocale p:main", "setlocale"}, /* stripped */
        {"c:newlocale p:main", NULL},
        {"c:strdup c:__dcigettext c:dcgettext p:main", "gettext"},
        {"c:__gconv_read_conf c:iconv_open p:main", "character conversion"},
        {"c:iconv_open p:main", NULL}, /* the program closes it */
        {"c:tzfile c:tzset_internal c:localtime p:main", "time zones"},
        {"c:x c:getpwnam p:main", "name services"},
        {"c:getaddrinfo p:main", NULL}, /* the program's: freeaddrinfo */
        {"c:__new_exitfn c:__cxa_atexit p:main", "atexit"},
        {"c:__cxa_thread_atexit_impl p:main", "__cxa_thread_atexit_impl"},
        {"c:__pthread_setspecific p:main", "pthread_setspecific"},
        {"c:__register_atfork p:main", "pthread_atfork"},
        {"c:__add_to_environ c:setenv p:main", "setenv"},
        {"c:_dlerror_run c:___dlopen p:main", "dlerror"},
        {"c:__GI___cxa_atexit p:main", "atexit"},
        {"c:_dlerror_run c:dlopen p:main", "dlerror"},
        {"c:strerror p:main", "static texts"},
        {"c:x c:__libc_start_main p:_start", "start of libc"},
        {"c:strdup p:main c:__libc_start_main p:_start", NULL},
        {"c:getline p:main", NULL},
        {"p:compare c:qsort p:main", NULL},
        {"p:callback c:setlocale p:main", NULL}, /* not libc's own allocation */
        {"f:setlocale p:main", NULL},            /* somebody else's function of that name */
        {"p:setlocale", NULL},
        {"?:setlocale", NULL}, /* module unknown */
    };
    struct scene s;
    make_scene(&s);
    bool hit[64] = {false};
    size_t rules = 0;
    char names[sizeof cases / sizeof cases[0]][200];
    uint32_t stacks[sizeof cases / sizeof cases[0]];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        stacks[i] = make_stack(&s, cases[i].stack, names[i], sizeof names[i]);
    struct suppressions *set = suppressions_new();
    suppressions_bind(set, &s.trace.dict, &s.symbols);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct suppression *rule = suppressions_match(set, stacks[i], SUPPRESSION_ALL);
        if (!rule != !cases[i].what)
            fail_msg("%s: %s", cases[i].stack, rule ? rule->pattern : "no rule");
        if (!rule)
            continue;
        assert_memory_equal(rule->pattern, cases[i].what, strlen(cases[i].what));
        suppressions_count(rule, 1, 1);
    }
    /* every rule was met, says why, and says where it looks */
    for (; suppressions_at(set, rules); rules++) {
        const struct suppression *rule = suppressions_at(set, rules);
        hit[rules] = rule->stacks > 0;
        if (!hit[rules] || !rule->reason || strlen(rule->reason) < 10 || rule->file)
            fail_msg("built-in rule '%s'", rule->pattern);
    }
    assert_true(rules > 10);
    suppressions_free(set);
    release_scene(&s);
}

static void prefers_files_to_the_list(void **state)
{
    (void)state;
    struct scene s;
    make_scene(&s);
    char names[64];
    uint32_t stack = make_stack(&s, "c:setlocale p:main", names, sizeof names);
    struct suppressions *set = suppressions_new();
    assert_int_equal(suppressions_parse(set, "leak:main", 9, "x", NULL), SEEP_OK);
    suppressions_bind(set, &s.trace.dict, &s.symbols);
    assert_string_equal(suppressions_match(set, stack, SUPPRESSION_ALL)->file, "x");
    suppressions_free(set);
    release_scene(&s);
}

static void tells_modules(void **state)
{
    (void)state;
    assert_int_equal(module_kind("/lib/x86_64-linux-gnu/libc.so.6"), MODULE_LIBC);
    assert_int_equal(module_kind("/lib/libc-2.31.so"), MODULE_LIBC);
    assert_int_equal(module_kind("/lib/libpthread-2.31.so"), MODULE_LIBC);
    assert_int_equal(module_kind("/lib64/ld-linux-x86-64.so.2"), MODULE_LOADER);
    assert_int_equal(module_kind("/lib/ld-2.31.so"), MODULE_LOADER);
    assert_int_equal(module_kind("/lib/ld-linux-aarch64.so.1"), MODULE_LOADER);
    assert_int_equal(module_kind("libstdc++.so.6"), MODULE_LIBSTDCXX);
    assert_int_equal(module_kind("/usr/lib/libc++.so.1"), MODULE_OTHER);
    assert_int_equal(module_kind("/usr/lib/libcrypto.so.3"), MODULE_OTHER);
    assert_int_equal(module_kind("/usr/lib/libldap.so"), MODULE_OTHER);
    assert_int_equal(module_kind("/home/libc.so.6/prog"), MODULE_OTHER);
    assert_int_equal(module_kind("[vdso]"), MODULE_OTHER);
    assert_int_equal(module_kind(NULL), MODULE_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines),           cmocka_unit_test(loads_files),
        cmocka_unit_test(matches_every_frame),   cmocka_unit_test(matches_blocks),
        cmocka_unit_test(matches_kinds),         cmocka_unit_test(counts_per_rule),
        cmocka_unit_test(knows_what_libc_keeps), cmocka_unit_test(prefers_files_to_the_list),
        cmocka_unit_test(tells_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
