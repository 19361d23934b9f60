/* SPDX-License-Identifier: MIT
 *
 * What single rows, and sequences that contradict each other, become in the trace. Stamps count
 * half nanoseconds (spool_builder.h). */
#include "pack_fixture.h"

#include "seep/trace_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#define S(ns) (1000000 + 2 * (uint64_t)(ns))

static void alloc_at(struct pack_fixture *f, uint32_t lane, uint64_t ns, uint64_t address,
                     uint64_t size)
{
    sb_alloc(&f->b, lane, S(ns), 0, &(struct builder_block){.address = address, .size = size});
}

static void free_at(struct pack_fixture *f, uint32_t lane, uint64_t ns, uint64_t address)
{
    sb_free(&f->b, lane, S(ns), SEEP_CALL_FREE, address);
}

static void realloc_at(struct pack_fixture *f, uint32_t lane, uint64_t start, uint64_t end,
                       uint64_t from, uint64_t to, uint64_t size)
{
    sb_realloc(&f->b, lane, S(start), S(end), 0, from,
               &(struct builder_block){.address = to, .size = size, .call = SEEP_CALL_REALLOC});
}

static void pack(struct pack_fixture *f)
{
    sb_finish(&f->b);
    assert_int_equal(fixture_pack(f, NULL), SEEP_OK);
}

static void expect(const struct pack_fixture *f, size_t n, enum trace_event_type type,
                   uint64_t before, uint64_t after, uint8_t flags)
{
    const struct trace_event *ev = fixture_event(f, n);
    assert_int_equal(ev->type, type);
    assert_int_equal(ev->flags, flags);
    if (before != 0)
        assert_int_equal(ev->before.address, before);
    if (after != 0)
        assert_int_equal(ev->after.address, after);
}

static void lost_free_is_implied(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, 1000, 0x1000, 10);
    alloc_at(&f, 0, 2000, 0x1000, 20);
    free_at(&f, 0, 3000, 0x1000);
    pack(&f);
    assert_int_equal(fixture_count(&f), 4);
    expect(&f, 0, TRACE_ALLOC, 0, 0x1000, 0);
    expect(&f, 1, TRACE_FREE, 0x1000, 0, TRACE_IMPLIED);
    expect(&f, 2, TRACE_ALLOC, 0, 0x1000, 0);
    expect(&f, 3, TRACE_FREE, 0x1000, 0, 0);
    assert_int_equal(fixture_event(&f, 1)->before.size, 10);
    assert_int_equal(fixture_event(&f, 3)->before.size, 20);
    assert_int_equal(f.p.summary.raced, 1);
    assert_int_equal(f.p.summary.repaired, 0);
    fixture_end(&f);
}

/* Another thread's free that comes much later ends the new block, not the old one; nor does one
 * that a further allocation on the address shows to be in its place. */
static void only_near_frees_are_moved(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    sb_lane(&f.b, 2);
    alloc_at(&f, 0, 1000, 0x1000, 10);
    alloc_at(&f, 0, 2000, 0x1000, 20);
    free_at(&f, 1, 900000, 0x1000);
    alloc_at(&f, 0, 1000000, 0x2000, 10);
    alloc_at(&f, 0, 1001000, 0x2000, 20);
    free_at(&f, 1, 1002000, 0x2000);
    alloc_at(&f, 1, 1003000, 0x2000, 30);
    pack(&f);
    expect(&f, 1, TRACE_FREE, 0x1000, 0, TRACE_IMPLIED);
    expect(&f, 3, TRACE_FREE, 0x1000, 0, 0);
    assert_int_equal(fixture_event(&f, 3)->before.size, 20);
    expect(&f, 5, TRACE_FREE, 0x2000, 0, TRACE_IMPLIED);
    expect(&f, 7, TRACE_FREE, 0x2000, 0, 0);
    assert_int_equal(fixture_event(&f, 7)->before.size, 20);
    assert_int_equal(f.p.summary.raced, 2);
    assert_int_equal(f.p.summary.repaired, 0);
    fixture_end(&f);
}

static void unknown_free(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    free_at(&f, 0, 1000, 0x7008);
    realloc_at(&f, 0, 2000, 2100, 0x8000, 0x9000, 5);
    free_at(&f, 0, 3000, 0x9000);
    pack(&f);
    expect(&f, 0, TRACE_FREE_UNKNOWN, 0, 0, 0);
    assert_int_equal(fixture_event(&f, 0)->address, 0x7008);
    expect(&f, 1, TRACE_FREE_UNKNOWN, 0, 0, 0);
    assert_int_equal(fixture_event(&f, 1)->address, 0x8000);
    assert_int_equal(fixture_event(&f, 1)->call, SEEP_CALL_REALLOC);
    expect(&f, 2, TRACE_ALLOC, 0, 0x9000, 0);
    expect(&f, 3, TRACE_FREE, 0x9000, 0, 0);
    assert_int_equal(f.p.summary.unknown_frees, 2);
    fixture_end(&f);
}

