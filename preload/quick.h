/* SPDX-License-Identifier: MIT
 *
 * The way that nearly every event takes: a block was made, or is about to end, in a thread that is
 * known and in no other hook. What the program waits for is here, in one piece and without a call;
 * whatever is unusual goes the long way, by rec_enter() and rec_record() (event.h). */
#ifndef REC_QUICK_H
#define REC_QUICK_H

#include "seep/trace_format.h"
#include "unwind.h"

#include <stddef.h>

/* Where a hook was called from, told by its frame's address alone, for that fits in a register. */
static inline const uintptr_t *rec_quick_frame(struct rec_context at)
{
    return (const uintptr_t *)at.sp - 2;
}

/* Records what an allocation returned, in the name of the outer call that it serves, if there is
 * one. `p` NULL: it failed. */
void rec_quick_made(enum seep_call call, void *p, size_t bytes, size_t alignment,
                    const uintptr_t *frame);

/* Records that `p`, not NULL, is about to be freed; likewise. */
void rec_quick_ended(enum seep_call call, void *p, const uintptr_t *frame);

#endif
