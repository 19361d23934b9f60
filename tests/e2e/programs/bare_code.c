/* SPDX-License-Identifier: MIT
 *
 * Allocates 100 times each through code that no unwind data describes, made at run time: 111 bytes
 * through code that keeps a frame pointer, 222 through code that leaves rbp alone, 333 through code
 * that uses rbp for something else. At the end it recurses until its stack is full. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *volatile kept;
static volatile int sink;

/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
static const uint8_t with_frame_pointer[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
/* sub $24,%rsp; call *%rdi; add $24,%rsp; ret */
static const uint8_t without[] = {0x48, 0x83, 0xec, 0x18, 0xff, 0xd7, 0x48, 0x83, 0xc4, 0x18, 0xc3};
/* push %rbp; mov $0x1234567,%rbp; call *%rdi; pop %rbp; ret */
static const uint8_t other_use[] = {0x55, 0x48, 0xc7, 0xc5, 0x67, 0x45,
                                    0x23, 0x01, 0xff, 0xd7, 0x5d, 0xc3};

#define LEAF(name, bytes)                                                                          \
    __attribute__((noinline)) static void name(void)                                               \
    {                                                                                              \
        kept = malloc(bytes);                                                                      \
        sink = bytes;                                                                              \
    }
LEAF(leaf_111, 111)
LEAF(leaf_222, 222)
LEAF(leaf_333, 333)

__attribute__((noinline)) static void through(const uint8_t *code, size_t bytes, void (*leaf)(void))
{
    static uint8_t *page;
    if (!page)
        page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0);
    memcpy(page, code, bytes);
    for (int i = 0; i < 100; i++)
        ((void (*)(void (*)(void)))(uintptr_t)page)(leaf);
    sink = 1;
}

__attribute__((noinline)) static int descend(int depth)
{
    volatile char frame[1000];
    frame[0] = (char)depth;
    if (depth % 1000 == 0)
        kept = malloc(444);
    return descend(depth + 1) + frame[0];
}

int main(void)
{
    through(with_frame_pointer, sizeof with_frame_pointer, leaf_111);
    through(without, sizeof without, leaf_222);
    through(other_use, sizeof other_use, leaf_333);
    puts("done");
    fflush(stdout);
    return descend(1);
}
