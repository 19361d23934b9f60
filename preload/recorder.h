/* SPDX-License-Identifier: MIT
 *
 * The life of a recording within one process image: starting, stopping, being forked.
 *
 * A program may call malloc before any constructor has run, and fork at any time: so whether the
 * recorder runs is asked at every event, by one load of a word in a page that the kernel wipes in a
 * forked child (MADV_WIPEONFORK). */
#ifndef REC_RECORDER_H
#define REC_RECORDER_H

#include "hidden.h"
#include "seep/trace_format.h"

#include <stdbool.h>
#include <stdint.h>

struct rec_thread;

#define REC_ALIVE 0x5345455052554e21u /* any value but 0, which is what a wiped page reads */
#define REC_STOPPED 1u                /* the same process, which records no more */

extern volatile uint64_t *rec_alive REC_HIDDEN; /* never NULL: points to a zero before the start */

/* The state of the calling thread where that is not at hand: starts the recorder if need be, and
 * the thread. NULL: off, or no memory; the caller's event was counted as lost. */
struct rec_thread *rec_thread_slow(void);

/* Ends recording for good: passes calls through from now on, says so once, and notes why. From then
 * on the recorder makes no system call, nor reads the time stamp counter. */
void rec_stop(enum seep_stop reason);
bool rec_is_off(void);

/* In the child of a fork, before anything else: `stamp` was read right before it. `inside`: a hook
 * of ours that a signal handler interrupted is on the stack. */
void rec_forked(uint64_t stamp, bool inside);

/* Counts an event that is not recorded. */
void rec_lost(enum seep_lost reason);

/* The largest tail, bytes. */
uint32_t rec_tail_max(void);

/* Called with signals blocked after a tail was written out: renews what the control page says. */
void rec_after_write_out(void);

/* Renews the control page's pair of stamp and monotonic time. */
void rec_renew_clock(void);

#endif
