/* SPDX-License-Identifier: MIT
 *
 * Every shape of a reallocation. One of NULL makes a block, one to 0 bytes ends it, free(NULL) is
 * nothing, and a failed call changes nothing.
 *
 * truth: allocations=4 frees=3 reallocations=5 failed=3 allocated_bytes=1017380
 * truth: live_blocks=1 live_bytes=5000 peak_live_bytes=1009100
 * leak: blocks=1 bytes=5000 stack=keep < main
 * valgrind: no, it counts what failed calls asked for
 */
#include <stdint.h>
#include <stdlib.h>

static void *volatile kept;

__attribute__((noinline)) static void keep(void *p)
{
    kept = realloc(p, 5000);
}

int main(void)
{
    volatile size_t huge = SIZE_MAX / 4;

    char *a = realloc(NULL, 100);          /* an allocation */
    a = realloc(a, 1000000);               /* moves, into a mapping of its own */
    char *b = reallocarray(NULL, 10, 100); /* an allocation */
    b = reallocarray(b, 20, 100);          /* 2000 */
    b = realloc(b, 180);                   /* shrinks in place */
    char *c = malloc(0);                   /* a block of no bytes */
    c = realloc(c, 3000);                  /* 3000 */

    void *failed = realloc(b, huge); /* fails: b stays */
    if (failed)
        return 1;
    failed = malloc(huge);
    if (failed)
        return 1;
    failed = calloc(huge, 8); /* the product overflows */
    if (failed)
        return 1;

    free(NULL);
    b = realloc(b, 0); /* a free */
    if (b)
        return 1;
    b = malloc(6100);
    free(b);
    keep(c); /* 5000, at the end still live */
    free(a);
    return 0;
}
