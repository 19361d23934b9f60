/* SPDX-License-Identifier: MIT
 *
 * Whether the behaviour of call sites is told right: programs of known behaviour
 * (tests/growth/scenarios.h) at many rates, sizes, degrees of noise and numbers of threads, in
 * made-up time. Their seeds are not those that the thresholds were looked at with while they were
 * chosen: the first argument, or SEEP_GROWTH_SEED, gives others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_trace.h"
#include "analysis/growth.h"
#include "analysis/growth_class.h"

#include "../growth/scenarios.h"

#include <stdio.h>

#define SEEDS 40
#define THREADS 3
#define STEP_NS 500000u

struct host {
    struct trace_reader *trace;
    uint32_t stack, thread;
    uint64_t now_ns;
};

/* Blocks are known by their slot + 1. */
static void *make(void *arg, size_t bytes)
{
    struct host *h = arg;
    h->now_ns += 200;
    return (void *)(uintptr_t)(fake_alloc(h->trace, h->thread, h->now_ns, h->stack, bytes,
                                          SEEP_CALL_MALLOC, 0) +
                               1);
}

static void *change(void *arg, void *block, size_t bytes)
{
    struct host *h = arg;
    h->now_ns += 200;
    fake_realloc(h->trace, h->thread, h->now_ns, h->stack, (uint32_t)(uintptr_t)block - 1, bytes);
    return block;
}

static void drop(void *arg, void *block)
{
    struct host *h = arg;
    h->now_ns += 200;
    fake_free(h->trace, h->thread, h->now_ns, (uint32_t)(uintptr_t)block - 1, SEEP_CALL_FREE, 0);
}

/* The class that is told of a program. With several threads each runs the scenario for itself, at
 * the same call site. */
static const char *class_of(const struct scenario_kind *kind, uint64_t seed, unsigned threads)
{
    struct trace_reader trace;
    struct symbols symbols = {0};
    struct scenario all[THREADS];
    struct host host = {.trace = &trace, .thread = 1};
    const struct scenario_host functions = {make, change, drop, &host};
    fake_init(&trace, seed);
    symbols.dict = &trace.dict;
    uint32_t root = fake_node(&trace, 0, 1, SEEP_ROW_ROOT);
    host.stack =
        fake_node(&trace, root, fake_function(&symbols, kind->name, "/src/s.c", "/bin/s"), 0);
    for (unsigned i = 0; i < threads; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", i);
        fake_thread(&trace, 100 + i, name);
        scenario_begin(&all[i], kind, seed * THREADS + i, &functions);
    }
    /* every other program waits for something in the middle, up to a fifth of the time */
    unsigned pause_step = (unsigned)fake_random(&trace, SCENARIO_STEPS);
    uint64_t pause_ns = seed % 2 * fake_random(&trace, SCENARIO_STEPS / 4) * STEP_NS;
    for (unsigned step = 0; step < SCENARIO_STEPS; step++) {
        uint64_t due = (step > pause_step ? pause_ns : 0) + (uint64_t)step * STEP_NS +
                       fake_random(&trace, STEP_NS / 2);
        host.now_ns = due > host.now_ns ? due : host.now_ns;
        if (fake_random(&trace, 300) == 0) /* a stall: the machine does something else */
            host.now_ns += fake_random(&trace, 20) * STEP_NS;
        for (host.thread = 1; host.thread <= threads; host.thread++)
            kind->step(&all[host.thread - 1], step);
    }
    for (unsigned i = 0; i < threads; i++)
        scenario_end(&all[i]);
    trace.summary.duration_ns = host.now_ns + 1000;

    struct growth_options options = {.min_bytes = 0};
    struct result *tree = NULL;
    struct err err;
    assert_int_equal(growth_analyse(&tree, &trace, &symbols, &options, &err), SEEP_OK);
    const struct result *site = result_at(result_get(tree, "sites"), 0);
    const char *told = "irregular";
    for (size_t i = 0; growth_class_names[i] && site; i++)
        if (strcmp(growth_class_names[i], result_get(site, "class")->u.text) == 0)
            told = growth_class_names[i];
    result_free(tree);
    fake_release(&trace);
    fake_symbols_release(&symbols);
    return told;
}

static size_t number_of(const char *class)
{
    size_t i = 0;
    while (strcmp(growth_class_names[i], class) != 0)
        i++;
    return i;
}

static void print_matrix(const unsigned told[SCENARIO_KINDS][GROWTH_CLASSES])
{
    printf("\n%-16s%-11s", "program", "is");
    for (size_t c = 0; c < GROWTH_CLASSES; c++)
        printf("%10s", growth_class_names[c]);
    for (size_t k = 0; k < SCENARIO_KINDS; k++) {
        printf("\n%-16s%-11s", scenario_kinds[k].name, scenario_kinds[k].class);
        for (size_t c = 0; c < GROWTH_CLASSES; c++)
            if (told[k][c])
                printf("%10u", told[k][c]);
            else
                printf("%10s", ".");
    }
    printf("\n\n");
}

static uint64_t first_seed = 1000;

static void behaviours(void **state)
{
    (void)state;
    static unsigned told[SCENARIO_KINDS][GROWTH_CLASSES];
    unsigned growing = 0, found = 0, wrong = 0, all = 0, right = 0;
    for (size_t k = 0; k < SCENARIO_KINDS; k++) {
        const struct scenario_kind *kind = &scenario_kinds[k];
        for (uint64_t seed = first_seed; seed < first_seed + SEEDS; seed++) {
            const char *class = class_of(kind, seed, 1 + (unsigned)(seed % THREADS));
            bool grows = strcmp(class, "growing") == 0;
            told[k][number_of(class)]++;
            all++;
            right += strcmp(class, kind->class) == 0;
            if (strcmp(kind->class, "growing") == 0) {
                growing++;
                found += grows;
            } else {
                wrong += grows;
                if (grows)
                    printf("%s with seed %d is said to grow\n", kind->name, (int)seed);
            }
        }
    }
    print_matrix(told);
    printf("growing: %u of %u found; %u others said to grow; %u of %u told by their name\n", found,
           growing, wrong, right, all);
    assert_true(found * 100 >= growing * 95);
    assert_int_equal(wrong, 0);
    assert_true(right * 100 >= all * 85);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        first_seed = strtoull(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {cmocka_unit_test(behaviours)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
