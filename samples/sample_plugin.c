/* SPDX-License-Identifier: MIT
 *
 * Loaded by plugin.c. */
#include <stdlib.h>

void plugin_run(int blocks);

static volatile int steps;

__attribute__((noinline)) static void plugin_lose(void)
{
    if (!malloc(101))
        abort();
    steps++;
}

void plugin_run(int blocks)
{
    for (int i = 0; i < blocks; i++)
        plugin_lose();
    steps++;
}
