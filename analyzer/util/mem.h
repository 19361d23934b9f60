/* SPDX-License-Identifier: MIT
 * Memory of the analyser: an allocation that fails ends the program with one line and status 2;
 * sizes that come from a file are bounded by its reader first. */
#ifndef UTIL_MEM_H
#define UTIL_MEM_H

#include <stddef.h>

/* Like malloc, calloc, reallocarray and strdup, but never NULL. Owned by the caller, free(). */
void *mem_alloc(size_t bytes) __attribute__((returns_nonnull));
void *mem_zalloc(size_t count, size_t bytes) __attribute__((returns_nonnull));
void *mem_resize(void *p, size_t count, size_t bytes) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
char *mem_strndup(const char *s, size_t n) __attribute__((returns_nonnull));

/* `bytes` is a multiple of the alignment, a power of two; aligned so where the allocator can. */
void *mem_aligned(size_t alignment, size_t bytes) __attribute__((returns_nonnull));

/* Asks for huge pages for memory that is visited all over, if it is large: addresses are then
 * looked up, and pages faulted in, far less often. Only a wish. */
void mem_wish_huge(const void *p, size_t bytes);

/* Makes room for `need` elements in the array `*p` of capacity `*capacity`, doubling it. */
#define MEM_GROW(p, capacity, need)                                                                \
    do {                                                                                           \
        if ((need) > (capacity)) {                                                                 \
            size_t grown_ = (capacity) ? (size_t)(capacity)*2 : 16;                                \
            if (grown_ < (size_t)(need))                                                           \
                grown_ = (size_t)(need);                                                           \
            (p) = mem_resize((p), grown_, sizeof *(p));                                            \
            (capacity) = grown_;                                                                   \
        }                                                                                          \
    } while (0)

#endif
