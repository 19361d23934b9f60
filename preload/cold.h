/* SPDX-License-Identifier: MIT
 *
 * The one lock of the cold paths that fill the tables of rules, stacks and modules.
 *
 * Held with all signals blocked, so that no handler finds it taken by the thread it interrupted,
 * and never across anything that could allocate, lock or call the loader. Readers of the tables
 * take no lock. */
#ifndef REC_COLD_H
#define REC_COLD_H

#include <stdint.h>

/* Returns the signal mask to give to rec_cold_unlock(). */
uint64_t rec_cold_lock(void);
void rec_cold_unlock(uint64_t mask);

/* In a forked child: the thread that held it may be gone. */
void rec_cold_reset(void);

#endif
