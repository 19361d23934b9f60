/* SPDX-License-Identifier: MIT
 *
 * What the recorder knows of a thread: its lane, its tail, and the hook it is in.
 *
 * A thread's state is found through one initial-exec thread-local pointer. It is taken over by a
 * new thread once its own is gone from the kernel: threads may come and go by the thousands. */
#ifndef REC_THREAD_H
#define REC_THREAD_H

#include "rows.h"
#include "stack_memo.h"
#include "stacks.h"
#include "unwind.h"

#include <stdbool.h>
#include <stdint.h>

/* In a forked child, of the state of the thread that forked. */
enum rec_fork {
    REC_FORK_NONE,
    REC_FORK_INSIDE, /* a handler forked; the hook it interrupted may go on with this state */
    REC_FORK_OVER,   /* that hook is done */
};

struct rec_thread {
    /* The hook this thread is in: CFA of the interposed function, 0 outside. Written last on the
     * way in and first on the way out; a signal handler finds here that it interrupted us. */
    volatile uintptr_t busy;
    struct seep_lane *lane;
    uint8_t *tail;
    union {
        struct {
            uint32_t length; /* committed bytes */
            uint32_t sequence;
        };
        uint64_t word; /* both, as in the lane: a forked child finds here how far its parent was */
    };
    /* what the next row's deltas count from */
    uint64_t last_stamp;
    uint64_t last_address;
    uint32_t last_stack;
    uint32_t room;       /* reserved bytes of the tail */
    uint64_t clock_last; /* stamp at which this thread last renewed the control page's clock pair */
    uint64_t clock_wait; /* ticks until it does so again */
    struct rec_stack_bounds bounds;
    bool memo_served; /* the last block's stack was in `memo` */
    /* up to here: what each event looks at */

    uint64_t last_pc;
    uint32_t lane_index;
    uint32_t number; /* thread number, from 1 */
    int tid;
    bool ended;              /* its thread's destructors have run */
    uint64_t dropped;        /* events, for want of space, since the last LOST row */
    uint32_t marks_believed; /* to be an outer hook's, without a closer look */
    uint32_t walks;          /* of this state, up to those after which it remembers whole stacks */
    uint32_t end_rounds;     /* of the thread-specific data destructors, seen */
    struct rec_thread *beside; /* owned; what rec_thread_beside() made */
    struct rec_thread *next;   /* in the list of ended threads */
    struct rec_thread *older;  /* in the list of all: the one made before */
    enum rec_fork fork;
    uint64_t fork_word; /* `word` at the fork */
    struct rec_last_walk last;
    struct rec_stack_memo memo;
    struct rec_stacks_recent recent;
    struct rec_walk walk;
};

/* Makes the state of the calling thread, or takes over an ended thread's. NULL: no memory or lane.
 * The recorder must be running. */
struct rec_thread *rec_thread_begin(void);

/* The state that writes for `t`, the calling thread's own, while `t` is in the middle of something:
 * with a lane of its own, made when first needed, and to be used with signals blocked. NULL: no
 * memory or lane. */
struct rec_thread *rec_thread_beside(struct rec_thread *t);

/* Marks that a row of the lane is in progress, before its stamp is read: see struct seep_lane.
 * True: the mark is the caller's, who takes it away when the row is published; else it is that of a
 * hook which a handler interrupted, or of an outer one. */
static inline bool rec_thread_mark(struct rec_thread *t)
{
    if (__builtin_expect(t->lane->mark != 0, 0))
        return false;
    __atomic_store_n(&t->lane->mark, t->last_stamp, __ATOMIC_RELAXED);
    __asm__ volatile("" ::: "memory"); /* the stamp is read later */
    return true;
}

static inline void rec_thread_unmark(struct rec_thread *t)
{
    __atomic_store_n(&t->lane->mark, 0, __ATOMIC_RELEASE);
}

/* What the calling thread may write rows with, signals blocked: `t`, or where a handler interrupted
 * that, the one beside it. NULL as above. */
static inline struct rec_thread *rec_thread_writer(struct rec_thread *t)
{
    return t->busy ? rec_thread_beside(t) : t;
}

extern __thread struct rec_thread *rec_thread_current __attribute__((tls_model("initial-exec")));

/* Prepares the list and the destructor key; in a forked child again. */
void rec_threads_init(void);

/* In a forked child, where a hook may go on with the parent's state `t`: lets its rows lead nowhere
 * rather than into the parent's tail, which is not there. */
void rec_thread_fork_inside(struct rec_thread *t);
/* That hook is done. */
void rec_thread_fork_over(struct rec_thread *t);

/* In a forked child, before rec_threads_init(): encodes how far each lane of the parent was at the
 * fork, SEEP_FACT_FORK_LANES. Returns the end. */
uint8_t *rec_threads_put_fork(uint8_t *p, const uint8_t *end);

/* Notes the names of the threads that still run, through rows of the calling one; at exit. */
void rec_threads_name_all(struct rec_thread *self);

/* An address in the stack of the thread, where it was last walked; 0 where that is not known. */
uintptr_t rec_threads_stack_of(int tid);

/* Memory of all threads' states, bytes. */
uint64_t rec_threads_bytes(void);

/* Starts a new tail, so that the deltas start afresh, and is in no hook any more; for a hook that
 * never came back. Its mark stays. */
void rec_rows_restart(struct rec_thread *t);

#endif
