/* SPDX-License-Identifier: MIT
 *
 * One event of the program on its way from a hook to a row. */
#ifndef REC_EVENT_H
#define REC_EVENT_H

#include "hidden.h"
#include "recorder.h"
#include "rows.h"
#include "thread.h"
#include "unwind.h"

/* A hook's way through the recorder: what it holds from rec_enter() on. */
struct rec_entry {
    struct rec_thread *thread; /* NULL: nothing is recorded, and the event was counted as lost */
    bool marked;               /* the mark on the thread's lane is this hook's */
};

struct rec_event {
    enum seep_row row; /* ALLOC, FREE, REALLOC or FAILED */
    enum seep_call call;
    uint64_t stamp;         /* REALLOC: its start */
    uint64_t end_stamp;     /* REALLOC */
    uintptr_t old_address;  /* FREE, REALLOC, and FAILED reallocations */
    struct rec_block block; /* ALLOC, REALLOC; FAILED: the size */
};

/* The kind of row that has no stack: SEEP_ROW_FREE, or none if the stacks of frees are recorded. */
extern enum seep_row rec_event_stackless REC_HIDDEN;
void rec_event_init(void);

/* There is a mark on the lane. True: whoever set it never came back, and it is the caller's now. */
bool rec_entry_takes_mark(struct rec_thread *t, struct rec_context at);

/* To be called before the event's first stamp is read, by the hook that was called from `at`. */
static inline struct rec_entry rec_enter(struct rec_context at)
{
    struct rec_thread *t = rec_thread_current;
    if (__builtin_expect(*rec_alive != REC_ALIVE || t == NULL, 0) &&
        (t = rec_thread_slow()) == NULL)
        return (struct rec_entry){NULL, false};
    return (struct rec_entry){t, rec_thread_mark(t) || rec_entry_takes_mark(t, at)};
}

/* Whether that is as it was after the real function was called: a handler may have forked in it, or
 * another thread have ended the recording. */
static inline bool rec_entry_holds(struct rec_entry entry)
{
    return *rec_alive == REC_ALIVE && entry.thread == rec_thread_current;
}

/* Leaves without an event. */
static inline void rec_leave(struct rec_entry entry)
{
    if (entry.marked && rec_entry_holds(entry))
        rec_thread_unmark(entry.thread);
}

/* Records the event, whose hook was called from `at`, and leaves; counts it as lost where that
 * fails. */
void rec_record(struct rec_entry entry, const struct rec_event *event, struct rec_context at);

/* Writes the event as a row of `t`, which is busy; `stack` is its stack's id, 0 where
 * it has none. */
void rec_event_write(struct rec_thread *t, const struct rec_event *event, uint32_t stack);

/* The id of the stack at `at`, for the same; for those that t->memo does not know. */
uint32_t rec_event_stack_new(struct rec_thread *t, const struct rec_context *at);

/* Counts what an event's stack lacks. */
void rec_event_add_missing(bool cut, uint32_t guessed);
static inline void rec_event_missing(bool cut, uint32_t guessed)
{
    if (__builtin_expect(cut || guessed, 0))
        rec_event_add_missing(cut, guessed);
}

/* Counts an event whose row could not be written. */
void rec_event_lost(const struct rec_thread *t);

/* To be called after an event whose stamp is more than t->clock_wait behind t->clock_last: renews
 * the control page's clock, and does what else is due now and then; where the lane's mark is the
 * caller's, that may be waiting for space. True: the hook is done, and `t` may be gone: this may be
 * the child of a fork that a handler made out of it. */
bool rec_event_clock_due(struct rec_thread *t, const struct rec_event *event,
                         const struct rec_context *at, bool marked);

/* The id of a walked stack, for rec_event_write(); counts what is missing in it. */
uint32_t rec_event_stack(struct rec_thread *t, const struct rec_walk *walk);

#endif
