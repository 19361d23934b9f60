/* SPDX-License-Identifier: MIT
 *
 * Allocates before any constructor of a library has run, in constructors, and after main.
 *
 * truth: allocations=16 frees=2 reallocations=0 allocated_bytes=376
 * truth: live_blocks=14 live_bytes=350 peak_live_bytes=350
 * leak: blocks=2 bytes=20 stack=take < preinit
 * leak: blocks=3 bytes=60 stack=take < first
 * leak: blocks=4 bytes=120 stack=take < main
 * leak: blocks=5 bytes=150 stack=take < last
 */
#include <stdlib.h>

static void *volatile kept;

static void take(int blocks, size_t bytes) __attribute__((always_inline));
static inline void take(int blocks, size_t bytes)
{
    for (int i = 0; i < blocks; i++)
        kept = malloc(bytes);
}

static void preinit(int argc, char **argv, char **env)
{
    (void)argc;
    (void)argv;
    (void)env;
    take(2, 10);
}
/* The loader calls these before the constructors of preloaded libraries. */
__attribute__((section(".preinit_array"), used)) static void (*preinit_entry)(int, char **,
                                                                              char **) = preinit;

__attribute__((constructor(101))) static void first(void)
{
    take(3, 20);
}

__attribute__((destructor(101))) static void last(void)
{
    take(5, 30);
}

static void at_exit(void)
{
    free(malloc(13));
}

int main(void)
{
    take(4, 30);
    free(malloc(13));
    return atexit(at_exit);
}
