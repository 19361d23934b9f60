/* SPDX-License-Identifier: MIT
 *
 * The lock of the recorder's cold paths. It is held for microseconds, never while the allocator or
 * the loader could be called, and with signals blocked, so that no handler finds it taken by the
 * thread it interrupted. */
#ifndef REC_LOCK_H
#define REC_LOCK_H

#include "sys.h"

#include <linux/futex.h>
#include <stdatomic.h>

struct rec_lock {
    /* 0 free, 1 taken, 2 taken and somebody waits (U. Drepper, "Futexes Are Tricky", mutex 2).
     * Waiting in the kernel rather than spinning: the holder may have a lower priority. */
    atomic_uint state;
};

/* With signals blocked already. */
static inline void rec_lock_take(struct rec_lock *l)
{
    unsigned seen = 0;
    if (!atomic_compare_exchange_strong_explicit(&l->state, &seen, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        while (atomic_exchange_explicit(&l->state, 2, memory_order_acquire) != 0)
            sys_call(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, 2, 0);
    }
}

static inline void rec_lock_give(struct rec_lock *l)
{
    if (atomic_exchange_explicit(&l->state, 0, memory_order_release) == 2)
        sys_call(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1);
}

/* Returns the signal mask to hand back to rec_unlock(). */
static inline uint64_t rec_lock(struct rec_lock *l)
{
    uint64_t mask = sys_signals_block();
    rec_lock_take(l);
    return mask;
}

static inline void rec_unlock(struct rec_lock *l, uint64_t mask)
{
    rec_lock_give(l);
    sys_signals_restore(mask);
}

/* In a forked child: the thread that held it may be gone. */
static inline void rec_lock_reset(struct rec_lock *l)
{
    atomic_store_explicit(&l->state, 0, memory_order_relaxed);
}

#endif
