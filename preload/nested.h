/* SPDX-License-Identifier: MIT
 *
 * Events of a signal handler that interrupted a hook of its own thread. The thread's tail and
 * stacks are in the middle of something, so the event waits in a small queue, with its raw stack,
 * until the interrupted hook is done: some nanoseconds of its own time later.
 *
 * A handler may also leave by longjmp, and then the hook never ends. That is told from the stack:
 * a handler that interrupted the hook has the hook's frames, code of ours, below its own. */
#ifndef REC_NESTED_H
#define REC_NESTED_H

#include "event.h"

struct rec_thread;

/* The calling thread was in a hook already. True: it still is; the event was kept, or counted as
 * lost where there was no room. False: that hook never came back; the state is sound again and the
 * event is to be recorded as usual. `event` NULL: only asks. */
bool rec_nested_keep(struct rec_thread *t, const struct rec_event *event, struct rec_context at);

/* Writes what waits. The calling thread is outside any hook. */
void rec_nested_drain(struct rec_thread *t);

/* Notes where our own code lies. */
void rec_nested_init(void);

#endif
