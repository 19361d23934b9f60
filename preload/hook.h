/* SPDX-License-Identifier: MIT
 *
 * What every interposed function is made of: what it calls once the real function has returned, or
 * before it frees. */
#ifndef REC_HOOK_H
#define REC_HOOK_H

#include "clock.h"
#include "event.h"
#include "hook_time.h"
#include "pending.h"
#include "quick.h"
#include "real.h"

#define HOOK __attribute__((visibility("default"), noinline))

#define HOOK_PAGE_BYTES 4096

/* Bytes of `count` elements; as many as there can be where that overflows. */
static inline size_t hook_product(size_t count, size_t bytes)
{
    size_t total;
    return __builtin_mul_overflow(count, bytes, &total) ? SIZE_MAX : total;
}

/* glibc's malloc_usable_size(), which is asked for every block: the chunk's size, whose low bits
 * are flags, less the word before the block. Chunks that are mappings of their own (bit 1) are
 * asked for, as are all where another library, or MALLOC_CHECK_ before 2.34, may count otherwise.
 */
static inline size_t hook_usable(void *p, size_t bytes)
{
    if (__builtin_expect(rec_real.chunks, 1)) {
        size_t chunk = ((const size_t *)p)[-1];
        if (__builtin_expect(!(chunk & 2), 1))
            return (chunk & ~(size_t)7) - sizeof chunk;
    }
    return rec_real.usable_size ? rec_real.usable_size(p) : bytes;
}

/* Puts an event in the name of the outer call that it serves, if there is one: returns where that
 * was called from, else `at`. */
static inline struct rec_context hook_serve_outer(enum seep_call *call, struct rec_block *block,
                                                  struct rec_context at)
{
    if (!rec_pending_covers(block->size, at))
        return at;
    struct rec_allocation *outer = &rec_pending.outer;
    *call = outer->call;
    block->size = outer->bytes;
    block->alignment = outer->alignment;
    outer->consumed = true;
    outer->failed = block->address == 0;
    return outer->at;
}

static inline void hook_allocated(enum seep_call call, void *p, size_t bytes, size_t alignment,
                                  struct rec_context at)
{
    struct hook_start start = rec_hook_time_start();
    rec_quick_made(call, p, bytes, alignment, rec_quick_frame(at));
    rec_hook_time_end(&start);
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
    at = hook_serve_outer(&e.call, &e.block, at);
    if (__builtin_expect(!rec_entry_holds(change.entry), 0)) {
        change.entry = rec_enter(at);
        if (change.entry.thread == NULL)
            return;
        e.stamp = rec_clock_stamp(); /* the other one belongs to another recording */
    }
    struct hook_start start = rec_hook_time_start();
    e.end_stamp = rec_clock_stamp();
    if (old == NULL)
        e.stamp = e.end_stamp;
    rec_record(change.entry, &e, at);
    rec_hook_time_end(&start);
}

static inline void hook_freed(enum seep_call call, void *p, struct rec_context at)
{
    struct hook_start start = rec_hook_time_start();
    rec_quick_ended(call, p, rec_quick_frame(at));
    rec_hook_time_end(&start);
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
