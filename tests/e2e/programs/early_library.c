/* SPDX-License-Identifier: MIT
 * For early.c: 501 a resolver of an ifunc, which runs before the recorder is relocated; 505 a
 * constructor before the recorder's, 527 a destructor after it. */
#include <stdlib.h>
#include <string.h>

#include "early_places.h"

static char *block;

static int function(void)
{
    return 2;
}
static int (*resolve(void))(void)
{
    allocate_at(501);
    block = strcpy(malloc(501), "early");
    return function;
}
static int resolved(void) __attribute__((ifunc("resolve")));

char *early_block(void)
{
    return block;
}

int library_function(void)
{
    return resolved();
}

__attribute__((constructor)) static void construct(void)
{
    allocate_at(505);
}
__attribute__((destructor)) static void destruct(void)
{
    allocate_at(527);
}
