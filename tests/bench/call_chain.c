/* SPDX-License-Identifier: MIT */
#include "call_chain.h"

static volatile unsigned sink;

typedef void chain(int depth, void (*leaf)(void), int calls);
static chain plain, registers, array, large;
static chain *volatile const links[] = {plain, registers, array, large};

#define NEXT(depth) links[(unsigned)(depth)*2654435761u >> 30]

__attribute__((noinline)) void call_chain(int depth, void (*leaf)(void), int calls)
{
    if (depth > 0)
        NEXT(depth)(depth - 1, leaf, calls);
    else
        for (int i = 0; i < calls; i++)
            leaf();
    sink = 1;
}

__attribute__((noinline)) static void plain(int depth, void (*leaf)(void), int calls)
{
    call_chain(depth - 1, leaf, calls);
    sink = 2;
}

__attribute__((noinline)) static void registers(int depth, void (*leaf)(void), int calls)
{
    unsigned a = sink, b = sink, c = sink, d = sink, e = sink;
    call_chain(depth - 1, leaf, calls);
    sink = a + b + c + d + e;
}

__attribute__((noinline)) static void array(int depth, void (*leaf)(void), int calls)
{
    volatile char bytes[200];
    bytes[0] = (char)depth;
    call_chain(depth - 1, leaf, calls);
    sink = (unsigned)bytes[0];
}

__attribute__((noinline)) static void large(int depth, void (*leaf)(void), int calls)
{
    volatile char bytes[3000];
    bytes[0] = (char)depth;
    call_chain(depth - 1, leaf, calls);
    sink = (unsigned)bytes[0];
}

__thread void (*turning_leaf)(void);

__attribute__((noinline)) void turn(void)
{
    static __thread unsigned turns;
    (turns++ & 1 ? plain : registers)(3, turning_leaf, 1);
    sink = 3;
}
