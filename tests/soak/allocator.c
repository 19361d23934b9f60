/* SPDX-License-Identifier: MIT
 * An allocator without locks, to be preloaded behind the recorder: a signal handler may enter it
 * again, and a freed block is the next one that any thread gets, which is hardest on the order of
 * events. Blocks of powers of two, cut off one large region; a list of free ones per size. With
 * SLOW, a call that ends a block may return long after another thread has got it. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define REGION_BYTES ((size_t)64 << 30)
#define HEADER_BYTES 32u /* before a block: its class, and its link while it is free */
#define CLASSES 40

struct header {
    uint32_t class;
    _Atomic uint32_t next; /* in units of 16 bytes from the region's start; 0: none */
};

/* Heads of the lists: a change count above, so that a list changed meanwhile is noticed, and the
 * unit below. */
static _Atomic uint64_t heads[CLASSES];
static _Atomic(char *) region;
static _Atomic size_t used;

static char *start(void)
{
    char *now = atomic_load(&region);
    if (now == NULL) {
        char *mapped = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (atomic_compare_exchange_strong(&region, &now, mapped))
            now = mapped;
    }
    return now;
}

static struct header *header_of(void *p)
{
    return (struct header *)((char *)p - HEADER_BYTES);
}

static void *take(size_t bytes)
{
    uint32_t class = 5;
    while (((size_t)1 << class) < bytes)
        class ++;
    char *base = start();
    uint64_t head = atomic_load(&heads[class]);
    while ((uint32_t)head != 0) {
        struct header *h = (struct header *)(base + (size_t)(uint32_t)head * 16);
        uint64_t next = ((head >> 32) + 1) << 32 | atomic_load(&h->next);
        if (atomic_compare_exchange_weak(&heads[class], &head, next))
            return (char *)h + HEADER_BYTES;
    }
    size_t at = atomic_fetch_add(&used, HEADER_BYTES + ((size_t)1 << class)) + HEADER_BYTES;
    struct header *h = (struct header *)(base + at);
    h->class = class;
    return (char *)h + HEADER_BYTES;
}

void *malloc(size_t bytes)
{
    return take(bytes);
}

void free(void *p)
{
    if (p == NULL)
        return;
    struct header *h = header_of(p);
    uint64_t unit = (size_t)((char *)h - start()) / 16, head = atomic_load(&heads[h->class]);
    do
        atomic_store(&h->next, (uint32_t)head);
    while (!atomic_compare_exchange_weak(&heads[h->class], &head, ((head >> 32) + 1) << 32 | unit));
#ifdef SLOW
    static _Atomic uint32_t calls;
    if (atomic_fetch_add(&calls, 1) % 16 == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
#endif
}

size_t malloc_usable_size(void *p)
{
    return p ? (size_t)1 << header_of(p)->class : 0;
}

void *calloc(size_t count, size_t bytes)
{
    void *p = take(count * bytes);
    return memset(p, 0, count * bytes);
}

void *realloc(void *old, size_t bytes)
{
    if (old && bytes <= malloc_usable_size(old) && bytes > malloc_usable_size(old) / 4)
        return old;
    void *p = take(bytes);
    if (old) {
        size_t had = malloc_usable_size(old);
        memcpy(p, old, had < bytes ? had : bytes);
        free(old);
    }
    return p;
}

/* Alignments above 32 are not needed where this is used, and not had. */
int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    if (alignment > HEADER_BYTES)
        return ENOMEM;
    *out = take(bytes);
    return 0;
}

void *memalign(size_t alignment, size_t bytes)
{
    return alignment > HEADER_BYTES ? NULL : take(bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return memalign(alignment, bytes);
}
