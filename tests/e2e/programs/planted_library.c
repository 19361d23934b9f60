/* SPDX-License-Identifier: MIT
 *
 * Blocks in use and lost ones of an opened library, for planted.cpp. */
#include <stdlib.h>

struct node {
    struct node *next;
    char name[24];
};

static struct node *kept;

__attribute__((noinline)) void keep_in_library(int n)
{
    while (n-- > 0) {
        struct node *more = calloc(1, sizeof *more);
        more->next = kept;
        kept = more;
    }
}

/* Three in a row. */
__attribute__((noinline)) void lose_in_library(void)
{
    struct node *last = NULL;
    for (int i = 0; i < 3; i++) {
        struct node *more = calloc(1, sizeof *more);
        more->next = last;
        last = more;
    }
    __asm__ volatile("" : : "r"(last) : "memory"); /* or nothing of it would be there */
}
