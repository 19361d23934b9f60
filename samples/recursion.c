/* SPDX-License-Identifier: MIT
 *
 * Recursion 50000 frames deep, deeper than any recorder keeps whole: counts are exact all the same,
 * and the frames next to the allocation are there.
 *
 * truth: allocations=6 frees=1 reallocations=0 allocated_bytes=132
 * truth: live_blocks=5 live_bytes=100 peak_live_bytes=132
 * leak: blocks=1 bytes=20 stack=keep < bottom < dive < dive < dive < dive < dive < dive
 */
#include <stdlib.h>

static void *volatile kept;
static volatile int steps;

__attribute__((noinline)) static void keep(void)
{
    kept = malloc(20);
}

__attribute__((noinline)) static void bottom(void)
{
    keep();
    void *p = malloc(32);
    free(p);
    steps++;
}

__attribute__((noinline, optimize("no-optimize-sibling-calls"))) static void dive(int depth)
{
    if (depth % 10000 == 0 && depth)
        kept = malloc(20);
    if (depth < 49999)
        dive(depth + 1);
    else
        bottom();
    steps++;
}

int main(void)
{
    dive(0);
    return 0;
}
