/* SPDX-License-Identifier: MIT
 *
 * The lock of the recorder's cold paths. It is held for microseconds, never while the allocator or
 * the loader could be called, and with signals blocked, so that no handler finds it taken by the
 * thread it interrupted. */
#ifndef REC_LOCK_H
#define REC_LOCK_H

#include "sys.h"

#include <stdatomic.h>

struct rec_lock {
    atomic_uint taken;
};

/* Returns the signal mask to hand back to rec_unlock(). */
static inline uint64_t rec_lock(struct rec_lock *l)
{
    uint64_t mask = sys_signals_block();
    while (atomic_exchange_explicit(&l->taken, 1, memory_order_acquire))
        sys_call(SYS_sched_yield);
    return mask;
}

static inline void rec_unlock(struct rec_lock *l, uint64_t mask)
{
    atomic_store_explicit(&l->taken, 0, memory_order_release);
    sys_signals_restore(mask);
}

#endif
