/* SPDX-License-Identifier: MIT
 *
 * What a comparison says in words: what is best at the peak and in the end, what that costs
 * elsewhere, and when the program may allocate differently. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "replay/verdict.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)

struct needs {
    const char *name;
    uint64_t peak, end; /* MiB */
};

/* A comparison of a program that has 100 MiB at the peak and in the end with glibc. */
static struct result *compare(const struct needs *others, size_t count, const char *asker)
{
    struct result *tree = result_new_object(), *recorded = result_object(tree, "recorded");
    result_text(recorded, "allocator", "glibc");
    result_bytes(recorded, "peak_rss_bytes", 100 * MIB);
    result_bytes(recorded, "final_rss_bytes", 100 * MIB);
    result_percent(recorded, "heap_rss_percent", 90);
    result_text(recorded, "sizes_asked_by", asker);
    struct result *list = result_array(tree, "candidates");
    for (size_t i = 0; i <= count; i++) {
        struct needs it = i ? others[i - 1] : (struct needs){"glibc", 100, 100};
        struct result *c = result_object(list, NULL);
        result_text(c, "name", it.name);
        result_text(c, "settings", "");
        result_text(c, "library", i ? "/lib/other.so" : NULL);
        result_bool(c, "recorded", i == 0);
        result_bytes(c, "peak_rss_bytes", it.peak * MIB);
        result_bytes(c, "final_rss_bytes", it.end * MIB);
        result_real(c, "error_percent", 0);
        result_count(c, "runs", 1);
    }
    verdict_add(tree);
    return tree;
}

/* Whether one of the sentences has these words. */
static bool says(const struct result *tree, const char *words)
{
    const struct result *sentences = result_get(result_get(tree, "verdict"), "sentences");
    for (size_t i = 0; i < result_length(sentences); i++)
        if (strstr(result_at(sentences, i)->u.text, words))
            return true;
    return false;
}

static void test_another_is_best_in_the_end(void **state)
{
    (void)state;
    struct result *tree =
        compare((const struct needs[]){{"mimalloc", 70, 90}, {"jemalloc", 80, 40}}, 2, NULL);
    assert_true(says(tree, "mimalloc would bring the peak from 100 MiB to 70 MiB (30 % less)"));
    assert_true(says(tree, "jemalloc would bring what is resident in the end from 100 MiB to "
                           "40 MiB (60 % less)"));
    assert_true(says(tree, "None is best in both: in the end mimalloc would have 90 MiB, 10 % less "
                           "than now, and at the peak jemalloc 80 MiB, 20 % less than now."));
    assert_int_equal(result_length(result_get(result_get(tree, "verdict"), "lines")), 2);
    result_free(tree);
    tree = compare((const struct needs[]){{"mimalloc", 70, 99}, {"jemalloc", 130, 40}}, 2, NULL);
    assert_true(says(tree, "in the end mimalloc would have 99 MiB, much as now, and at the peak "
                           "jemalloc 130 MiB, 30 % more than now."));
    result_free(tree);
}

static void test_what_a_saving_costs(void **state)
{
    (void)state;
    struct result *tree = compare((const struct needs[]){{"jemalloc", 140, 40}}, 1, NULL);
    assert_true(says(tree, "But at the peak jemalloc would need 40 % more than now: 140 MiB."));
    result_free(tree);
    tree = compare((const struct needs[]){{"tcmalloc", 80, 120}}, 1, NULL);
    assert_true(says(tree, "But in the end tcmalloc would need 20 % more than now: 120 MiB."));
    result_free(tree);
    tree = compare((const struct needs[]){{"tcmalloc", 80, 104}}, 1, NULL); /* not worth a word */
    assert_false(says(tree, "more than now"));
    result_free(tree);
}

static void test_who_asks_for_sizes(void **state)
{
    (void)state;
    struct result *tree = compare((const struct needs[]){{"jemalloc", 100, 100}}, 1, "server");
    assert_true(says(tree, "Swapping will not help"));
    assert_true(says(tree, "in server). If it fills what it gets"));
    result_free(tree);
    tree = compare((const struct needs[]){{"glibc", 80, 80}}, 1, "server"); /* with settings */
    assert_false(says(tree, "in server)"));
    result_free(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_is_best_in_the_end),
        cmocka_unit_test(test_what_a_saving_costs),
        cmocka_unit_test(test_who_asks_for_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
