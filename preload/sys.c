/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <stdatomic.h>
#include <sys/mman.h>

#ifndef SIG_BLOCK
#define SIG_BLOCK 0
#define SIG_SETMASK 2
#endif

/* What is ours, for who looks at the whole memory of the process (graph_regions.h). A place for
 * each thread's state, and for all else; what finds none is not told of. */
#define OWN_MAX (17u << 10)
#define PAGE_BYTES 4096

static struct {
    _Atomic uintptr_t start; /* 0: free */
    _Atomic uintptr_t bytes; /* 0: not known yet */
} own[OWN_MAX];
static _Atomic size_t own_free; /* there is none before, or few */
static _Atomic size_t own_end;  /* none was ever taken from here on */
static _Atomic size_t own_version;

static void note_own(uintptr_t start, size_t bytes)
{
    for (size_t i = atomic_load(&own_free); i < OWN_MAX; i++) {
        uintptr_t none = 0;
        if (!atomic_compare_exchange_strong(&own[i].start, &none, start))
            continue;
        atomic_store(&own[i].bytes, bytes);
        atomic_fetch_add(&own_version, 1);
        atomic_store(&own_free, i + 1);
        for (size_t last = atomic_load(&own_end); last <= i;)
            if (atomic_compare_exchange_weak(&own_end, &last, i + 1))
                break;
        return;
    }
}

static void forget_own(uintptr_t start)
{
    for (size_t i = 0, last = atomic_load(&own_end); i < last; i++) {
        if (atomic_load(&own[i].start) != start)
            continue;
        atomic_store(&own[i].bytes, 0);
        atomic_store(&own[i].start, 0);
        atomic_fetch_add(&own_version, 1);
        if (i < atomic_load(&own_free))
            atomic_store(&own_free, i);
        return;
    }
}

bool sys_memory_next(size_t *position, uintptr_t *start, uintptr_t *end)
{
    while (*position < atomic_load(&own_end)) {
        size_t i = (*position)++;
        *start = atomic_load(&own[i].start);
        size_t bytes = atomic_load(&own[i].bytes);
        *end = *start + ((bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1));
        if (*start && bytes)
            return true;
    }
    return false;
}

size_t sys_memory_version(void)
{
    return atomic_load(&own_version);
}

void *sys_memory(size_t bytes)
{
    void *p = sys_memory_kept(bytes);
    if (p)
        sys_call(SYS_madvise, p, bytes, MADV_WIPEONFORK);
    return p;
}

void *sys_memory_kept(size_t bytes)
{
    long p = sys_call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (sys_failed(p))
        return NULL;
    note_own((uintptr_t)p, bytes);
    return (void *)p;
}

void sys_memory_blank(void *at, size_t bytes)
{
    sys_call(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void sys_memory_free(void *p, size_t bytes)
{
    if (p == NULL)
        return;
    forget_own((uintptr_t)p);
    sys_call(SYS_munmap, p, bytes);
}

void sys_populate(void *p, size_t bytes)
{
    sys_call(SYS_madvise, p, bytes,
             23); /* MADV_POPULATE_WRITE, not in the headers of every glibc */
}

uint64_t sys_signals_block(void)
{
    uint64_t all = ~0ull, mask = 0;
    sys_call(SYS_rt_sigprocmask, SIG_BLOCK, &all, &mask, sizeof mask);
    return mask;
}

void sys_signals_restore(uint64_t mask)
{
    sys_call(SYS_rt_sigprocmask, SIG_SETMASK, &mask, 0, sizeof mask);
}

bool sys_readable(const void *p)
{
    /* The kernel copies the new mask before it looks at `how`: EFAULT where it cannot be read, else
     * EINVAL, and nothing has changed. The eight bytes must not cross a page. */
    long r = sys_call(SYS_rt_sigprocmask, -1, (uintptr_t)p & ~(uintptr_t)7, 0, 8);
    return r != -14; /* EFAULT */
}
