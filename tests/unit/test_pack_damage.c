/* SPDX-License-Identifier: MIT
 *
 * Spools as a killed process, a full disk or a hostile hand leaves them. */
#include "pack_fixture.h"

#include "seep/trace_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define S(ns) (1000000 + 2 * (uint64_t)(ns))

static uint32_t rng = 12345;

static uint32_t roll(uint32_t below)
{
    rng = rng * 1664525u + 1013904223u;
    return (rng >> 8) % below;
}

/* `count` allocations at rising addresses and times, ten flushes and a tail on each of two lanes.
 */
static void fill(struct spool_builder *b, uint32_t count)
{
    sb_lane(b, 1);
    sb_lane(b, 2);
    sb_fact(b, SEEP_FACT_EXE, "/usr/bin/thing", 14);
    sb_root(b, 0, 1, 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t lane = i & 1;
        if (i % 7 == 0)
            sb_stack(b, lane, 2 + i, i > 7 && i % 3 ? 2 + i - 7 : 1, 0x400000 + i, 0);
        sb_alloc(b, lane, S(1000 + 10 * i), 2 + i / 7 * 7,
                 &(struct builder_block){.address = 0x10000 + 32 * (uint64_t)i, .size = i});
        if (i % (count / 20) >= count / 20 - 2)
            sb_flush(b, lane);
        if (i % 100 == 0)
            sb_snapshot(b, 5000000 + 1000 + 10 * i, SEEP_BESIDE_MEMORY, "\x02\x05\x07", 3);
    }
    sb_finish(b);
}

static void expect_allocations(const struct pack_fixture *f, uint64_t first, size_t count)
{
    assert_int_equal(fixture_count(f), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(fixture_event(f, i)->after.address, first + 32 * i);
}

static void allocations(struct spool_builder *b, uint32_t lane, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        sb_alloc(b, lane, S(1000 + 10 * i), 0,
                 &(struct builder_block){.address = 0x10000 + 32 * (uint64_t)i, .size = i});
}

/* Killed between writing the chunk out and saying so: the rows are there twice. */
static void killed_while_flushing(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    for (int cut = 0; cut < 2; cut++) {
        sb_lane(&f.b, 1);
        allocations(&f.b, 0, 0, 50);
        sb_flush(&f.b, 0);
        allocations(&f.b, 0, 50, 90);
        sb_flush_unsaid(&f.b, 0, cut * 60);
        sb_finish(&f.b);
        assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
        expect_allocations(&f, 0x10000, 90);
        assert_int_equal(f.p.summary.lost_damaged, 0);
        assert_int_equal(f.note_count, 0);
        if (cut == 0)
            fixture_again(&f);
    }
    fixture_end(&f);
}

/* Space that was reserved and never written, large and small, is no damage. */
static void holes_are_skipped(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    sb_hole(&f.b, 8192);
    allocations(&f.b, 0, 0, 50);
    sb_flush(&f.b, 0);
    sb_hole(&f.b, 1u << 31);
    sb_hole(&f.b, 1u << 31);
    allocations(&f.b, 0, 50, 90);
    sb_flush(&f.b, 0);
    sb_hole(&f.b, 4096);
    sb_finish(&f.b);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    expect_allocations(&f, 0x10000, 90);
    assert_int_equal(f.p.summary.lost_damaged, 0);
    fixture_end(&f);
}

static void missing_chunks_are_counted_and_named(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    sb_lane(&f.b, 2);
    allocations(&f.b, 0, 0, 50);
    sb_flush(&f.b, 0);
    allocations(&f.b, 0, 50, 90);
    sb_lose(&f.b, 0);
    allocations(&f.b, 0, 90, 100);
    sb_flush(&f.b, 0);
    sb_free(&f.b, 1, S(5000), SEEP_CALL_FREE, 0x10000 + 32 * 60);
    sb_lose(&f.b, 1);
    sb_lose(&f.b, 1);
    sb_finish(&f.b);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    assert_int_equal(fixture_count(&f), 60);
    assert_int_equal(fixture_event(&f, 50)->after.address, 0x10000 + 32 * 90);
    assert_int_equal(f.p.summary.lost_damaged, 3);
    assert_string_equal(f.notes, "lane 0: rows missing, sequence 1\n"
                                 "lane 1: rows missing, sequences 0 to 1\n");
    assert_false(trace_summary_complete(&f.p.summary));
    fixture_end(&f);
}

/* Rows that make no sense: what stands before them, and the lane's other chunks, are kept. */
static void bad_rows_cost_the_rest_of_their_chunk(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x0f", "\x01\x02", "\x06\x04\x02\xff\xff\x7f",
                                      "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pack_fixture f;
        fixture_begin(&f);
        sb_lane(&f.b, 1);
        allocations(&f.b, 0, 0, 50);
        sb_bytes(&f.b, 0, bad[i], strlen(bad[i]));
        sb_flush(&f.b, 0);
        allocations(&f.b, 0, 50, 90);
        sb_finish(&f.b);
        assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
        expect_allocations(&f, 0x10000, 90);
        assert_int_equal(f.p.summary.lost_damaged, 1);
        assert_int_equal(f.note_count, 1);
        fixture_end(&f);
    }
}

