/* SPDX-License-Identifier: MIT
 *
 * A program at a fixed address that takes the addresses of malloc and free: they are those of its
 * own jump table, and still every call is recorded. (Debian's python and node are such programs.)
 *
 * truth: allocations=12 frees=4 reallocations=0 allocated_bytes=240
 * truth: live_blocks=8 live_bytes=160 peak_live_bytes=180
 * leak: blocks=8 bytes=160 stack=take < main
 */
#include <stdlib.h>

static struct {
    void *(*take)(size_t);
    void (*give)(void *);
} functions;

static void *volatile kept;

__attribute__((noinline)) static void take(void)
{
    kept = functions.take(20);
}

int main(void)
{
    functions.take = malloc;
    functions.give = free;
    for (int i = 0; i < 8; i++)
        take();
    for (int i = 0; i < 4; i++)
        functions.give(malloc(20));
    return 0;
}
