/* SPDX-License-Identifier: MIT
 * tcmalloc's own functions, 50 times each with a size of its own. Prints what must be recorded:
 * operation, call, size, alignment, times. */
#include <stdio.h>
#include <stdlib.h>

#define TIMES 50

void *tc_malloc(size_t), *tc_malloc_skip_new_handler(size_t), *tc_calloc(size_t, size_t);
void *tc_realloc(void *, size_t), *tc_memalign(size_t, size_t), *tc_valloc(size_t);
void *tc_pvalloc(size_t), *tc_new(size_t), *tc_newarray(size_t);
void *tc_new_aligned(size_t, size_t), *tc_newarray_aligned(size_t, size_t);
int tc_posix_memalign(void **, size_t, size_t);
void tc_free(void *), tc_free_sized(void *, size_t), tc_cfree(void *);
void tc_delete(void *), tc_delete_sized(void *, size_t), tc_deletearray(void *);
void tc_delete_aligned(void *, size_t), tc_deletearray_aligned(void *, size_t);

static void *by_posix_memalign(size_t alignment, size_t bytes)
{
    void *p;
    return tc_posix_memalign(&p, alignment, bytes) ? NULL : p;
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
    PAIR("malloc", 1001, 0, tc_malloc(1001), "free", tc_free(p))
    PAIR("malloc", 1009, 0, tc_malloc_skip_new_handler(1009), "free_sized", tc_free_sized(p, 1009))
    PAIR("calloc", 1010, 0, tc_calloc(10, 101), "free", tc_cfree(p))
    PAIR("memalign", 1013, 64, tc_memalign(64, 1013), "free", free(p))
    PAIR("posix_memalign", 1019, 128, by_posix_memalign(128, 1019), "free", tc_free(p))
    PAIR("valloc", 1021, 4096, tc_valloc(1021), "free", tc_free(p))
    PAIR("pvalloc", 1031, 4096, tc_pvalloc(1031), "free", tc_free(p))
    PAIR("new", 1033, 0, tc_new(1033), "delete", tc_delete(p))
    PAIR("new", 1039, 0, tc_new(1039), "delete", tc_delete_sized(p, 1039))
    PAIR("new[]", 1049, 0, tc_newarray(1049), "delete[]", tc_deletearray(p))
    PAIR("new", 1051, 64, tc_new_aligned(1051, 64), "delete", tc_delete_aligned(p, 64))
    PAIR("new[]", 1061, 64, tc_newarray_aligned(1061, 64), "delete[]",
         tc_deletearray_aligned(p, 64))
    for (int i = 0; i < TIMES; i++)
        if (tc_realloc(tc_realloc(malloc(1063), 1069), 0))
            return 2;
    printf("alloc malloc 1063 0 %d\nrealloc realloc 1069 0 %d\nfree realloc 1069 0 %d\n", TIMES,
           TIMES, TIMES);
}
