/* SPDX-License-Identifier: MIT
 *
 * Filters, quantities and patterns, row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_trace.h"
#include "model/filter.h"
#include "model/pattern.h"
#include "model/wrappers.h"
#include "util/quantity.h"

#include <stdio.h>

static void reads_quantities(void **state)
{
    (void)state;
    static const uint64_t none = UINT64_MAX - 1;
    static const struct {
        const char *text;
        uint64_t count, bytes, ns; /* none: refused */
    } cases[] = {
        {"0", 0, 0, 0},
        {"12", 12, 12, 12000000000},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, none},
        {"18446744073709551616", none, none, none},
        {"4k", none, 4096, none},
        {"4K", none, 4096, none},
        {"10KB", none, 10240, none},
        {"2GiB", none, 2ull << 30, none},
        {"1.5M", none, 3u << 19, none},
        {"1.5m", none, 3u << 19, 90000000000},
        {"0.5k", none, 512, none},
        {"17179869184G", none, none, none},
        {"3T", none, 3ull << 40, none},
        {"250ms", none, none, 250000000},
        {"3s", none, none, 3000000000},
        {"0.25s", none, none, 250000000},
        {"40us", none, none, 40000},
        {"7ns", none, none, 7},
        {"2h", none, none, 7200000000000},
        {"1 s", none, none, 1000000000},
        {"", none, none, none},
        {"k", none, none, none},
        {"-1", none, none, none},
        {"+1", none, none, none},
        {" 1", none, none, none},
        {"1.", none, none, none},
        {".5", none, none, none},
        {"1e3", none, none, none},
        {"0x10", none, none, none},
        {"1kk", none, none, none},
        {"nan", none, none, none},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t count = none, bytes = none, ns = none;
        assert_int_equal(quantity_count(cases[i].text, &count), cases[i].count != none);
        assert_int_equal(quantity_bytes(cases[i].text, &bytes), cases[i].bytes != none);
        assert_int_equal(quantity_ns(cases[i].text, &ns), cases[i].ns != none);
        assert_int_equal(count, cases[i].count);
        assert_int_equal(bytes, cases[i].bytes);
        assert_int_equal(ns, cases[i].ns);
    }
    assert_false(quantity_bytes(NULL, &(uint64_t){0}));
}

/* What LeakSanitizer's own tests expect of its patterns, said anew; and where it gives up too
 * early: an end anchor after a text that occurs twice. */
static void matches_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"a*b", "a_b", true},
        {"a*b", "acb", true},
        {"*a*b*", "aab", true},
        {"a*b", "xx a b yy", true},
        {"^foo", "foobar", true},
        {"^foo", "xfoo", false},
        {"bar$", "foobar", true},
        {"bar$", "foobarx", false},
        {"^foo$", "foo", true},
        {"^foo$", "foobar", false},
        {"^foo*bar$", "foo123bar", true},
        {"^foo*bar$", "foo123barx", false},
        {"foo*", "foobar", true},
        {"^*leak", "a leak", true},
        {"*leak*$", "a leak here", true},
        {"le*a*k", "lexaxk", true},
        {"le*a*k", "leak", true},
        {"leaky", "leak", false},
        {"leaky", "eaky", false},
        {"le^ak", "leak", false},
        {"le$ak", "leak", false},
        {"le$^ak", "leak", false},
        {"*foo", "xfoo", true},
        {"", "x", true},
        {"*", "x", true},
        {"a", "", false},
        {"", "", false},
        {"", NULL, false},
        {"^", "x", true},
        {"$", "x", true},
        {"^$", "x", false},
        {"^*$", "x", true},
        /* the end is looked for everywhere */
        {"oo$", "ooxoo", true},
        {"a*b$", "abxb", true},
        {"^a*b*c$", "a1b2b3c4c", true},
        {"^a*b*c$", "a1c2c", false},
        {"aab", "aaab", true},
        {"*aab", "aaaaab", true},
        /* the rest is plain text */
        {"a.b", "axb", false},
        {"a?b", "axb", false},
        {"std::vector<int>", "std::vector<int>::push_back(int)", true},
        {"a$b", "a$b", true},
        {"a^b", "a^b", true},
        {"Foo", "foo", false},
        {"**a", "ba", true},
        {"a**", "a", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (pattern_matches(cases[i].pattern, cases[i].text) != cases[i].match)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text ? cases[i].text : "NULL");
}

