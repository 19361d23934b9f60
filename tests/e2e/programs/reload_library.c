/* SPDX-License-Identifier: MIT
 * For reload.c. Compiled with -DNAME=function that allocates, -DBYTES=how much. */
#include <stdlib.h>

void *volatile kept;

__attribute__((noinline)) void NAME(void)
{
    kept = malloc(BYTES);
}

void allocates(void)
{
    NAME();
    kept = 0;
}