/* A free stamped before the allocation it ends, by clocks that differ. */
static void early_free_waits_for_its_allocation(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    sb_lane(&f.b, 2);
    free_at(&f, 1, 1000, 0x7000);
    alloc_at(&f, 0, 1200, 0x7000, 1);
    pack(&f);
    assert_int_equal(fixture_count(&f), 2);
    expect(&f, 0, TRACE_ALLOC, 0, 0x7000, TRACE_REPAIRED);
    expect(&f, 1, TRACE_FREE, 0x7000, 0, 0);
    assert_int_equal(f.p.summary.repaired, 1);
    assert_int_equal(f.p.summary.unknown_frees, 0);
    fixture_end(&f);
}

static void inherited_blocks_are_no_suspects(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_fact_number(&f.b, SEEP_FACT_FORK_PARENT_PID, 17);
    sb_lane(&f.b, 1);
    sb_lane(&f.b, 2);
    free_at(&f, 0, 1000, 0x7000);
    alloc_at(&f, 1, 1100, 0x7000, 1); /* not moved: the free was of the parent's block */
    realloc_at(&f, 0, 2000, 2100, 0x8000, 0x9000, 5);
    pack(&f);
    expect(&f, 0, TRACE_FREE_UNKNOWN, 0, 0, TRACE_INHERITED);
    expect(&f, 1, TRACE_ALLOC, 0, 0x7000, 0);
    expect(&f, 2, TRACE_FREE_UNKNOWN, 0, 0, TRACE_INHERITED);
    expect(&f, 3, TRACE_ALLOC, 0, 0x9000, 0);
    assert_int_equal(f.p.summary.unknown_frees, 0);
    fixture_end(&f);
}

static void reallocation_is_split_only_when_seen(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    sb_lane(&f.b, 2);
    alloc_at(&f, 0, 1000, 0x1000, 1);
    alloc_at(&f, 0, 1100, 0x2000, 2);
    realloc_at(&f, 0, 2000, 4000, 0x1000, 0x5000, 100);
    alloc_at(&f, 1, 3000, 0x1000, 7); /* lane 1 gets the old address meanwhile */
    realloc_at(&f, 0, 5000, 7000, 0x2000, 0x6000, 200);
    alloc_at(&f, 1, 6000, 0x9000, 8); /* nothing to do with it */
    realloc_at(&f, 0, 8000, 8100, 0x6000, 0x6000, 300);
    pack(&f);
    assert_int_equal(fixture_count(&f), 8);
    expect(&f, 2, TRACE_REALLOC_OUT, 0x1000, 0, 0);
    expect(&f, 3, TRACE_ALLOC, 0, 0x1000, 0);
    expect(&f, 4, TRACE_REALLOC_IN, 0x1000, 0x5000, 0);
    assert_int_not_equal(fixture_event(&f, 2)->link, 0);
    assert_int_equal(fixture_event(&f, 2)->link, fixture_event(&f, 4)->link);
    assert_int_equal(fixture_event(&f, 4)->after.size, 100);
    expect(&f, 5, TRACE_ALLOC, 0, 0x9000, 0);
    expect(&f, 6, TRACE_REALLOC, 0x2000, 0x6000, 0);
    expect(&f, 7, TRACE_REALLOC, 0x6000, 0x6000, 0);
    assert_int_equal(fixture_event(&f, 7)->before.size, 200);
    assert_int_equal(fixture_event(&f, 7)->after.size, 300);
    assert_int_equal(f.p.summary.raced + f.p.summary.repaired + f.p.summary.unknown_frees, 0);
    fixture_end(&f);
}

static void failed_calls(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, 1000, 0x1000, 1);
    sb_failed(&f.b, 0, S(1100), 0, SEEP_CALL_CALLOC, 0, 1ull << 50);
    sb_failed(&f.b, 0, S(1200), 0, SEEP_CALL_REALLOC, 0x1000, 1ull << 51);
    free_at(&f, 0, 1300, 0x1000);
    pack(&f);
    expect(&f, 1, TRACE_FAILED, 0, 0, 0);
    assert_int_equal(fixture_event(&f, 1)->call, SEEP_CALL_CALLOC);
    assert_int_equal(fixture_event(&f, 1)->failed_size, 1ull << 50);
    assert_int_equal(fixture_event(&f, 1)->address, 0);
    assert_int_equal(fixture_event(&f, 2)->failed_size, 1ull << 51);
    assert_int_equal(fixture_event(&f, 2)->address, 0x1000);
    expect(&f, 3, TRACE_FREE, 0x1000, 0, 0);
    fixture_end(&f);
}

