/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <sys/mman.h>

#ifndef SIG_BLOCK
#define SIG_BLOCK 0
#define SIG_SETMASK 2
#endif

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
    return sys_failed(p) ? NULL : (void *)p;
}

void sys_memory_blank(void *at, size_t bytes)
{
    sys_call(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void sys_memory_free(void *p, size_t bytes)
{
    if (p)
        sys_call(SYS_munmap, p, bytes);
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
