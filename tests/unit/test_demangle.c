/* SPDX-License-Identifier: MIT
 *
 * Demangling: every scheme, and names made to hurt. */
#include "model/symbols.h"

#include "model/demangle.h"
#include "symbols/probe.h"
#include "util/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void expect(const char *name, const char *wanted)
{
    char *text = symbols_demangle(name);
    assert_string_equal(text, wanted);
    free(text);
}

/* The texts are those of rustc's and the C++ ABI's own documents. */
static void schemes_are_told_apart(void **state)
{
    (void)state;
    expect("malloc", "malloc");
    expect("", "");
    expect("_Z", "_Z");
    expect("_R", "_R");
    expect("_ZN5outer5innerIiE6methodEPKcm",
           "outer::inner<int>::method(char const*, unsigned long)");
    expect("_ZN3foo3bar17h05af221e174051e9E", "foo::bar");
    expect("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar"
           "17h930b740aa94f1d3aE",
           "<Test + 'static as foo::Bar<Test>>::bar");
    expect("_RNvC6_123foo3bar", "123foo::bar");
    expect("_RNvMCs4fqI2P2rA04_13const_genericINtB2_8UnsignedKhb_E1f",
           "<const_generic::Unsigned<11>>::f");
    expect("_RNvNtNtCs1234_7mycrate3foo3bar3baz", "mycrate::foo::bar::baz");
}

/* All the names of the C++ library, against c++filt. */
static void agrees_with_filter(void **state)
{
    (void)state;
    char **names = run_lines("nm -D --without-symbol-versions %s | awk '$3 ~ /^_Z/ {print $3}'",
                             "$(g++ -print-file-name=libstdc++.so.6)");
    char **texts = run_lines("nm -D --without-symbol-versions %s | awk '$3 ~ /^_Z/ {print $3}' | "
                             "c++filt -i",
                             "$(g++ -print-file-name=libstdc++.so.6)");
    size_t count = 0;
    for (; names[count]; count++)
        expect(names[count], texts[count]);
    assert_true(count > 3000);
    free_lines(names);
    free_lines(texts);
}

/* Of the processor: other programs take theirs from the clock's. */
static double seconds_for(const char *name, char **text)
{
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    *text = symbols_demangle(name);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

static void expect_bounded(const char *name)
{
    char *text;
    assert_true(seconds_for(name, &text) < 20.0);
    assert_true(strlen(text) <= DEMANGLE_TEXT_LIMIT || strcmp(text, name) == 0);
    free(text);
}

static void hostile_names_are_bounded(void **state)
{
    (void)state;
    struct strbuf name = {0};

    /* f(A<int, int>, A<A<int, int>, A<int, int>>, ...): each parameter doubles the text */
    strbuf_adds(&name, "_Z1f1AIiiES_IS0_S0_E");
    for (int i = 1; i < 80; i++) {
        char id[2] = {(char)(i < 10 ? '0' + i : 'A' + i - 10), 0};
        if (i >= 36) {
            strbuf_addf(&name, "S_IS1%c_S1%c_E", (i - 36) % 36 < 10 ? '0' + i - 36 : 'A' + i - 46,
                        (i - 36) % 36 < 10 ? '0' + i - 36 : 'A' + i - 46);
            if (i == 71)
                break;
        } else {
            strbuf_addf(&name, "S_IS%s_S%s_E", id, id);
        }
    }
    expect_bounded(name.text);

    const char *const units[] = {"P", "N", "I", "X", "S_", "T_", "F", "Dp", "J", "L"};
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        strbuf_reset(&name);
        strbuf_adds(&name, "_Z1f");
        while (name.length + 2 < DEMANGLE_NAME_LIMIT)
            strbuf_adds(&name, units[u]);
        expect_bounded(name.text);
        memcpy(name.text, "_RNv", 4);
        expect_bounded(name.text);
    }

    strbuf_reset(&name); /* a Rust name that refers to itself */
    strbuf_adds(&name, "_RNvB_1a");
    expect_bounded(name.text);
    strbuf_reset(&name);
    strbuf_adds(&name, "_Z1f");
    for (int i = 0; i < 2000000; i++)
        strbuf_addc(&name, 'i');
    expect_bounded(name.text);
    strbuf_release(&name);
}

/* Templates reach lengths at which other tools give up. */
static void long_names_are_read(void **state)
{
    (void)state;
    struct strbuf name = {0}, wanted = {0};
    strbuf_adds(&name, "_ZN");
    for (int i = 0; i < 250; i++) {
        strbuf_adds(&name, "10abcdefghij");
        strbuf_adds(&wanted, i ? "::abcdefghij" : "abcdefghij");
    }
    strbuf_adds(&name, "Ev");
    strbuf_adds(&wanted, "()");
    expect(name.text, wanted.text);
    strbuf_release(&name);
    strbuf_release(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_are_told_apart),
        cmocka_unit_test(agrees_with_filter),
        cmocka_unit_test(hostile_names_are_bounded),
        cmocka_unit_test(long_names_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