/* A handler that interrupts a reallocation, more than a lane's window holds: late, but nothing is
 * lost and the time never runs back. */
static void far_too_many_nested_rows(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    alloc_at(&f, 0, 500, 0x1000, 1);
    for (uint64_t i = 0; i < 1000; i++)
        alloc_at(&f, 0, 1001 + i, 0x10000 + 16 * i, 1);
    realloc_at(&f, 0, 1000, 3000, 0x1000, 0x5000, 100);
    alloc_at(&f, 0, 4000, 0x6000, 1);
    pack(&f);
    assert_int_equal(fixture_count(&f), 1003);
    expect(&f, 1001, TRACE_REALLOC, 0x1000, 0x5000, TRACE_REPAIRED);
    expect(&f, 1002, TRACE_ALLOC, 0, 0x6000, 0);
    assert_int_equal(f.p.summary.repaired, 1);
    fixture_end(&f);
}

/* The thread of lane 1 was stamped, then slept while lane 0 defined the stack, thousands of rows
 * and several chunks later by lane 0's own count. */
static void stack_defined_long_after_the_stamp(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    sb_lane(&f.b, 2);
    for (uint64_t i = 0; i < 20000; i++)
        alloc_at(&f, 0, 2000 + i, 0x100000 + 16 * i, 1);
    sb_root(&f.b, 0, 1, 3);
    sb_stack(&f.b, 0, 2, 1, 0x4444, SEEP_ROW_GUESSED);
    sb_alloc(&f.b, 1, S(1000), 2, &(struct builder_block){.address = 0x1000, .size = 1});
    sb_alloc(&f.b, 1, S(1001), 77, &(struct builder_block){.address = 0x2000, .size = 1});
    for (uint64_t i = 0; i < 10000; i++)
        alloc_at(&f, 0, 30000 + i, 0x800000 + 16 * i, 1);
    pack(&f);
    const struct trace_event *ev = fixture_event(&f, 0);
    assert_int_equal(ev->after.address, 0x1000);
    assert_int_equal(f.p.stacks[ev->stack].pc, 0x4444);
    assert_int_equal(f.p.stacks[ev->stack].flags, SEEP_ROW_GUESSED);
    uint32_t root = f.p.stacks[ev->stack].parent;
    assert_int_equal(f.p.stacks[root].flags, SEEP_ROW_ROOT);
    assert_int_equal(f.p.stacks[root].pc, 3);
    assert_int_equal(fixture_event(&f, 1)->stack, 0); /* nobody ever defined it */
    assert_int_equal(fixture_count(&f), 30002);
    fixture_end(&f);
}

/* Definitions that go in circles, hang in the air or come twice. */
static void broken_definitions(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    sb_stack(&f.b, 0, 5, 6, 0x1, 0);
    sb_stack(&f.b, 0, 6, 5, 0x2, 0);
    sb_stack(&f.b, 0, 7, 7, 0x3, 0);
    sb_stack(&f.b, 0, 8, 0, 0x4, 0);
    sb_stack(&f.b, 0, 9, 1000, 0x5, 0);
    sb_root(&f.b, 0, 10, 0);
    sb_stack(&f.b, 0, 11, 10, 0x6, 0);
    sb_stack(&f.b, 0, 11, 10, 0x7, 0);
    for (uint32_t id = 5; id <= 11; id++)
        sb_alloc(&f.b, 0, S(1000 + id), id,
                 &(struct builder_block){.address = 0x1000 * id, .size = 1});
    pack(&f);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(fixture_event(&f, i)->stack, 0);
    assert_int_equal(f.p.stacks[fixture_event(&f, 5)->stack].flags, SEEP_ROW_ROOT);
    assert_int_equal(f.p.stacks[fixture_event(&f, 6)->stack].pc, 0x6);
    assert_int_equal(f.p.stack_count, 2);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_free_is_implied),
        cmocka_unit_test(only_near_frees_are_moved),
        cmocka_unit_test(unknown_free),
        cmocka_unit_test(early_free_waits_for_its_allocation),
        cmocka_unit_test(inherited_blocks_are_no_suspects),
        cmocka_unit_test(reallocation_is_split_only_when_seen),
        cmocka_unit_test(failed_calls),
        cmocka_unit_test(far_too_many_nested_rows),
        cmocka_unit_test(stack_defined_long_after_the_stamp),
        cmocka_unit_test(broken_definitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
