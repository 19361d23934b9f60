/* SPDX-License-Identifier: MIT
 *
 * xmalloc(), which everybody has, with helpers of its own. numbers() gets 100 bytes by way of it,
 * strings() 200, and lists() 400 from a helper itself. Built with -rdynamic and stripped, the
 * helpers have no names, as in most libraries. */
#include <stdlib.h>

#define APART __attribute__((noipa))

/* Kept as a frame of its own: no jump to what is called last. */
static void *volatile kept;

APART static void *get_memory(size_t bytes)
{
    return kept = malloc(bytes);
}

APART static void *try_memory(size_t bytes)
{
    return kept = get_memory(bytes);
}

APART void *xmalloc(size_t bytes)
{
    return kept = try_memory(bytes);
}

APART void numbers(void)
{
    kept = xmalloc(100);
}

APART void strings(void)
{
    kept = xmalloc(200);
}

APART void lists(void)
{
    kept = get_memory(400);
}

int main(void)
{
    numbers();
    strings();
    lists();
    return 0;
}
