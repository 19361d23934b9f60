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

#include "nested.h"
#include "unwind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The furthest that an inner call's frame lies below its outer call's. */
#define REC_PENDING_REACH 1024

/* In place of a call: what ends the block has been recorded already. */
#define REC_PENDING_RECORDED UINT32_MAX

struct rec_allocation {
    struct rec_context at; /* of the outer hook; sp 0: nothing announced */
    size_t bytes;          /* what the program asked for */
    size_t alignment;
    uint32_t call; /* enum seep_call */
    bool consumed; /* an inner call was recorded in its name */
    bool failed;   /* and returned NULL: an exception may leave the announcement standing */
};

struct rec_free {
    uintptr_t block; /* that an outer delete is about to end, or 0 */
    uint32_t call;
    struct rec_context at; /* where from */
};

/* A hook whose real function may call other hooks; see below. */
struct rec_inside {
    uintptr_t sp; /* its CFA, or 0 */
    uintptr_t pc; /* its return address */
};

struct rec_pending {
    struct rec_allocation outer;
    struct rec_free freed;
    struct rec_inside inside;
};

extern __thread struct rec_pending rec_pending __attribute__((tls_model("initial-exec")));

/* Whether a hook's return address is still in its place. One that was left by a jump is told by
 * that, as soon as the program has used the stack otherwise. */
static inline bool rec_pending_returns(uintptr_t sp, uintptr_t pc)
{
    return pc != 0 && ((const uintptr_t *)sp)[-1] == pc; /* 0: left before it was noted */
}

static inline bool rec_pending_above(uintptr_t sp)
{
    return __builtin_expect(rec_pending.outer.at.sp != 0, 0) &&
           rec_pending.outer.at.sp - sp - 1 < REC_PENDING_REACH;
}

/* An allocator we do not know may build its calloc and realloc on its malloc and free, by their
 * public names. What happens directly below such a hook is part of the one call it records. */
static inline bool rec_pending_inside(uintptr_t sp)
{
    return __builtin_expect(rec_pending.inside.sp != 0, 0) &&
           rec_pending.inside.sp - sp - 1 < REC_PENDING_REACH &&
           rec_pending_returns(rec_pending.inside.sp, rec_pending.inside.pc);
}

/* Announces an outer allocation; keeps an announcement that this call is itself the inner one of.
 * True: it is ours, to be closed with rec_pending_close().
 *
 * A handler may interrupt this anywhere and announce its own. What it finds begun (at.sp, written
 * first and taken away last, says so) it puts into `found`, and gives it back when it closes. */
static inline bool rec_pending_open(uint32_t call, size_t bytes, size_t alignment,
                                    struct rec_context at, struct rec_allocation *found)
{
    found->at.sp = 0;
    if (__builtin_expect(rec_pending.outer.at.sp != 0, 0)) {
        if (rec_pending_above(at.sp) && !rec_pending.outer.failed &&
            rec_pending.outer.bytes == bytes)
            return false;
        if (rec_nested_below(at))
            *found = rec_pending.outer;
    }
    struct rec_allocation *outer = &rec_pending.outer;
    outer->at.sp = at.sp;
    __asm__ volatile("" ::: "memory");
    outer->at.pc = at.pc;
    outer->at.fp = at.fp;
    outer->bytes = bytes;
    outer->alignment = alignment;
    outer->call = call;
    outer->consumed = false;
    outer->failed = false;
    return true;
}

/* True: some inner hook has recorded it. */
static inline bool rec_pending_close(const struct rec_allocation *found)
{
    bool consumed = rec_pending.outer.consumed;
    __asm__ volatile("" ::: "memory");
    if (__builtin_expect(found->at.sp != 0, 0))
        rec_pending.outer = *found;
    else
        rec_pending.outer.at.sp = 0;
    return consumed;
}

/* True if a call of `bytes` bytes is the inner one of an announced call. Libraries round up what
 * they pass on: nothing to one byte, aligned sizes to the alignment. */
static inline bool rec_pending_covers(size_t bytes, struct rec_context at)
{
    const struct rec_allocation *outer = &rec_pending.outer;
    return rec_pending_above(at.sp) &&
           bytes - outer->bytes <= (outer->alignment ? outer->alignment - 1 : 1) &&
           rec_pending_returns(outer->at.sp, outer->at.pc);
}

#endif
