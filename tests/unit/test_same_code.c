/* SPDX-License-Identifier: MIT
 *
 * Which stacks are one, when libraries come and go. */
#include "trace/same_code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MODULE(path_, build_, start_, from_, to_)                                                  \
    {                                                                                              \
        .path = (char *)(path_), .build_id = (uint8_t *)(build_),                                  \
        .build_id_bytes = sizeof(build_) - 1, .base = (start_), .start = (start_),                 \
        .end = (start_) + 0x1000, .generation_from = (from_), .generation_to = (to_)               \
    }
#define ROOT(generation)                                                                           \
    {                                                                                              \
        .pc = (generation), .flags = SEEP_ROW_ROOT                                                 \
    }
#define NODE(parent_, pc_)                                                                         \
    {                                                                                              \
        .pc = (pc_), .parent = (parent_)                                                           \
    }

static struct trace_module modules[] = {
    MODULE("/bin/program", "p", 0x10000, 1, UINT32_MAX),
    MODULE("/lib/plugin.so", "a", 0x20000, 1, 1),
    MODULE("/lib/other.so", "b", 0x20000, 2, 2),  /* where the plugin was */
    MODULE("/lib/plugin.so", "a", 0x30000, 2, 2), /* which is elsewhere now */
    MODULE("/lib/plugin.so", "c", 0x30000, 3, 3), /* built anew meanwhile */
};

static uint32_t *stacks_of(struct trace_stack_node *nodes, size_t count)
{
    struct trace_dict dict = {.stacks = nodes,
                              .stack_count = (uint32_t)count - 1,
                              .modules = modules,
                              .module_count = sizeof modules / sizeof modules[0]};
    return same_code_stacks(&dict);
}

static void assert_same(struct trace_stack_node *nodes, const uint32_t *wanted, size_t count)
{
    uint32_t *same = stacks_of(nodes, count);
    assert_non_null(same);
    assert_memory_equal(same, wanted, count * sizeof *wanted);
    free(same);
}

static void a_plugin_that_comes_back_is_the_same(void **state)
{
    (void)state;
    struct trace_stack_node nodes[] = {
        {0},
        ROOT(1),
        NODE(1, 0x10010),
        NODE(2, 0x20020), /* 3: the plugin */
        ROOT(2),
        NODE(4, 0x10010), /* 5: the program stays */
        NODE(5, 0x20020), /* 6: the other library in the plugin's place */
        NODE(5, 0x30020), /* 7: the plugin in its new place */
        NODE(5, 0x30021), /* 8: another call in it */
        NODE(4, 0x30020), /* 9: the same call from elsewhere */
        ROOT(3),
        NODE(10, 0x10010),
        NODE(11, 0x30020), /* 12: the plugin of another build */
        NODE(11, 0x99999), /* 13: code of no module, */
        NODE(5, 0x99999),  /* 14: and again */
    };
    const uint32_t wanted[] = {0, 1, 2, 3, 4, 2, 6, 3, 8, 9, 10, 2, 12, 13, 13};
    assert_same(nodes, wanted, sizeof nodes / sizeof nodes[0]);
}

static void what_is_lost_stays_apart(void **state)
{
    (void)state;
    struct trace_stack_node nodes[] = {
        {0},
        ROOT(1),
        NODE(1, 0x10010),
        {.pc = UINT64_MAX, .flags = SEEP_ROW_ROOT | SEEP_ROW_CUT},
        {.pc = UINT64_MAX, .flags = SEEP_ROW_ROOT | SEEP_ROW_CUT},
        ROOT(2),
        NODE(5, 0x10010),
        {.pc = 0x10010, .parent = 5, .flags = SEEP_ROW_GUESSED},
    };
    const uint32_t wanted[] = {0, 1, 2, 3, 4, 5, 2, 7};
    assert_same(nodes, wanted, sizeof nodes / sizeof nodes[0]);
}

static void nothing_is_done_in_one_generation(void **state)
{
    (void)state;
    struct trace_stack_node nodes[] = {
        {0},
        ROOT(1),
        NODE(1, 0x10010),
        {.pc = UINT64_MAX, .flags = SEEP_ROW_ROOT | SEEP_ROW_CUT},
        {.pc = 1, .flags = SEEP_ROW_ROOT | SEEP_ROW_CUT},
    };
    assert_null(stacks_of(nodes, sizeof nodes / sizeof nodes[0]));
    assert_null(stacks_of(nodes, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plugin_that_comes_back_is_the_same),
        cmocka_unit_test(what_is_lost_stays_apart),
        cmocka_unit_test(nothing_is_done_in_one_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
