/* SPDX-License-Identifier: MIT
 *
 * A thread that makes calls as another one: it sets its thread pointer to the other's, whose
 * variables the allocator then finds - the cache, the arena, the heap of that thread. Whose turn it
 * is so changes within nanoseconds, where waking the other takes microseconds.
 *
 * The other must sleep meanwhile. What the kernel knows a thread by stays: nothing may begin or end
 * a thread in another's guise. */
#ifndef REPLAYER_GUISE_H
#define REPLAYER_GUISE_H

#include <stdbool.h>

#if defined(__x86_64__)
#include <sys/auxv.h>

#define GUISE_HWCAP2_FSGSBASE 2u /* the kernel's HWCAP2_FSGSBASE, which old headers lack */

/* Whether this processor and kernel let a program set it. */
static inline bool guise_is_there(void)
{
    return getauxval(AT_HWCAP2) & GUISE_HWCAP2_FSGSBASE;
}

/* The calling thread's own pointer, while it has no other's. */
static inline void *guise_own(void)
{
    void *pointer;
    __asm__ volatile("movq %%fs:0, %0" : "=r"(pointer));
    return pointer;
}

static inline void guise_take(void *pointer)
{
    __asm__ volatile("wrfsbase %0" : : "r"(pointer) : "memory");
}
#else
static inline bool guise_is_there(void)
{
    return false;
}

static inline void *guise_own(void)
{
    return 0;
}

static inline void guise_take(void *pointer)
{
    (void)pointer;
}
#endif

#endif
