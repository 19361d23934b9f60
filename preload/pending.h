/* SPDX-License-Identifier: MIT
 *
 * Calls that make another interposed call: `operator new` calls malloc, reallocarray calls realloc.
 * One block must be recorded once, under the name the program used and with the program's stack,
 * whether or not the outer function really makes the inner call (an allocator's own operator new
 * does not). So the outer hook announces itself here; the inner hook that sees the same size a
 * little deeper on the stack records the event in its name; and the outer one records it itself if
 * nobody did. Nothing is suppressed wholesale, and an announcement that an exception or a longjmp
 * left standing is told by its place on the stack, and replaced by the next. */
#ifndef REC_PENDING_H
#define REC_PENDING_H

#include "unwind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The furthest that an inner call's frame lies below its outer call's. */
#define REC_PENDING_REACH 1024

struct rec_pending {
    struct rec_context at; /* of the outer hook; sp 0: nothing announced */
    size_t bytes;          /* what the program asked for */
    size_t alignment;
    uint32_t call;    /* enum seep_call */
    bool consumed;    /* an inner call was recorded in its name */
    bool failed;      /* and returned NULL: an exception may leave the announcement standing */
    uintptr_t inside; /* CFA of a hook whose real function may call other hooks, or 0; see below */
    uintptr_t freed;  /* block that an outer delete is about to end, or 0 */
    uint32_t freed_call;
    struct rec_context freed_at; /* where from */
};

extern __thread struct rec_pending rec_pending __attribute__((tls_model("initial-exec")));

static inline bool rec_pending_above(uintptr_t sp)
{
    return __builtin_expect(rec_pending.at.sp != 0, 0) &&
           rec_pending.at.sp - sp - 1 < REC_PENDING_REACH;
}

/* An allocator we do not know may build its calloc and realloc on its malloc and free, by their
 * public names. What happens directly below such a hook is part of the one call it records. */
static inline bool rec_pending_inside(uintptr_t sp)
{
    return __builtin_expect(rec_pending.inside != 0, 0) &&
           rec_pending.inside - sp - 1 < REC_PENDING_REACH;
}

/* Announces an outer allocation; keeps an announcement that this call is itself the inner one of.
 * True: it is ours, to be closed with rec_pending_close(). */
static inline bool rec_pending_open(uint32_t call, size_t bytes, size_t alignment,
                                    struct rec_context at)
{
    if (rec_pending_above(at.sp) && !rec_pending.failed && rec_pending.bytes == bytes)
        return false;
    rec_pending.at = at;
    rec_pending.bytes = bytes;
    rec_pending.alignment = alignment;
    rec_pending.call = call;
    rec_pending.consumed = rec_pending.failed = false;
    return true;
}

/* True: some inner hook has recorded it. */
static inline bool rec_pending_close(void)
{
    rec_pending.at.sp = 0;
    return rec_pending.consumed;
}

/* True if a call of `bytes` bytes is the inner one of an announced call. Libraries round up what
 * they pass on: nothing to one byte, aligned sizes to the alignment. */
static inline bool rec_pending_covers(size_t bytes, struct rec_context at)
{
    return rec_pending_above(at.sp) &&
           bytes - rec_pending.bytes <= (rec_pending.alignment ? rec_pending.alignment - 1 : 1);
}

#endif
