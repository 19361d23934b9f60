/* SPDX-License-Identifier: MIT
 *
 * What a program has mapped itself, against a page-wise account of the same calls. */
#include "trace/mapped.h"

#include "seep/trace_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PAGES 64
#define BASE 0x7f0000000000u
#define PAGE 4096u

static uint64_t seed = 7;

static uint32_t below(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % limit;
}

static bool take(struct mapped *m, const uint64_t *numbers, size_t count)
{
    uint8_t payload[80], *p = payload;
    for (size_t i = 0; i < count; i++)
        p = seep_put_varint(p, numbers[i]);
    return mapped_take(m, payload, (size_t)(p - payload));
}

static uint32_t pages_from(uint32_t start)
{
    return start == PAGES ? 0 : 1 + below(PAGES - start < 9 ? PAGES - start : 9);
}

static void ranges_are_those_of_the_pages(void **state)
{
    (void)state;
    struct mapped m = {0};
    bool ours[PAGES] = {false};
    for (unsigned n = 0; n < 20000; n++) {
        uint32_t start = below(PAGES), count = pages_from(start), kind = below(3);
        uint64_t address = BASE + (uint64_t)start * PAGE;
        /* lengths need not be whole pages */
        uint64_t bytes = (uint64_t)count * PAGE - below(2) * (PAGE - 1);
        if (kind == 0) {
            bool allocator = below(4) == 0;
            assert_true(take(&m, (uint64_t[]){SEEP_MAP_MMAP, allocator, address, bytes, 3, 2}, 6));
            memset(ours + start, !allocator, count);
        } else if (kind == 1) {
            assert_true(take(&m, (uint64_t[]){SEEP_MAP_MUNMAP, 0, address, bytes}, 4));
            memset(ours + start, false, count);
        } else {
            uint32_t to = below(PAGES), to_count = pages_from(to);
            bool all = memchr(ours + start, false, count) == NULL;
            assert_true(take(&m,
                             (uint64_t[]){SEEP_MAP_MREMAP, 0, address, bytes,
                                          BASE + (uint64_t)to * PAGE, (uint64_t)to_count * PAGE},
                             6));
            memset(ours + start, false, count);
            memset(ours + to, all, to_count);
        }
        for (uint32_t page = 0; page < PAGES; page++) {
            uint64_t at = BASE + (uint64_t)page * PAGE + below(PAGE);
            const struct mapped_range *range = mapped_find(&m, at);
            assert_int_equal(range != NULL, ours[page]);
            assert_true(range == NULL || (range->start <= at && at < range->end));
        }
        for (size_t i = 1; i < m.count; i++)
            assert_true(m.ranges[i - 1].end < m.ranges[i].start);
    }
    mapped_release(&m);
}

static void nonsense_changes_nothing(void **state)
{
    (void)state;
    struct mapped m = {0};
    assert_true(take(&m, (uint64_t[]){SEEP_MAP_MMAP, 0, BASE, PAGE, 3, 2}, 6));
    assert_false(take(&m, (uint64_t[]){SEEP_MAP_MUNMAP, 0, BASE}, 3));
    assert_false(take(&m, (uint64_t[]){9, 0, BASE, PAGE}, 4));
    assert_false(take(&m, (uint64_t[]){SEEP_MAP_MUNMAP, 0, BASE, UINT64_MAX}, 4));
    assert_false(take(&m, (uint64_t[]){SEEP_MAP_MREMAP, 0, BASE, PAGE, UINT64_MAX - 5, PAGE}, 6));
    assert_int_equal(m.count, 1);
    mapped_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_those_of_the_pages),
        cmocka_unit_test(nonsense_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
