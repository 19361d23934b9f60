/* SPDX-License-Identifier: MIT
 *
 * What every interposed function is made of: what it calls once the real function has returned, or
 * before it frees. */
#ifndef REC_HOOK_H
#define REC_HOOK_H

#include "clock.h"
#include "event.h"
#include "pending.h"
#include "real.h"

#define HOOK __attribute__((visibility("default"), noinline))

#define HOOK_PAGE_BYTES 4096

/* Bytes of `count` elements; as many as there can be where that overflows. */
static inline size_t hook_product(size_t count, size_t bytes)
{
    size_t total;
    return __builtin_mul_overflow(count, bytes, &total) ? SIZE_MAX : total;
}

static inline size_t hook_usable(void *p, size_t bytes)
{
    return rec_real.usable_size ? rec_real.usable_size(p) : bytes;
}

/* Puts the event in the name of the outer call it serves, if there is one: returns where that was
 * called from, else `at`. */
static inline struct rec_context hook_serve_outer(struct rec_event *e, struct rec_context at)
{
    if (__builtin_expect(!rec_pending_covers(e->block.size, at), 1))
        return at;
    struct rec_allocation *outer = &rec_pending.outer;
    e->call = outer->call;
    e->block.size = outer->bytes;
    e->block.alignment = outer->alignment;
    outer->consumed = true;
    outer->failed = e->row == SEEP_ROW_FAILED;
    return outer->at;
}

static inline void hook_allocated(enum seep_call call, void *p, size_t bytes, size_t alignment,
                                  struct rec_context at)
{
    if (rec_pending_inside(at.sp))
        return;
    struct rec_event e = {
        .row = p ? SEEP_ROW_ALLOC : SEEP_ROW_FAILED,
        .call = call,
        .block = {.address = (uintptr_t)p, .size = bytes, .alignment = alignment},
    };
    if (p)
        e.block.usable = hook_usable(p, bytes);
    at = hook_serve_outer(&e, at);
    struct rec_entry entry = rec_enter(at);
    if (entry.thread == NULL)
        return;
    e.stamp = rec_clock_stamp();
    rec_record(entry, &e, at);
}

/* A reallocation on its way: begun before the real function is called, and to be ended by
 * hook_reallocated(), or hook_left() where there is nothing to record. */
struct hook_change {
    struct rec_entry entry;
    uint64_t start; /* its stamp */
};

static inline struct hook_change hook_reallocates(struct rec_context at)
{
    struct hook_change change = {0};
    if (!rec_pending_inside(at.sp)) {
        change.entry = rec_enter(at);
        change.start = rec_clock_stamp();
    }
    return change;
}

static inline void hook_left(struct hook_change change)
{
    rec_leave(change.entry);
}

/* `old` NULL: the block is a new one. */
static inline void hook_reallocated(enum seep_call call, void *old, void *p, size_t bytes,
                                    size_t alignment, struct hook_change change,
                                    struct rec_context at)
{
    if (change.entry.thread == NULL)
        return;
    struct rec_event e = {
        .row = old ? SEEP_ROW_REALLOC : SEEP_ROW_ALLOC,
        .call = call,
        .stamp = change.start,
        .old_address = (uintptr_t)old,
        .block = {.address = (uintptr_t)p, .size = bytes},
    };
    if (old == NULL)
        e.block.alignment = alignment;
    if (p)
        e.block.usable = hook_usable(p, bytes);
    else
        e.row = old && bytes == 0 ? SEEP_ROW_FREE : SEEP_ROW_FAILED; /* realloc(p, 0) frees */
    at = hook_serve_outer(&e, at);
    if (__builtin_expect(!rec_entry_holds(change.entry), 0)) {
        change.entry = rec_enter(at);
        if (change.entry.thread == NULL)
            return;
        e.stamp = rec_clock_stamp(); /* the other one belongs to another recording */
    }
    e.end_stamp = rec_clock_stamp();
    if (old == NULL)
        e.stamp = e.end_stamp;
    rec_record(change.entry, &e, at);
}

static inline void hook_freed(enum seep_call call, void *p, struct rec_context at)
{
    if (rec_pending_inside(at.sp))
        return;
    if (__builtin_expect(rec_pending.freed.block == (uintptr_t)p, 0) &&
        rec_pending.freed.at.sp - at.sp < REC_PENDING_REACH) {
        call = rec_pending.freed.call;
        at = rec_pending.freed.at;
        __asm__ volatile("" ::: "memory"); /* last: until then a handler keeps both */
        rec_pending.freed.block = 0;
        if (call == REC_PENDING_RECORDED)
            return;
    }
    struct rec_entry entry = rec_enter(at);
    if (entry.thread == NULL)
        return;
    struct rec_event e = {
        .row = SEEP_ROW_FREE,
        .call = call,
        .stamp = rec_clock_stamp(),
        .old_address = (uintptr_t)p,
    };
    rec_record(entry, &e, at);
}

/* To stand around the real function in the hooks of what may be built on malloc and free. What
 * hook_enter() returns is for hook_leave(): the hook that a handler interrupted. */
static inline struct rec_inside hook_enter(struct rec_context at)
{
    struct rec_inside found = {0};
    if (__builtin_expect(rec_real.nests, 0) && !rec_pending_inside(at.sp)) {
        if (rec_pending.inside.sp && rec_nested_below(at))
            found = rec_pending.inside;
        rec_pending.inside.sp = at.sp;
        __asm__ volatile("" ::: "memory"); /* first: it says that the other is in use */
        rec_pending.inside.pc = at.pc;
    }
    return found;
}

static inline void hook_leave(struct rec_context at, struct rec_inside found)
{
    if (__builtin_expect(rec_pending.inside.sp == at.sp, 0))
        rec_pending.inside = found;
}

#endif
