/* SPDX-License-Identifier: MIT */
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

char *mem_strdup(const char *s)
{
    return checked(strdup(s), strlen(s) + 1);
}

char *mem_strndup(const char *s, size_t n)
{
    return checked(strndup(s, n), n + 1);
}
