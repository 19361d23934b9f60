/* SPDX-License-Identifier: MIT
 *
 * Which words of the current stack may be read.
 *
 * Nobody tells where a stack ends: it may be the main thread's, a pthread's, an alternate signal
 * stack, a fibre's. So the bounds are learned page by page, by asking the kernel whether a page can
 * be read (sys_readable, some 100 ns), from the stack pointer upwards and only as far as walks
 * reach. That needs no lock, no descriptor and no memory, stays right when stacks are switched, and
 * cannot outlive a stack for long: a stack that is entered anew is learned anew. Rejected:
 * /proc/self/maps (30 to 1,000 us, a descriptor, a buffer) and pthread_getattr_np (allocates). */
#ifndef REC_STACK_BOUNDS_H
#define REC_STACK_BOUNDS_H

#include "unwind.h"

/* Makes `b` the bounds of the stack around `sp`, which the calling thread is on or was interrupted
 * on. Only to be called when `sp` lies outside of it. */
void rec_stack_bounds_enter(struct rec_stack_bounds *b, uintptr_t sp);

/* Raises b->high until the word at `address` lies below it. False if that is not possible. */
bool rec_stack_bounds_reach(struct rec_stack_bounds *b, uintptr_t address);

#endif
