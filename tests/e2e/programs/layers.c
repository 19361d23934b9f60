/* SPDX-License-Identifier: MIT
 *
 * A program with an allocator of its own, in layers: pool_take() -> pool_refill() -> memory_get()
 * -> malloc. No library knows their names, so that all of it seems to come from memory_get().
 *
 *   from        by way of                            blocks  bytes each  leaked
 *   names       pool_take, pool_refill, memory_get       30         100      10
 *   values      pool_take, pool_refill, memory_get       20        1000       5
 *   lines       memory_get                               10         500      10
 *   table       malloc                                    1        4096       0
 *
 * 61 allocations, 32,096 bytes; everything is freed at the end, or leaked. */
#include <stdlib.h>

enum { NAMES = 30, VALUES = 20, LINES = 10 };

static void *kept[NAMES + VALUES + LINES + 1];
static size_t count;

__attribute__((noipa)) static void *memory_get(size_t bytes)
{
    return malloc(bytes);
}

__attribute__((noipa)) static void *pool_refill(size_t bytes)
{
    void *p = memory_get(bytes);
    __asm__ volatile("" ::"r"(p)); /* a frame of its own */
    return p;
}

__attribute__((noipa)) static void *pool_take(size_t bytes)
{
    void *p = pool_refill(bytes);
    __asm__ volatile("" ::"r"(p));
    return p;
}

__attribute__((noipa)) static void names(void)
{
    for (int i = 0; i < NAMES; i++)
        kept[count++] = pool_take(100);
}

__attribute__((noipa)) static void values(void)
{
    for (int i = 0; i < VALUES; i++)
        kept[count++] = pool_take(1000);
}

__attribute__((noipa)) static void lines(void)
{
    for (int i = 0; i < LINES; i++)
        kept[count++] = memory_get(500);
}

__attribute__((noipa)) static void table(void)
{
    kept[count++] = malloc(4096);
}

/* Forgets the first `lost` of `all` blocks from `first` on, and frees the others. */
static void drop(size_t first, size_t lost, size_t all)
{
    for (size_t i = first; i < first + all; i++) {
        if (i >= first + lost)
            free(kept[i]);
        kept[i] = NULL;
    }
}

int main(void)
{
    names();
    values();
    lines();
    table();
    drop(0, 10, NAMES);
    drop(NAMES, 5, VALUES);
    drop(NAMES + VALUES, 10, LINES);
    drop(NAMES + VALUES + LINES, 0, 1);
    return 0;
}