static void an_end_row_ends_a_chunk(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    sb_lane(&f.b, 1);
    allocations(&f.b, 0, 0, 50);
    sb_bytes(&f.b, 0, "\0\x0f\x0f", 3);
    sb_flush(&f.b, 0);
    allocations(&f.b, 0, 50, 90);
    sb_finish(&f.b);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    expect_allocations(&f, 0x10000, 90);
    assert_int_equal(f.p.summary.lost_damaged, 0);
    fixture_end(&f);
}

/* ------------------------------------------------------------------ files cut or flipped */

struct file {
    uint8_t *bytes;
    size_t length;
};

static const char *const names[] = {"control", "rows", "snapshots"};
#define FILES (sizeof names / sizeof *names)

static void member(const struct pack_fixture *f, size_t i, char *path, size_t room)
{
    snprintf(path, room, "%s/%s", f->spool, names[i]);
}

static void save(const struct pack_fixture *f, struct file *files)
{
    for (size_t i = 0; i < FILES; i++) {
        char path[128];
        struct stat st;
        member(f, i, path, sizeof path);
        int fd = open(path, O_RDONLY);
        assert_int_equal(fstat(fd, &st), 0);
        files[i].length = (size_t)st.st_size;
        files[i].bytes = malloc(files[i].length + 1);
        assert_int_equal(read(fd, files[i].bytes, files[i].length), files[i].length);
        close(fd);
    }
}

static void restore(const struct pack_fixture *f, const struct file *files)
{
    mkdir(f->spool, 0700);
    for (size_t i = 0; i < FILES; i++) {
        char path[128];
        member(f, i, path, sizeof path);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, files[i].bytes, files[i].length), files[i].length);
        close(fd);
    }
}

static void drop(struct file *files)
{
    for (size_t i = 0; i < FILES; i++)
        free(files[i].bytes);
}

/* A clear error, or a trace that holds part of the allocations and says that the rest is missing.
 */
static void pack_damaged(struct pack_fixture *f, size_t whole)
{
    enum seep_err e = fixture_pack(f, NULL);
    if (e == SEEP_OK) {
        size_t got = fixture_count(f);
        bool fewer = got < whole && f->p.summary.raced == 0;
        if (fewer)
            assert_true(f->p.summary.lost_damaged > 0);
    } else {
        assert_true(e == SEEP_ERR_NOT_TRACE || e == SEEP_ERR_VERSION || e == SEEP_ERR_IO);
        fixture_remove_spool(f);
    }
}

