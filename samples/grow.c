/* SPDX-License-Identifier: MIT
 *
 * A log that is never trimmed and a table that doubles: memory that is reachable and grows.
 *
 * truth: allocations=1001 frees=1 reallocations=10 allocated_bytes=96752
 * truth: live_blocks=1000 live_bytes=64000 peak_live_bytes=80384
 * leak: blocks=1000 bytes=64000 stack=log_add < work < main
 */
#include <stdlib.h>

struct entry {
    struct entry *next;
    char text[56];
};

static struct entry *newest;
static volatile int steps;

__attribute__((noinline)) static void log_add(void)
{
    struct entry *e = malloc(sizeof *e);
    e->next = newest;
    newest = e;
}

struct table {
    int *values; /* owned */
    int count, capacity;
};

/* Capacity 4, then 8, 16, ... 4096: 16 bytes allocated, 32 ... 16384 by reallocations. */
__attribute__((noinline)) static void table_add(struct table *t, int value)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 4;
        t->values = realloc(t->values, (size_t)t->capacity * sizeof *t->values);
    }
    t->values[t->count++] = value;
}

__attribute__((noinline)) static void work(struct table *t)
{
    for (int i = 0; i < 1000; i++)
        log_add();
    for (int i = 0; i < 4000; i++)
        table_add(t, i);
    steps++;
}

int main(void)
{
    struct table t = {0};
    work(&t);
    free(t.values);
    return 0;
}