static void refuses_bad_values(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"from", ""},     {"from", "#"},      {"to", "#x"},         {"size", ""},
        {"size", ".."},   {"size", "5..4"},   {"size", "1...2"},    {"size", "x..2"},
        {"size", "1..x"}, {"size", "abc"},    {"lifetime", "10x"},  {"lifetime", "2s..1s"},
        {"thread", ""},   {"thread", "1,,2"}, {"thread", "1,"},     {"thread", "tid:x"},
        {"thread", "!"},  {"call", "mallok"}, {"call", "malloc,x"}, {"call", ""},
        {"function", ""}, {"function", "!"},  {"module", ""},       {"no-such", "1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct filter f;
        struct err err = {0};
        filter_init(&f);
        assert_int_equal(filter_set(&f, bad[i][0], bad[i][1], &err), SEEP_ERR_USAGE);
        assert_non_null(strstr(err.message, bad[i][0]));
        filter_release(&f);
    }
}

/* A stack main < run < leaf, where leaf has `helper` inlined, on two threads. */
struct scene {
    struct trace_reader trace;
    struct symbols symbols;
    uint32_t leaf, other;
};

static void make_scene(struct scene *s)
{
    memset(s, 0, sizeof *s);
    fake_init(&s->trace, 1);
    s->symbols.dict = &s->trace.dict;
    uint64_t at_main = fake_function(&s->symbols, "main", "/home/me/src/main.c", "/usr/bin/prog");
    uint64_t at_run =
        fake_function(&s->symbols, "app::run(int)", "/home/me/src/run.cc", "/usr/lib/libapp.so.1");
    struct symbol_frame leaf[] = {
        {.function = "helper",
         .file = "/usr/include/helper.h",
         .line = 3,
         .module = "/usr/lib/libapp.so.1",
         .inlined = true,
         .named = true},
        {.function = "app::leaf()",
         .file = "/home/me/src/leaf.cc",
         .line = 4,
         .module = "/usr/lib/libapp.so.1",
         .named = true},
    };
    uint64_t at_leaf = fake_place(&s->symbols, leaf, 2, SYMBOL_PROVED);
    uint32_t root = fake_node(&s->trace, 0, 1, SEEP_ROW_ROOT);
    s->other = fake_node(&s->trace, root, at_main, 0);
    uint32_t run = fake_node(&s->trace, s->other, at_run, 0);
    s->leaf = fake_node(&s->trace, run, at_leaf, 0);
    fake_thread(&s->trace, 100, "main");
    fake_thread(&s->trace, 101, "worker-1");
    fake_thread(&s->trace, 102, "worker-2");
}

static void release_scene(struct scene *s)
{
    fake_symbols_release(&s->symbols);
    fake_release(&s->trace);
}

/* "name=value name=value" into a bound filter. */
static enum seep_err set_all(struct filter *f, const char *options, struct scene *s,
                             struct err *err)
{
    char copy[256], *save = NULL;
    snprintf(copy, sizeof copy, "%s", options);
    filter_init(f);
    for (char *o = strtok_r(copy, " ", &save); o; o = strtok_r(NULL, " ", &save)) {
        char *value = strchr(o, '=');
        *value++ = '\0';
        enum seep_err code = filter_set(f, o, value, err);
        if (code)
            return code;
    }
    return filter_bind(f, &s->trace.dict, &s->symbols, err);
}

static bool passes(struct filter *f, const struct trace_block *b)
{
    return filter_block(f, b) && filter_stack(f, b->stack);
}