static void cut_at_any_byte(void **state)
{
    (void)state;
    struct pack_fixture f;
    struct file files[FILES];
    fixture_begin(&f);
    fill(&f.b, 400);
    save(&f, files);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    assert_int_equal(fixture_count(&f), 400);
    assert_int_equal(f.p.summary.lost_damaged, 0);
    for (size_t i = 0; i < FILES; i++) {
        size_t length = files[i].length;
        size_t step = length / 70 + 1;
        for (size_t cut = 0; cut<length; cut += step> 1 ? 1 + roll((uint32_t)step * 2) : 1) {
            /* what an uncut file ends in may be unused */
            files[i].length = cut;
            restore(&f, files);
            if (i <= 1)
                pack_damaged(&f, i == 1 || cut < 256 + 128 ? 400 : 0);
            else {
                assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
                assert_int_equal(fixture_count(&f), 400);
            }
        }
        files[i].length = length;
    }
    drop(files);
    fixture_end(&f);
}

static void flipped_bits(void **state)
{
    (void)state;
    struct pack_fixture f;
    struct file files[FILES];
    fixture_begin(&f);
    fill(&f.b, 400);
    save(&f, files);
    fixture_remove_spool(&f);
    for (uint32_t round = 0; round < 300; round++) {
        size_t i = round % FILES;
        uint32_t flips = 1 + roll(4);
        size_t at[4];
        uint8_t was[4];
        uint32_t reach = i == 0 ? 1024 : (uint32_t)files[i].length; /* tails are mostly unused */
        for (uint32_t k = 0; k < flips; k++) {
            at[k] = roll(reach);
            was[k] = files[i].bytes[at[k]];
            files[i].bytes[at[k]] ^= (uint8_t)(1u << roll(8));
        }
        if (i == 0) /* the pid of a living process that nobody may look into means busy */
            memset(files[0].bytes + offsetof(struct seep_control, pid), 0, 4);
        restore(&f, files);
        for (uint32_t k = flips; k-- > 0;)
            files[i].bytes[at[k]] = was[k];
        pack_damaged(&f, 0);
    }
    drop(files);
    fixture_end(&f);
}

/* Numbers that a careless reader would take memory for, or loop over. */
static void hostile_numbers(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    f.b.control.stack_nodes = UINT64_MAX;
    f.b.control.thread_count = UINT32_MAX;
    f.b.control.lost_nested = 3;
    sb_lane(&f.b, 1);
    sb_thread(&f.b, 0, S(10), UINT32_MAX, 1, "x");
    sb_alloc(&f.b, 0, S(1000), UINT32_MAX,
             &(struct builder_block){
                 .address = UINT64_MAX, .size = UINT64_MAX, .usable = 5, .alignment = UINT64_MAX});
    sb_root(&f.b, 0, UINT32_MAX, UINT32_MAX);
    sb_alloc(&f.b, 0, UINT64_MAX, UINT32_MAX, &(struct builder_block){.address = 0, .size = 0});
    sb_realloc(&f.b, 0, S(1001), UINT64_MAX, 0, UINT64_MAX,
               &(struct builder_block){.address = 8, .size = 1, .call = SEEP_CALL_REALLOC});
    sb_beside(&f.b, 0, S(1002), SEEP_BESIDE_MODULE, "\xff\xff\xff\xff\x0f\x00\x00\x00\x7f", 9);
    sb_beside(&f.b, 0, S(1002), SEEP_BESIDE_LOST, "\x01\x7f", 2);
    sb_beside(&f.b, 0, S(1002), SEEP_BESIDE_MEMORY, "\xff\xff\xff\xff\x0f\x01", 6);
    sb_finish(&f.b);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    assert_int_equal(fixture_count(&f), 3);
    assert_int_equal(fixture_event(&f, 0)->thread, 0);
    assert_int_equal(fixture_event(&f, 0)->after.address, UINT64_MAX);
    assert_int_equal(f.p.summary.lost_nested, 3);
    assert_int_equal(f.p.summary.lost_damaged, 4); /* THREAD_START and three BESIDE payloads */
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_while_flushing),
        cmocka_unit_test(holes_are_skipped),
        cmocka_unit_test(missing_chunks_are_counted_and_named),
        cmocka_unit_test(bad_rows_cost_the_rest_of_their_chunk),
        cmocka_unit_test(an_end_row_ends_a_chunk),
        cmocka_unit_test(cut_at_any_byte),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(hostile_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
