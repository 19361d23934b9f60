/* SPDX-License-Identifier: MIT
 * jemalloc's own functions, 50 times each, mixed with the standard ones; each with a size of its
 * own. Prints what must be recorded: operation, call, size, alignment, times. Linked with jemalloc;
 * with WEAK, it asks whether jemalloc is there and does nothing if not, as some programs do. */
#include <stdio.h>
#include <stdlib.h>

#define TIMES 50
#define ALIGN_128 7 /* MALLOCX_LG_ALIGN(7) */

#ifdef WEAK
#define FOREIGN __attribute__((weak))
#else
#define FOREIGN
#endif
FOREIGN void *mallocx(size_t bytes, int flags);
FOREIGN void *rallocx(void *p, size_t bytes, int flags);
FOREIGN size_t xallocx(void *p, size_t bytes, size_t extra, int flags);
FOREIGN void dallocx(void *p, int flags);
FOREIGN void sdallocx(void *p, size_t bytes, int flags);
FOREIGN size_t nallocx(size_t bytes, int flags);

void *(*volatile by_pointer)(size_t, int);

int main(void)
{
    static char buffer[65536]; /* what stdio would allocate */
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
#ifdef WEAK
    if (!mallocx || !dallocx) {
        puts("no jemalloc");
        return 0;
    }
#endif
    by_pointer = mallocx;
    for (int i = 0; i < TIMES; i++) {
        dallocx(mallocx(1001, 0), 0);
        sdallocx(mallocx(1152, ALIGN_128), 1152, ALIGN_128);
        free(by_pointer(1009, 0));
        dallocx(rallocx(malloc(1013), 70013, 0), 0);
        void *p = mallocx(1019, 0);
        if (xallocx(p, 1021, 0, 0) < 1021 || xallocx(p, 1 << 20, 0, 0) >= 1 << 20 ||
            nallocx(1031, 0) < 1031)
            return 1;
        free(p);
    }
    printf("alloc mallocx 1001 0 %d\nfree dallocx 1001 0 %d\n", TIMES, TIMES);
    printf("alloc mallocx 1152 128 %d\nfree dallocx 1152 0 %d\n", TIMES, TIMES);
    printf("alloc mallocx 1009 0 %d\nfree free 1009 0 %d\n", TIMES, TIMES);
    printf("alloc malloc 1013 0 %d\nrealloc rallocx 70013 0 %d\n", TIMES, TIMES);
    printf("free dallocx 70013 0 %d\n", TIMES);
    printf("alloc mallocx 1019 0 %d\nrealloc xallocx 1021 0 %d\n", TIMES, TIMES);
    printf("failed xallocx %d 0 %d\nfree free 1021 0 %d\n", 1 << 20, TIMES, TIMES);
}
