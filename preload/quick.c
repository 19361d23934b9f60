/* SPDX-License-Identifier: MIT */
#include "quick.h"

#include "hook.h"
#include "modules.h"
#include "rows_put.h"
#include "verify.h"

static inline struct rec_context context_of(const uintptr_t *frame)
{
    return (struct rec_context){
        .pc = frame[1],
        .sp = (uintptr_t)(frame + 2),
        .fp = frame[0],
    };
}

static __attribute__((noinline, cold)) void made_slowly(enum seep_call call, void *p, size_t bytes,
                                                        size_t alignment, const uintptr_t *frame)
{
    struct rec_context at = context_of(frame);
    if (rec_pending_inside(at.sp))
        return;
    struct rec_event e = {
        .row = p ? SEEP_ROW_ALLOC : SEEP_ROW_FAILED,
        .call = call,
        .block = {.address = (uintptr_t)p, .size = bytes, .alignment = alignment},
    };
    if (p)
        e.block.usable = hook_usable(p, bytes);
    at = hook_serve_outer(&e.call, &e.block, at);
    struct rec_entry entry = rec_enter(at);
    if (entry.thread == NULL)
        return;
    e.stamp = rec_clock_stamp();
    rec_record(entry, &e, at);
}

/* The calling thread's state, if nothing stands in the way of the quick one. */
static inline struct rec_thread *quick_thread(void)
{
    struct rec_thread *t = rec_thread_current;
    if (__builtin_expect(*rec_alive != REC_ALIVE || t == NULL || rec_pending.inside.sp != 0, 0))
        return NULL;
    return __builtin_expect(rec_thread_mark(t), 1) ? t : NULL;
}

static inline void begin(struct rec_thread *t, uintptr_t sp)
{
    t->busy = sp;
    __asm__ volatile("" ::: "memory"); /* before anything a handler could find half done */
}

static inline void end(struct rec_thread *t)
{
    __asm__ volatile("" ::: "memory");
    t->busy = 0;
    rec_thread_unmark(t);
}

void rec_quick_made(enum seep_call call, void *p, size_t bytes, size_t alignment,
                    const uintptr_t *frame)
{
    struct rec_thread *t = p ? quick_thread() : NULL;
    if (__builtin_expect(t == NULL, 0)) {
        made_slowly(call, p, bytes, alignment, frame);
        return;
    }
    struct rec_context at = context_of(frame);
    struct rec_block block = {
        .address = (uintptr_t)p,
        .size = bytes,
        .usable = hook_usable(p, bytes),
        .alignment = alignment,
    };
    at = hook_serve_outer(&call, &block, at);
    rec_stack_memo_fetch(&t->memo, &at, t->memo_served); /* reading the clock takes as long */
    uint64_t stamp = rec_clock_stamp();
    begin(t, at.sp);
    if (__builtin_expect(rec_modules_is_loader(at.pc), 0))
        rec_modules_check(t);
    const struct rec_stack_memo_entry *known = rec_stack_memo_find(&t->memo, &at, &t->bounds);
    uint32_t stack;
    t->memo_served = known != NULL;
    if (known) {
        rec_verify_walk(t, at, known->hash, known->cut, known->guessed);
        rec_event_missing(known->cut, known->guessed);
        stack = known->id;
    } else {
        const struct rec_context copy = at; /* what has its address taken is in no register */
        stack = rec_event_stack_new(t, &copy);
    }
    if (__builtin_expect(!row_put_alloc(t, call, stamp, stack, &block), 0))
        rec_event_lost(t);
    if (__builtin_expect(stamp - t->clock_last > t->clock_wait, 0)) {
        struct rec_event e = {.row = SEEP_ROW_ALLOC, .call = call, .stamp = stamp, .block = block};
        const struct rec_context copy = at;
        if (rec_event_clock_due(t, &e, &copy, true))
            return;
    }
    end(t);
}

static __attribute__((noinline, cold)) void ended_slowly(enum seep_call call, void *p,
                                                         const struct rec_context *at)
{
    struct rec_entry entry = rec_enter(*at);
    if (entry.thread == NULL)
        return;
    struct rec_event e = {
        .row = SEEP_ROW_FREE,
        .call = call,
        .stamp = rec_clock_stamp(),
        .old_address = (uintptr_t)p,
    };
    rec_record(entry, &e, *at);
}

void rec_quick_ended(enum seep_call call, void *p, const uintptr_t *frame)
{
    struct rec_context at = context_of(frame);
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
    struct rec_thread *t = rec_event_stackless == SEEP_ROW_FREE ? quick_thread() : NULL;
    if (__builtin_expect(t == NULL, 0)) {
        const struct rec_context copy = at;
        ended_slowly(call, p, &copy);
        return;
    }
    uint64_t stamp = rec_clock_stamp();
    begin(t, at.sp);
    if (__builtin_expect(rec_modules_is_loader(at.pc), 0))
        rec_modules_check(t);
    if (__builtin_expect(!row_put_free(t, call, stamp, 0, (uintptr_t)p), 0))
        rec_event_lost(t);
    if (__builtin_expect(stamp - t->clock_last > t->clock_wait, 0)) {
        struct rec_event e = {
            .row = SEEP_ROW_FREE, .call = call, .stamp = stamp, .old_address = (uintptr_t)p};
        const struct rec_context copy = at;
        if (rec_event_clock_due(t, &e, &copy, true))
            return;
    }
    end(t);
}
