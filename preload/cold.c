/* SPDX-License-Identifier: MIT */
#include "cold.h"

#include "lock.h"

static struct rec_lock lock;

uint64_t rec_cold_lock(void)
{
    return rec_lock(&lock);
}

void rec_cold_unlock(uint64_t mask)
{
    rec_unlock(&lock, mask);
}

void rec_cold_reset(void)
{
    rec_lock_reset(&lock);
}
