/* SPDX-License-Identifier: MIT
 *
 * Tables that grow a little at a time: whatever was added is found at any time, by readers without
 * a lock too; no one who adds does the work of others; memory is given back. */
#include "table.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ADDED 300000
/* The most that one who adds an entry may wait for: places copied, bytes asked for or given back.
 */
#define PLACES_MOST 20
#define BYTES_MOST (256u << 10)

/* Numbers, and 0 is none. */
static uint64_t put_in(const struct rec_places *places, uint64_t number)
{
    _Atomic uint64_t *entries = places->entries;
    uint64_t i = number * 0x9e3779b97f4a7c15ull >> places->shift;
    while (entries[i] != 0)
        i = (i + 1) & places->mask;
    entries[i] = number;
    return i;
}

static uint64_t copy(const struct rec_places *from, uint64_t first, uint64_t count,
                     const struct rec_places *to)
{
    const _Atomic uint64_t *entries = from->entries;
    uint64_t copied = 0;
    assert_true(first + count <= from->mask + 1);
    for (uint64_t i = first; i < first + count; i++) {
        if (entries[i] == 0)
            continue;
        put_in(to, entries[i]);
        copied++;
    }
    return copied;
}

static struct rec_table table = {.entry_bytes = sizeof(uint64_t), .copy = copy};
static _Atomic uint64_t added; /* all numbers up to it */

static bool has(uint64_t number)
{
    const struct rec_places *places = rec_table_places(&table);
    const _Atomic uint64_t *entries = places->entries;
    for (uint64_t i = number * 0x9e3779b97f4a7c15ull >> places->shift;; i = (i + 1) & places->mask)
        if (entries[i] == number || entries[i] == 0)
            return entries[i] == number;
}

static void add(void)
{
    uint64_t number = added + 1;
    uint64_t place = put_in(rec_table_places(&table), number);
    table.used++;
    const struct rec_places *next = rec_table_beyond(&table, place);
    if (next) {
        put_in(next, number);
        table.next_used++;
    }
    added = number;
}

static uint64_t state = 88172645463325252u;

static uint64_t random_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t resident(const struct rec_places *p)
{
    uint64_t bytes = (p->mask + 1) * sizeof(uint64_t), count = 0;
    size_t pages = bytes / 4096;
    unsigned char *there = calloc(pages, 1);
    assert_int_equal(mincore(p->entries, bytes, there), 0);
    for (size_t i = 0; i < pages; i++)
        count += there[i] & 1;
    free(there);
    return count * 4096;
}

static void test_a_little_at_a_time(void **unused)
{
    (void)unused;
    added = 0;
    assert_true(rec_table_init(&table));
    unsigned grown = 0;
    while (added < ADDED) {
        const struct rec_places *now = rec_table_places(&table), *next = table.next;
        uint64_t copied = table.copied, bytes = table.bytes;
        assert_true(rec_table_room(&table, 1));
        if (rec_table_places(&table) != now) {
            grown++;
            assert_ptr_equal(rec_table_places(&table), next);
            assert_true(now->mask + 1 - copied <= PLACES_MOST);
            assert_int_equal(table.used, added);
        } else if (next) {
            assert_ptr_equal(table.next, next);
            assert_true(table.copied - copied <= PLACES_MOST);
        }
        if (rec_table_places(&table) == now) {
            assert_true(bytes - table.bytes + BYTES_MOST <= 2 * BYTES_MOST);
        }
        add();
        assert_true(table.used * 8 <= 5 * (rec_table_places(&table)->mask + 1));
        for (unsigned i = 0; i < 3; i++)
            assert_true(has(1 + random_number() % added));
        assert_false(has(added + 1 + random_number() % ADDED));
    }
    assert_true(grown >= 6);
    for (uint64_t n = 1; n <= added; n++)
        assert_true(has(n));
}

/* What is ready is there before an entry asks for it; what was left is gone. */
static void test_memory(void **unused)
{
    (void)unused;
    added = 0;
    assert_true(rec_table_init(&table));
    const struct rec_places *former = NULL;
    while (added < ADDED) {
        const struct rec_places *now = rec_table_places(&table);
        assert_true(rec_table_room(&table, 1));
        if (rec_table_places(&table) != now) {
            former = now;
            now = rec_table_places(&table);
            assert_int_equal(resident(now), (now->mask + 1) * sizeof(uint64_t));
        } else if (former && !table.former) {
            assert_int_equal(resident(former), 0);
            assert_int_equal(table.bytes, (now->mask + 1) * sizeof(uint64_t));
            former = NULL;
        }
        add();
    }
}

static void test_many_at_once(void **unused)
{
    (void)unused;
    added = 0;
    assert_true(rec_table_init(&table));
    while (added < ADDED) {
        uint64_t more = 1 + random_number() % (random_number() % 16 == 0 ? 20000 : 300);
        assert_true(rec_table_room(&table, more));
        for (uint64_t i = 0; i < more; i++)
            add();
        assert_true(table.used * 8 <= 5 * (rec_table_places(&table)->mask + 1));
        assert_int_equal(table.used, added);
        for (unsigned i = 0; i < 100; i++)
            assert_true(has(1 + random_number() % added));
    }
    for (uint64_t n = 1; n <= added; n++)
        assert_true(has(n));
}

static void test_forgets(void **unused)
{
    (void)unused;
    for (uint64_t most = 2000; most < 40000; most += 700) {
        added = 0;
        assert_true(rec_table_init(&table));
        while (added < most) {
            assert_true(rec_table_room(&table, 1));
            add();
        }
        rec_table_forget(&table);
        for (uint64_t n = 1; n <= most; n++)
            assert_false(has(n));
        added = most;
        for (unsigned i = 0; i < 9000; i++) {
            assert_true(rec_table_room(&table, 1));
            add();
            assert_true(has(most + 1 + random_number() % (added - most)));
            assert_false(has(1 + random_number() % most));
        }
    }
}

static atomic_bool stop;

/* Misses are looked up again under the lock; a reader that still holds a table that is given back
 * may miss once. */
static void *read_all_the_time(void *missed)
{
    uint64_t seed = 12345;
    while (!stop) {
        uint64_t most = added;
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t number = 1 + (seed >> 20) % (most ? most : 1);
        if (most && !has(number) && !has(number) && !has(number))
            ++*(uint64_t *)missed;
    }
    return NULL;
}

static void test_readers(void **unused)
{
    (void)unused;
    uint64_t missed = 0;
    pthread_t reader;
    added = 0;
    stop = false;
    assert_true(rec_table_init(&table));
    assert_int_equal(pthread_create(&reader, NULL, read_all_the_time, &missed), 0);
    while (added < ADDED) {
        assert_true(rec_table_room(&table, 1));
        add();
    }
    stop = true;
    pthread_join(reader, NULL);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_little_at_a_time),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_forgets),
        cmocka_unit_test(test_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
