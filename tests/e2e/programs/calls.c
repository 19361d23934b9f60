/* SPDX-License-Identifier: MIT
 * Every allocation function of C, 50 times each with a size of its own; blocks are freed by another
 * function each. Prints what must be recorded: operation, call, size, alignment, times. free_sized
 * and free_aligned_sized are called only where there is a recorder, which has them. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMES 50

void free_sized(void *p, size_t bytes) __attribute__((weak));
void free_aligned_sized(void *p, size_t alignment, size_t bytes) __attribute__((weak));
/* No header declares it any more, and only old programs are linked with it. */
void old_cfree(void *p);
__asm__(".symver old_cfree, cfree@GLIBC_2.2.5");

static void ended_by_free_sized(void *p, size_t bytes)
{
    if (free_sized)
        free_sized(p, bytes);
    else
        free(p);
}

static void ended_by_free_aligned_sized(void *p, size_t alignment, size_t bytes)
{
    if (free_aligned_sized)
        free_aligned_sized(p, alignment, bytes);
    else
        free(p);
}

static void *volatile out;

static int aligned(const void *p, size_t alignment)
{
    return alignment == 0 || (uintptr_t)p % alignment == 0;
}

static void *by_posix_memalign(size_t alignment, size_t bytes)
{
    void *p = (void *)1;
    int e = posix_memalign(&p, alignment, bytes);
    return e ? errno = e, NULL : p;
}

#define CALL(name, size, alignment, expression, ending, ending_name)                               \
    {                                                                                              \
        for (int i = 0; i < TIMES; i++) {                                                          \
            void *p = out = (expression);                                                          \
            if (p == NULL || malloc_usable_size(p) < (size) || !aligned(p, alignment))             \
                return 1;                                                                          \
            ending;                                                                                \
        }                                                                                          \
        printf("alloc %s %d %d %d\n", name, size, alignment, TIMES);                               \
        printf("free %s %d 0 %d\n", ending_name, size, TIMES);                                     \
    }

#define FAILS(name, size, expression)                                                              \
    {                                                                                              \
        for (int i = 0; i < TIMES; i++)                                                            \
            if ((out = (expression)) != NULL || errno == 0)                                        \
                return 2;                                                                          \
        printf("failed %s %zu 0 %d\n", name, (size_t)(size), TIMES);                               \
    }

int main(void)
{
    static char buffer[65536]; /* what stdio would allocate */
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    volatile size_t huge = SIZE_MAX / 2, many = SIZE_MAX / 4;

    CALL("malloc", 1001, 0, malloc(1001), free(p), "free")
    CALL("calloc", 1009, 0, calloc(1, 1009), old_cfree(p), "free")
    CALL("realloc", 1013, 0, realloc(NULL, 1013), free(p), "free")
    CALL("reallocarray", 1020, 0, reallocarray(NULL, 10, 102), free(p), "free")
    CALL("memalign", 1031, 64, memalign(64, 1031), free(p), "free")
    CALL("posix_memalign", 1033, 256, by_posix_memalign(256, 1033), free(p), "free")
    CALL("aligned_alloc", 1088, 32, aligned_alloc(32, 1088),
         ended_by_free_aligned_sized(p, 32, 1088), "free_sized")
    CALL("valloc", 1049, 4096, valloc(1049), free(p), "free")
    CALL("pvalloc", 1051, 4096, pvalloc(1051), free(p), "free")
    CALL("malloc", 1061, 0, malloc(1061), ended_by_free_sized(p, 1061), "free_sized")

    errno = 0;
    FAILS("malloc", huge, malloc(huge))
    FAILS("calloc", SIZE_MAX, calloc(many, 8))
    FAILS("realloc", huge - 1, realloc(NULL, huge - 1))
    FAILS("reallocarray", SIZE_MAX, reallocarray(NULL, many, 8))
    FAILS("memalign", huge, memalign(64, huge))
    FAILS("posix_memalign", huge, by_posix_memalign(64, huge))
    FAILS("posix_memalign", 777, by_posix_memalign(3, 777))
    FAILS("aligned_alloc", huge, aligned_alloc(64, huge))
    FAILS("valloc", huge, valloc(huge))
    FAILS("pvalloc", huge, pvalloc(huge))
    /* the block that could not grow stays, and is whole */
    char *kept = malloc(1063);
    kept[1062] = 'k';
    for (int i = 0; i < TIMES; i++)
        if (realloc(kept, huge - 3) || reallocarray(kept, many, 8) || kept[1062] != 'k')
            return 3;
    free(kept);
    printf("alloc malloc 1063 0 1\nfree free 1063 0 1\n");
    printf("failed realloc %zu 0 %d\n", huge - 3, TIMES);
    printf("failed reallocarray %zu 0 %d\n", (size_t)SIZE_MAX, TIMES);
    free(NULL);
    return malloc_usable_size(NULL) != 0;
}
