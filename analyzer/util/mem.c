/* SPDX-License-Identifier: MIT */
#include "util/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)
#define WISH_FROM_BYTES (4 * HUGE_BYTES) /* what is smaller may be used to a small part only */

static void *checked(void *p, size_t bytes)
{
    if (p == NULL) {
        fprintf(stderr, "seep: out of memory (%zu bytes wanted)\n", bytes);
        _Exit(2);
    }
    return p;
}

void *mem_alloc(size_t bytes)
{
    return checked(malloc(bytes ? bytes : 1), bytes);
}

void *mem_zalloc(size_t count, size_t bytes)
{
    return checked(calloc(count ? count : 1, bytes ? bytes : 1), count * bytes);
}

void *mem_aligned(size_t alignment, size_t bytes)
{
    void *p = aligned_alloc(alignment, bytes);
    return p ? p : mem_alloc(bytes); /* some allocators that are preloaded align no further */
}

void *mem_resize(void *p, size_t count, size_t bytes)
{
    return checked(reallocarray(p, count ? count : 1, bytes ? bytes : 1), count * bytes);
}

void mem_wish_huge(const void *p, size_t bytes)
{
    uintptr_t from = ((uintptr_t)p + HUGE_BYTES - 1) & -(uintptr_t)HUGE_BYTES;
    uintptr_t to = ((uintptr_t)p + bytes) & -(uintptr_t)HUGE_BYTES;
    if (bytes >= WISH_FROM_BYTES && from < to)
        madvise((void *)from, to - from, MADV_HUGEPAGE); /* NOLINT(performance-no-int-to-ptr) */
}

char *mem_strdup(const char *s)
{
    return checked(strdup(s), strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t n)
{
    return checked(strndup(s, n), n + 1);
}
