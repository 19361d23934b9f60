/* SPDX-License-Identifier: MIT
 *
 * Every way to ask for aligned memory.
 *
 * truth: allocations=7 frees=6 reallocations=0 allocated_bytes=5212
 * truth: live_blocks=1 live_bytes=4096 peak_live_bytes=5212
 * leak: blocks=1 bytes=4096 stack=page_keep < main
 * valgrind: no, it aborts at pvalloc
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

static void *volatile kept;

__attribute__((noinline)) static void page_keep(void)
{
    kept = memalign(4096, 4096);
}

static int misaligned(const void *p, uintptr_t alignment)
{
    return !p || (uintptr_t)p % alignment != 0;
}

int main(void)
{
    void *blocks[6] = {0};
    int bad = 0;

    blocks[0] = memalign(64, 100);
    bad |= misaligned(blocks[0], 64);
    bad |= posix_memalign(&blocks[1], 128, 200) != 0;
    bad |= misaligned(blocks[1], 128);
    blocks[2] = aligned_alloc(256, 512);
    bad |= misaligned(blocks[2], 256);
    blocks[3] = valloc(101);
    bad |= misaligned(blocks[3], 4096);
    blocks[4] = pvalloc(102); /* gives a whole page; 102 were asked for */
    bad |= misaligned(blocks[4], 4096);
    bad |= malloc_usable_size(blocks[4]) < 4096;
    blocks[5] = memalign(32, 101);
    bad |= misaligned(blocks[5], 32);
    page_keep();
    for (int i = 0; i < 6; i++)
        free(blocks[i]);
    return bad;
}
