/* SPDX-License-Identifier: MIT */
#include "event.h"

#include "fork.h"
#include "modules.h"
#include "nested.h"
#include "options.h"
#include "pending.h"
#include "seep/trace_codec.h"
#include "snapshot.h"
#include "space.h"
#include "spool.h"
#include "stacks.h"
#include "verify.h"

/* The clock pair in the control page is renewed at growing distances: soon after the start, so that
 * a program that dies young has a pair some way from the first, and later some ten times a second.
 */
#define CLOCK_DUE_MAX_TICKS (1u << 28)
/* Marks that seem to be an outer hook's before one is looked at closely. */
#define MARKS_BELIEVED 64
/* Walks of a thread before it remembers whole stacks and ids. */
#define WALKS_WARM 16

enum seep_row rec_event_stackless = SEEP_ROW_FREE;

void rec_event_init(void)
{
    rec_event_stackless = rec_option_number(REC_OPTION_FREE_STACKS) ? SEEP_ROW_END : SEEP_ROW_FREE;
}

__attribute__((noinline, cold)) void rec_event_add_missing(bool cut, uint32_t guessed)
{
    struct seep_control *control = rec_spool_control();
    __atomic_fetch_add(&control->cut_stacks, cut, __ATOMIC_RELAXED);
    __atomic_fetch_add(&control->guessed_frames, guessed, __ATOMIC_RELAXED);
}

uint32_t rec_event_stack(struct rec_thread *t, const struct rec_walk *walk)
{
    rec_event_missing(walk->cut, walk->guessed);
    return rec_stacks_id(t, walk);
}

static __attribute__((noinline, cold)) uint32_t stack_by_full_walk(struct rec_thread *t,
                                                                   struct rec_context at)
{
    rec_unwind(&t->walk, at, &t->bounds);
    return rec_event_stack(t, &t->walk);
}

__attribute__((noinline)) uint32_t rec_event_stack_new(struct rec_thread *t,
                                                       const struct rec_context *at)
{
    /* Most threads of a program with many make few blocks: what serves for more takes memory. */
    bool warm = t->walks == WALKS_WARM || ++t->walks == WALKS_WARM;
    t->last.keeps_rules = warm;
    uint64_t hash = rec_last_walk(&t->last, at, &t->bounds);
    rec_verify_walk(t, *at, hash, t->last.cut, t->last.guessed);
    uint32_t id = 0;
    if (__builtin_expect(hash != 0, 1)) {
        id = warm ? rec_stacks_find_recent(&t->recent, hash) : rec_stacks_find(hash);
        if (__builtin_expect(id == 0, 0))
            id = rec_stacks_define(t, &t->last);
    }
    if (__builtin_expect(id == 0, 0))
        return stack_by_full_walk(t, *at);
    if (__builtin_expect(warm, 1))
        rec_stack_memo_learn(&t->memo, at, &t->last, hash, id);
    rec_event_missing(t->last.cut, t->last.guessed);
    return id;
}

static uint32_t stack_at(struct rec_thread *t, const struct rec_context *at)
{
    const struct rec_stack_memo_entry *known = rec_stack_memo_find(&t->memo, at, &t->bounds);
    if (known == NULL)
        return rec_event_stack_new(t, at);
    rec_verify_walk(t, *at, known->hash, known->cut, known->guessed);
    rec_event_missing(known->cut, known->guessed);
    return known->id;
}

__attribute__((noinline, cold)) void rec_event_lost(const struct rec_thread *t)
{
    rec_lost(t->dropped ? SEEP_LOST_FULL : SEEP_LOST_STOPPED);
}

void rec_event_write(struct rec_thread *t, const struct rec_event *e, uint32_t stack)
{
    bool written = true;
    switch (e->row) {
    case SEEP_ROW_ALLOC: written = rec_row_alloc(t, e->call, e->stamp, stack, &e->block); break;
    case SEEP_ROW_FREE: written = rec_row_free(t, e->call, e->stamp, stack, e->old_address); break;
    case SEEP_ROW_REALLOC:
        written =
            rec_row_realloc(t, e->call, e->stamp, e->end_stamp, stack, e->old_address, &e->block);
        break;
    case SEEP_ROW_FAILED:
        written = rec_row_failed(t, e->call, e->stamp, stack, e->old_address, e->block.size);
        break;
    case SEEP_ROW_END:
    case SEEP_ROW_STACK:
    case SEEP_ROW_BESIDE: break;
    }
    if (!written)
        rec_event_lost(t);
}

__attribute__((noinline, cold)) bool rec_entry_takes_mark(struct rec_thread *t,
                                                          struct rec_context at)
{
    /* reallocarray() calls realloc(): mostly it need not be walked to be seen. */
    if (rec_pending_above(at.sp) &&
        rec_pending_returns(rec_pending.outer.at.sp, rec_pending.outer.at.pc) &&
        ++t->marks_believed % MARKS_BELIEVED != 0)
        return false;
    if (t->busy || rec_nested_below(at))
        return false; /* busy: rec_record() will see whether that hook is still there */
    __atomic_store_n(&t->lane->mark, t->last_stamp, __ATOMIC_RELAXED);
    return true;
}

/* Says how many events were dropped before this one. */
static void tell_dropped(struct rec_thread *t, uint64_t stamp)
{
    uint8_t payload[2 * SEEP_VARINT_MAX];
    uint8_t *p = seep_put_varint(payload, t->dropped);
    p = seep_put_varint(p, SEEP_LOST_FULL);
    if (rec_row_beside(t, SEEP_BESIDE_LOST, stamp, payload, (size_t)(p - payload)))
        t->dropped = 0;
}

__attribute__((noinline, cold)) bool rec_event_clock_due(struct rec_thread *t,
                                                         const struct rec_event *e,
                                                         const struct rec_context *at, bool marked)
{
    if (t->fork != REC_FORK_NONE) {
        rec_fork_over(t, e, *at);
        return true;
    }
    rec_renew_clock();
    uint64_t soon = rec_snapshot_if_due();
    if (t->dropped && !rec_space_is_short())
        tell_dropped(t, e->stamp);
    t->clock_last = e->stamp;
    if (soon < t->clock_wait)
        t->clock_last -= t->clock_wait - soon;
    else if (t->clock_wait < CLOCK_DUE_MAX_TICKS)
        t->clock_wait *= 2;
    if (!marked || !rec_space_is_short() || rec_space_drops())
        return false;
    /* Nothing of the thread's may be touched afterwards: a handler may fork while it waits. */
    __asm__ volatile("" ::: "memory");
    t->busy = 0;
    rec_thread_unmark(t);
    rec_space_wait();
    return true;
}

void rec_record(struct rec_entry entry, const struct rec_event *e, struct rec_context at)
{
    struct rec_thread *t = entry.thread;
    if (__builtin_expect(t->busy != 0, 0)) {
        if (rec_nested_record(t, e, at))
            return;
        entry.marked = true; /* a hook's that never came back; older than it need be, and sound */
    }
    t->busy = at.sp;
    __asm__ volatile(
        "" ::
            : "memory"); /* busy is set before anything a handler could find half done */
    if (__builtin_expect(rec_modules_is_loader(at.pc), 0))
        rec_modules_check(t);
    rec_event_write(t, e, e->row == rec_event_stackless ? 0 : stack_at(t, &at));
    if (__builtin_expect(e->stamp - t->clock_last > t->clock_wait, 0) &&
        rec_event_clock_due(t, e, &at, entry.marked))
        return;
    __asm__ volatile("" ::: "memory");
    t->busy = 0;
    if (__builtin_expect(entry.marked, 1))
        rec_thread_unmark(t);
}
