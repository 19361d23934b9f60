/* SPDX-License-Identifier: MIT
 *
 * A stack of our own for what is done rarely and takes much of one: the program's may be an
 * alternate signal stack, or a coroutine's of a few KiB.
 *
 * There is one, for one thread at a time, with all signals blocked. What runs on it must not wait
 * for another thread that may be waiting for it, and must not look at its own stack pointer for the
 * program's. It may be asked for before any other lock of the recorder, never behind one. */
#ifndef REC_PRIVATE_STACK_H
#define REC_PRIVATE_STACK_H

#include <stdbool.h>

/* Calls work(argument) there; at once, if this is there already. */
void rec_private_stack_run(void (*work)(void *), void *argument);

/* Whether the caller runs there, which is to say that signals are blocked. */
bool rec_private_stack_here(void);

/* In a forked child: the thread that was on it may be gone. */
void rec_private_stack_reset(void);

#endif
