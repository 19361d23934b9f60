/* SPDX-License-Identifier: MIT
 *
 * Events of a signal handler that interrupted a hook of its own thread. The thread's tail and walk
 * are in the middle of something, so the event goes to a second lane of the thread, which only
 * handlers write, each event in one go with signals blocked. It is a row in shared memory at once,
 * like any other: the handler may end the process, or never return, and nothing is missing.
 *
 * A handler may also leave by longjmp, and then the hook never ends. That is told from the stack:
 * a handler that interrupted the hook has the hook's frames, code of ours, below its own. */
#ifndef REC_NESTED_H
#define REC_NESTED_H

#include "event.h"

struct rec_thread;

/* The calling thread was in a hook already. True: it still is; the event is recorded, or counted as
 * lost where there is no memory. False: that hook never came back; the state is sound again and the
 * event is to be recorded as usual. */
bool rec_nested_record(struct rec_thread *t, const struct rec_event *event, struct rec_context at);

/* Whether a hook of the calling thread is below `at` on its stack, or may be. */
bool rec_nested_below(struct rec_context at);

/* Whether a frame of the walk is code of ours, or may be: a hook is below. */
bool rec_nested_runs_through_us(const struct rec_walk *walk);

/* Notes where our own code lies. */
void rec_nested_init(void);

#endif
