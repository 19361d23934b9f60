/* SPDX-License-Identifier: MIT */
#include "cold.h"

#include "sys.h"

#include <linux/futex.h>
#include <stdatomic.h>

/* 0 free, 1 taken, 2 taken and somebody waits (U. Drepper, "Futexes Are Tricky", mutex 2). Waiting
 * in the kernel rather than spinning: the holder may have a lower real-time priority. */
static atomic_uint state;

uint64_t rec_cold_lock(void)
{
    uint64_t mask = sys_signals_block();
    unsigned seen = 0;
    if (!atomic_compare_exchange_strong_explicit(&state, &seen, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        while (atomic_exchange_explicit(&state, 2, memory_order_acquire) != 0)
            sys_call(SYS_futex, &state, FUTEX_WAIT_PRIVATE, 2, 0);
    }
    return mask;
}

void rec_cold_unlock(uint64_t mask)
{
    if (atomic_exchange_explicit(&state, 0, memory_order_release) == 2)
        sys_call(SYS_futex, &state, FUTEX_WAKE_PRIVATE, 1);
    sys_signals_restore(mask);
}

void rec_cold_reset(void)
{
    atomic_store_explicit(&state, 0, memory_order_relaxed);
}
