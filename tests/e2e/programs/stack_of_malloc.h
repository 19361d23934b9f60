/* SPDX-License-Identifier: MIT */
#ifndef STACK_OF_MALLOC_H
#define STACK_OF_MALLOC_H

#include <stdlib.h>

#define PAINTED_BYTES (48u << 10)
#define PAINT 0xa5

/* Allocates a block, and returns how many bytes of the stack below its caller's frame that took.
 * Part of its caller, which is not to be inlined itself. What lies below the stack pointer is
 * painted by an instruction, for a call would use it. */
static inline __attribute__((always_inline)) size_t stack_of_malloc(void *volatile *block)
{
    unsigned char *top;
    __asm__ volatile("mov %%rsp, %0" : "=r"(top));
    unsigned char *low = top - PAINTED_BYTES, *to = low;
    size_t count = PAINTED_BYTES;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(PAINT) : "memory");
    *block = malloc(100);
    while (low < top && *(volatile unsigned char *)low == PAINT)
        low++;
    return (size_t)(top - low);
}

#endif
