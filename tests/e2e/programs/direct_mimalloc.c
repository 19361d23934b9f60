/* SPDX-License-Identifier: MIT
 * mimalloc's own functions, 50 times each with a size of its own. Prints what must be recorded:
 * operation, call, size, alignment, times. With HEAP, also one block of a heap that is destroyed as
 * a whole. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMES 50

void *mi_malloc(size_t), *mi_malloc_small(size_t), *mi_zalloc(size_t), *mi_calloc(size_t, size_t);
void *mi_mallocn(size_t, size_t), *mi_malloc_aligned(size_t, size_t);
void *mi_zalloc_aligned_at(size_t, size_t, size_t), *mi_memalign(size_t, size_t);
void *mi_realloc(void *, size_t), *mi_reallocn(void *, size_t, size_t), *mi_expand(void *, size_t);
void *mi_reallocf(void *, size_t), *mi_new(size_t), *mi_new_n(size_t, size_t);
char *mi_strdup(const char *), *mi_strndup(const char *, size_t);
int mi_posix_memalign(void **, size_t, size_t);
void mi_free(void *), mi_free_size(void *, size_t), mi_free_aligned(void *, size_t);
void *mi_heap_new(void), *mi_heap_malloc(void *, size_t);
void mi_heap_destroy(void *);

static void *by_posix_memalign(size_t alignment, size_t bytes)
{
    void *p;
    return mi_posix_memalign(&p, alignment, bytes) ? NULL : p;
}

#define PAIR(call, size, alignment, made, ending, ended)                                           \
    for (int i = 0; i < TIMES; i++) {                                                              \
        void *p = made;                                                                            \
        if (p == NULL)                                                                             \
            return 1;                                                                              \
        ended;                                                                                     \
    }                                                                                              \
    printf("alloc " call " %d %d %d\nfree " ending " %d 0 %d\n", size, alignment, TIMES, size,     \
           TIMES);

int main(void)
{
    static char buffer[65536]; /* what stdio would allocate */
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    char text[2048];
    memset(text, 'x', sizeof text);
    text[1086] = '\0';
    PAIR("malloc", 1001, 0, mi_malloc(1001), "free", mi_free(p))
    PAIR("malloc", 1002, 0, mi_mallocn(2, 501), "free_sized", mi_free_size(p, 1002))
    PAIR("malloc", 1003, 0, mi_malloc_small(1003), "free", free(p))
    PAIR("calloc", 1009, 0, mi_zalloc(1009), "free", mi_free(p))
    PAIR("calloc", 1010, 0, mi_calloc(10, 101), "free", mi_free(p))
    PAIR("aligned_alloc", 1013, 64, mi_malloc_aligned(1013, 64), "free", mi_free_aligned(p, 64))
    PAIR("aligned_alloc", 1019, 64, mi_zalloc_aligned_at(1019, 64, 8), "free", mi_free(p))
    PAIR("memalign", 1021, 64, mi_memalign(64, 1021), "free", mi_free(p))
    PAIR("posix_memalign", 1031, 64, by_posix_memalign(64, 1031), "free", mi_free(p))
    PAIR("malloc", 1087, 0, mi_strdup(text), "free", mi_free(p))
    PAIR("malloc", 1034, 0, mi_strndup(text, 1033), "free", mi_free(p))
    PAIR("new", 1039, 0, mi_new(1039), "free", mi_free(p))
    PAIR("new", 1040, 0, mi_new_n(2, 520), "free", mi_free(p))
    for (int i = 0; i < TIMES; i++) {
        void *p = mi_reallocn(mi_realloc(malloc(1051), 70051), 2, 70061);
        if (mi_expand(p, (size_t)1 << 40))
            return 2;
        if (mi_reallocf(p, SIZE_MAX / 4))
            return 3;
    }
    printf("alloc malloc 1051 0 %d\nrealloc realloc 70051 0 %d\n", TIMES, TIMES);
    printf("realloc reallocarray 140122 0 %d\nfailed realloc %zu 0 %d\n", TIMES, (size_t)1 << 40,
           TIMES);
    printf("free realloc 140122 0 %d\n", TIMES);
#ifdef HEAP
    void *heap = mi_heap_new();
    if (mi_heap_malloc(heap, 1061) == NULL)
        return 4;
    mi_heap_destroy(heap);
#endif
}
