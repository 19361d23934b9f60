/* SPDX-License-Identifier: MIT
 *
 * Stops all other threads of the process for a moment, and learns their registers.
 *
 * By a signal, whose handler waits until it may go on. It is the second of the two that glibc keeps
 * to itself, to change the user of all threads: no program can block it through glibc, as many
 * block all others in all of their threads but one; and a thread that gets it late, when glibc's
 * handler is back, ignores it, since it is not from glibc. Our handler hands glibc's own on to
 * glibc.
 *
 * A handler makes system calls fail with EINTR, some of them even with SA_RESTART: poll, nanosleep,
 * sigsuspend and others. A program that never uses signals does not expect that. So what call a
 * thread is in is asked before it is stopped, and when it goes on such a call is begun again, as
 * the kernel does with the others, unless there is another signal that it is to see. A relative
 * timeout of poll() and epoll_wait() then begins again. */
#ifndef REC_GRAPH_STOP_H
#define REC_GRAPH_STOP_H

#include "graph_plan.h"

#include <ucontext.h>

/* Adds a thread to plan->threads for each other one of the process, stopped where answered is set.
 * They will go on: `calls` tells whether their system calls matter. All signals must be blocked.
 * False: they cannot be listed; some may stand nevertheless. */
bool rec_graph_stop(struct rec_graph_plan *plan, bool calls);

/* Lets them go on. To be called also where rec_graph_stop() failed. False: one of them may still
 * look at the plan. */
bool rec_graph_release(void);

/* In a forked child: nobody is stopped. */
void rec_graph_stop_init(void);

/* Fills in what is known of the calling thread, but for registers and sp. */
void rec_graph_stop_self(struct rec_graph_thread *t);

/* The same in a signal handler, which was given `context`: of what it interrupted. */
void rec_graph_stop_interrupted(struct rec_graph_thread *t, const ucontext_t *context);

/* Makes the system call begin again that a signal has ended with EINTR, where that is one that does
 * not do so by itself, and no other signal is waiting. `t` as noted before, or NULL: then only
 * where the code says which call it was. */
void rec_graph_hide_interruption(const struct rec_graph_thread *t, ucontext_t *context);

/* A signal's action as the kernel has it, and the way back from handlers. */
struct rec_kernel_action {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};
#define REC_KERNEL_RESTORER 0x04000000ul
void rec_graph_sigreturn(void);

#endif
