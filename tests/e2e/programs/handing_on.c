/* SPDX-License-Identifier: MIT
 *
 * Six functions that have 1,000 bytes each, in one block that stays to the end. What they get it by
 * is chosen when this is compiled:
 *
 *   -DHANDED_ON   node_new(), which asks node_memory(), which asks malloc: both only hand on
 *   -DONE_CALLER  the same, but 9,000 further bytes by way of them are the first function's
 *   -DRECURSIVE   parse(), which makes nodes, and calls the six, which call it
 *   -DOWN         malloc itself */
#include <stdlib.h>

#define APART __attribute__((noipa)) static

enum { BYTES = 1000 };

/* Kept as a frame of its own: no jump to what is called last. */
static void *volatile kept;

#if defined HANDED_ON || defined ONE_CALLER
APART void *node_memory(size_t bytes)
{
    return kept = malloc(bytes);
}

APART void *node_new(size_t bytes)
{
    return kept = node_memory(bytes);
}
#define ASK() kept = node_new(BYTES)
#elif defined RECURSIVE
static void parse(int what);
#define ASK() parse(-1)
#else
#define ASK() kept = malloc(BYTES)
#endif

APART void numbers(void)
{
#ifdef ONE_CALLER
    for (int i = 0; i < 9; i++)
        ASK();
#endif
    ASK();
}

APART void strings(void)
{
    ASK();
}

APART void lists(void)
{
    ASK();
}

APART void tables(void)
{
    ASK();
}

APART void symbols(void)
{
    ASK();
}

APART void files(void)
{
    ASK();
}

static void (*const all[])(void) = {numbers, strings, lists, tables, symbols, files};

#ifdef RECURSIVE
__attribute__((noipa)) static void parse(int what)
{
    if (what < 0)
        kept = malloc(BYTES);
    else
        all[what]();
    kept = kept;
}
#endif

int main(void)
{
    for (int i = 0; i < 6; i++)
#ifdef RECURSIVE
        parse(i);
#else
        all[i]();
#endif
    return 0;
}
