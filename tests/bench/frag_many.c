/* SPDX-License-Identifier: MIT
 *
 * Five million calls that keep up to a million blocks of 16 to 255 bytes, with a picture of the
 * pages at every 25,000th: what reading so many takes, `./dev bench frag` tells. */
#include "seep/seep.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 1000000u
#define CALLS 5000000u
#define PICTURE_CALLS 25000u

static char *blocks[BLOCKS];
static uint64_t state = 88172645463325252u;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

__attribute__((noinline)) static char *make(void)
{
    size_t bytes = 16 + (size_t)(next() % 240);
    char *block = malloc(bytes);
    if (!block)
        abort();
    memset(block, 1, bytes);
    return block;
}

static void count(uint64_t *calls)
{
    if (++*calls % PICTURE_CALLS == 0)
        seep_memory();
}

int main(void)
{
    uint64_t calls = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = make();
        count(&calls);
    }
    while (calls < CALLS) {
        size_t i = (size_t)(next() % BLOCKS);
        free(blocks[i]);
        count(&calls);
        blocks[i] = make();
        count(&calls);
    }
    return 0;
}
