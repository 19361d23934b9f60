/* SPDX-License-Identifier: MIT
 *
 * Names its phases for a recording; runs the same where nothing records.
 *
 * truth: allocations=30 frees=10 reallocations=0 allocated_bytes=3000
 * truth: live_blocks=20 live_bytes=2000 peak_live_bytes=2000
 * mark: loaded
 * mark: served
 * leak: blocks=10 bytes=1000 stack=load < main
 * leak: blocks=10 bytes=1000 stack=serve < main
 */
#include <seep/seep.h>
#include <stdlib.h>

static volatile int steps;

__attribute__((noinline)) static void load(void)
{
    for (int i = 0; i < 10; i++)
        if (!malloc(100))
            abort();
    steps++;
}

__attribute__((noinline)) static void serve(void)
{
    for (int i = 0; i < 10; i++) {
        free(malloc(100));
        if (!malloc(100))
            abort();
    }
    steps++;
}

int main(void)
{
    load();
    seep_mark("loaded");
    serve();
    seep_mark("served");
    return 0;
}
