/* SPDX-License-Identifier: MIT
 *
 * fork() and _Fork(), interposed for two reasons. The moment of the fork is to be known, where the
 * child itself may record its first event much later. And a signal handler may fork that
 * interrupted one of our hooks: in the child the hook goes on when the handler returns, but the
 * tail it was about to write into is not there. Whoever forks by a system call of its own is not
 * seen here; only that last case is then not safe.
 *
 * Other ways were considered. pthread_atfork() is not told of _Fork(), which is the one that a
 * handler is supposed to call, takes a lock and may allocate. Tails that a child inherits would be
 * the parent's own memory: a late row of the child would fall among the parent's. */
#ifndef REC_FORK_H
#define REC_FORK_H

#include "hook.h"

#include <sys/types.h>

/* In a forked child: a hook is done that a handler interrupted to fork. Its row, if it was not
 * there at the fork, is no part of either spool: then the event is recorded once more. */
void rec_fork_over(struct rec_thread *t, const struct rec_event *event, struct rec_context at);

HOOK pid_t fork(void);
HOOK pid_t _Fork(void);

#endif
