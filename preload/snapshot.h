/* SPDX-License-Identifier: MIT
 *
 * Pictures of the process's memory for the `snapshots` file, taken by the recorder itself where no
 * `seep run` stands by: the kernel's RSS split, and mappings with the residency of their pages.
 * Taken on the back of allocations, for at most a hundredth of the time that passes; what takes
 * long in slices, each in an event of its own, so that no call waits for more than a fraction of a
 * millisecond. */
#ifndef REC_SNAPSHOT_H
#define REC_SNAPSHOT_H

#include <stdint.h>

/* Forgets what was spent; at the start, and in a forked child. */
void rec_snapshot_init(void);

/* Takes one if the budget allows it and no parent does; and tells where the recorder's own memory
 * lies if that has changed, which no parent can know. Returns the ticks after which it should be
 * asked to go on with what it has begun; UINT64_MAX: nothing goes on. Signals need not be blocked.
 */
uint64_t rec_snapshot_if_due(void);

/* Takes one at this moment, whatever it costs; also under `seep run`, which cannot see a process's
 * last moment. */
void rec_snapshot_now(void);

#endif
