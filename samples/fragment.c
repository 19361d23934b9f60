/* SPDX-License-Identifier: MIT
 *
 * Short-lived buffers between long-lived labels: once the buffers are gone every page is still held
 * by a few bytes.
 *
 * truth: allocations=4000 frees=2000 reallocations=0 allocated_bytes=4080000
 * truth: live_blocks=2000 live_bytes=80000 peak_live_bytes=4080000
 * leak: blocks=2000 bytes=80000 stack=label_new < fill < main
 */
#include <stdlib.h>

enum { COUNT = 2000 };

static void *buffers[COUNT];
static void *labels[COUNT];
static volatile int steps;

__attribute__((noinline)) static void *label_new(void)
{
    return calloc(2, 20);
}

__attribute__((noinline)) static void fill(void)
{
    for (int i = 0; i < COUNT; i++) {
        buffers[i] = malloc(2000);
        labels[i] = label_new();
    }
    steps++;
}

int main(void)
{
    fill();
    for (int i = 0; i < COUNT; i++)
        free(buffers[i]);
    return labels[0] == NULL;
}