static void answers_for_blocks(void **state)
{
    (void)state;
    struct scene s;
    make_scene(&s);
    /* a block of 100 bytes by new on worker-1 at the leaf; one of malloc on main, in main */
    struct trace_block leaf = {.size = 100, .call = SEEP_CALL_NEW, .thread = 2, .stack = s.leaf};
    struct trace_block other = {
        .size = 5000, .call = SEEP_CALL_MALLOC, .thread = 1, .stack = s.other};
    struct trace_block unknown = {.size = 1, .call = SEEP_CALL_CALLOC};
    static const struct {
        const char *options;
        bool leaf, other, unknown;
    } cases[] = {
        {"", true, true, true},
        {"size=100", true, false, false},
        {"size=100..", true, true, false},
        {"size=..100", true, false, true},
        {"size=101..1M", false, true, false},
        {"size=1 size=4k..8k", false, true, false}, /* the last one holds */
        {"call=new", true, false, false},
        {"call=new,calloc", true, false, true},
        {"call=new call=malloc", true, true, false},
        {"call=!new", false, true, true},
        {"call=!new,calloc", false, true, false},
        {"call=new,!new", false, false, false},
        {"thread=2", true, false, false},
        {"thread=tid:100", false, true, false},
        {"thread=worker", true, false, false},
        {"thread=^main$,worker-1", true, true, false},
        {"thread=!1", true, false, true},
        {"thread=!worker", false, true, true},
        {"thread=1,2,!worker", false, true, false},
        {"function=leaf", true, false, false},
        {"function=helper", true, false, false}, /* inline frames are frames */
        {"function=main", true, true, false},    /* anywhere in the stack */
        {"function=^app::*(int)$", true, false, false},
        {"function=run.cc", false, false, false},
        {"function=!run", false, true, true},
        {"function=main function=!run", false, true, false},
        {"function=leaf function=nowhere", true, false, false}, /* one of them */
        {"function=main module=libapp", true, false, false},    /* both */
        {"module=^libapp.so", true, false, false},              /* base names too */
        {"module=/usr/bin/", true, true, false},
        {"module=main", false, false, false},
        {"source=^leaf.cc$", true, false, false},
        {"source=/usr/include/", true, false, false},
        {"source=!main.c", false, false, true},
        {"stack=libapp", true, false, false},
        {"stack=run.cc", true, false, false},
        {"stack=app::run", true, false, false},
        {"stack=!libapp size=2..", false, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter f;
        struct err err;
        if (set_all(&f, cases[i].options, &s, &err))
            fail_msg("%s: %s", cases[i].options, err.message);
        for (int again = 0; again < 2; again++) /* the memo says the same */
            if (passes(&f, &leaf) != cases[i].leaf || passes(&f, &other) != cases[i].other ||
                passes(&f, &unknown) != cases[i].unknown)
                fail_msg("%s", cases[i].options);
        assert_int_equal(filter_active(&f), *cases[i].options != '\0');
        filter_release(&f);
    }
    release_scene(&s);
}

static void finds_moments(void **state)
{
    (void)state;
    struct scene s;
    make_scene(&s);
    /* events 0 .. 9 at 0, 100, ... ns; marks before events 3, 5 and 7 */
    for (uint64_t i = 0; i < 10; i++) {
        if (i == 3 || i == 7)
            fake_mark(&s.trace, "frame", i * 100);
        if (i == 5)
            fake_mark(&s.trace, "5s", i * 100);
        fake_event(&s.trace, TRACE_FAILED, 1, i * 100);
    }
    static const struct {
        const char *options;
        int first, last; /* events inside */
    } cases[] = {
        {"", 0, 9},
        {"from=300ns", 3, 9},
        {"from=301ns", 4, 9},
        {"to=300ns", 0, 3},
        {"to=299ns", 0, 2},
        {"from=200ns to=400ns", 2, 4},
        {"from=#4", 4, 9},
        {"to=#4", 0, 4},
        {"from=frame", 3, 9},
        {"to=frame", 0, 2},
        {"from=frame@2", 7, 9},
        {"from=frame to=frame@2", 3, 6},
        {"from=mark:5s", 5, 9},
        {"from=frame to=mark:5s", 3, 4},
        {"from=5s", 10, 9},
        {"from=1ns from=#2", 2, 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter f;
        struct err err;
        if (set_all(&f, cases[i].options, &s, &err))
            fail_msg("%s: %s", cases[i].options, err.message);
        for (int n = 0; n < 10; n++) {
            enum filter_place expected = n < cases[i].first  ? FILTER_BEFORE
                                         : n > cases[i].last ? FILTER_AFTER
                                                             : FILTER_INSIDE;
            if (filter_window(&f, (uint64_t)n, (uint64_t)n * 100) != expected)
                fail_msg("%s: event %d", cases[i].options, n);
        }
        filter_release(&f);
    }
    static const char *const bad[] = {"from=nowhere",  "to=frame@3", "from=frame@2 to=frame",
                                      "from=2s to=1s", "thread=9",   "thread=tid:1",
                                      "thread=!nobody"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct filter f;
        struct err err = {0};
        assert_int_equal(set_all(&f, bad[i], &s, &err), SEEP_ERR_USAGE);
        if (i == 0)
            assert_non_null(strstr(err.message, "marks: frame, 5s"));
        filter_release(&f);
    }
    release_scene(&s);
}

static void judges_lifetimes(void **state)
{
    (void)state;
    struct scene s;
    make_scene(&s);
    struct filter f;
    assert_int_equal(set_all(&f, "lifetime=10us..1ms", &s, NULL), SEEP_OK);
    assert_false(filter_lifetime(&f, 9999));
    assert_true(filter_lifetime(&f, 10000));
    assert_true(filter_lifetime(&f, 1000000));
    assert_false(filter_lifetime(&f, 1000001));
    filter_release(&f);
    filter_release(&f);
    filter_release(NULL);
    release_scene(&s);
}

static void takes_every_option_of_its_table(void **state)
{
    (void)state;
    static const char *const values[] = {"1s", "main", "malloc", "1..2"};
    for (const struct filter_option *o = filter_options; o->name; o++) {
        bool taken = false;
        assert_true(o->value && o->help[strlen(o->help) - 1] == '.');
        for (size_t i = 0; i < 4; i++) {
            struct filter f;
            filter_init(&f);
            taken |= filter_set(&f, o->name, values[i], NULL) == SEEP_OK && filter_active(&f);
            filter_release(&f);
        }
        assert_true(taken);
    }
}

static void knows_wrappers(void **state)
{
    (void)state;
    static const struct {
        const char *function;
        bool wrapper;
    } cases[] = {
        {"operator new(unsigned long)", true},
        {"operator new[](unsigned long, std::nothrow_t const&)", true},
        {"std::allocator<char>::allocate(unsigned long)", true},
        {"__gnu_cxx::new_allocator<int>::allocate(unsigned long, void const*)", true},
        {"std::_Vector_base<int, std::allocator<int> >::_M_allocate(unsigned long)", true},
        {"xmalloc", true},
        {"xstrdup", true},
        {"strdup", true},
        {"g_malloc0", true},
        {"alloc::alloc::exchange_malloc", true},
        {"alloc::raw_vec::RawVec<T,A>::with_capacity_in", true},
        {"<alloc::raw_vec::RawVecInner>::try_allocate_in", true},
        {"<alloc::vec::Vec<T,A> as core::clone::Clone>::clone", true},
        {"<T as alloc::vec::spec_from_elem::SpecFromElem>::from_elem", true},
        {"<fn(u8) -> T as core::ops::function::FnOnce<()>>::call_once", true},
        {"core::ops::function::FnOnce::call_once{{vtable.shim}}", true},
        {"hashbrown::raw::RawTable<T,A>::reserve_rehash", true},
        {"<shop::Order as core::clone::Clone>::clone", false},
        {"<&shop::Order as core::fmt::Debug>::fmt", false},
        {"<alloc::vec::Vec<T> as shop::Total>::total", false},
        {"shop::Store<T>::add", false},
        {"core::Buffer::grow(unsigned long)", false}, /* C++ */
        {"core::Buffer<int>::copy() const", false},
        {"alloc::grow() [clone .part.0]", false},
        {"do_xmalloc", true},
        {"sqlite3MemMalloc", true},
        {"PyMem_RawMalloc", true},
        {"bfd_alloc", true},
        {"_sdsnewlen", true},
        {"sdscatfmt", true},
        {"sdsplitargs_new", false},
        {"my_malloc", false},
        {"std::vector<int, std::allocator<int> >::push_back(int const&)", true},
        {"void std::vector<int, A<int> >::_M_realloc_insert<int const&>(int const&)", true},
        {"A<int (std::string)>::std(std::string const&)", false},
        {"std::string name(int)", false},
        {"int cache_insert<std::string>(std::string const&)", false},
        {"main", false},
        {"mallocator", false},
        {NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (wrapper_is(cases[i].function) != cases[i].wrapper)
            fail_msg("%s", cases[i].function);
}

static void knows_helpers_of_wrappers(void **state)
{
    (void)state;
    const struct symbol_frame unnamed = {.function = "lib.so+0x10"};
    const struct symbol_frame helper = {.function = "get_memory", .named = true};
    const struct symbol_frame xmalloc = {.function = "xmalloc", .named = true};
    const struct symbol_frame library = {.function = "std::for_each<int*>(int*)", .named = true};
    assert_true(wrapper_is_helper(&unnamed, &xmalloc, NULL));
    assert_true(wrapper_is_helper(&unnamed, &xmalloc, &helper));
    assert_true(wrapper_is_helper(&unnamed, &unnamed, &xmalloc));
    assert_false(wrapper_is_helper(&unnamed, &unnamed, &unnamed));
    assert_false(wrapper_is_helper(&unnamed, &unnamed, NULL));
    assert_false(wrapper_is_helper(&unnamed, &helper, &xmalloc));
    assert_false(wrapper_is_helper(&helper, &xmalloc, NULL));
    assert_false(wrapper_is_helper(&unnamed, &library, NULL)); /* may call who asks */
    assert_false(wrapper_is_helper(NULL, &xmalloc, NULL));
    assert_false(wrapper_is_helper(&unnamed, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_quantities),
        cmocka_unit_test(matches_patterns),
        cmocka_unit_test(refuses_bad_values),
        cmocka_unit_test(answers_for_blocks),
        cmocka_unit_test(finds_moments),
        cmocka_unit_test(judges_lifetimes),
        cmocka_unit_test(takes_every_option_of_its_table),
        cmocka_unit_test(knows_wrappers),
        cmocka_unit_test(knows_helpers_of_wrappers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
