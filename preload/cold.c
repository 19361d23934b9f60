/* SPDX-License-Identifier: MIT */
#include "cold.h"

#include "lock.h"
#include "private_stack.h"

static struct rec_lock lock;

/* In place of a mask: signals were blocked already. Of no mask: SIGKILL is never blocked. */
#define BLOCKED_BEFORE (1ull << (9 - 1))

uint64_t rec_cold_lock(void)
{
    if (!rec_private_stack_here())
        return rec_lock(&lock);
    rec_lock_take(&lock);
    return BLOCKED_BEFORE;
}

void rec_cold_unlock(uint64_t mask)
{
    if (mask == BLOCKED_BEFORE)
        rec_lock_give(&lock);
    else
        rec_unlock(&lock, mask);
}

void rec_cold_reset(void)
{
    rec_lock_reset(&lock);
}
