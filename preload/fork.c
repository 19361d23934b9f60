/* SPDX-License-Identifier: MIT */
#include "fork.h"

#include "clock.h"
#include "nested.h"
#include "recorder.h"
#include "spool.h"
#include "sys.h"
#include "thread.h"
#include "unwind.h"

/* fork() under a name that nobody interposes: glibc's own, which needs no look-up. Weak, for other
 * C libraries. */
pid_t __fork(void);
#pragma weak __fork

/* Whether a hook of ours is below on the stack, interrupted: not only while it says that it is
 * busy, but from its first instruction to its last. */
static bool is_inside(struct rec_context at)
{
    struct rec_walk *walk = sys_memory(sizeof *walk); /* a handler's stack may be small */
    if (walk == NULL)
        return true;
    struct rec_stack_bounds bounds = {0};
    rec_unwind(walk, at, &bounds);
    bool inside = rec_nested_runs_through_us(walk);
    sys_memory_free(walk, sizeof *walk);
    return inside;
}

void rec_fork_over(struct rec_thread *t, const struct rec_event *event, struct rec_context at)
{
    bool committed = t->word == t->fork_word;
    rec_thread_fork_over(t);
    if (committed)
        return;
    /* Stamped anew: it belongs behind the mark and the start of this process's own recording. */
    struct rec_entry entry = rec_enter(at);
    if (entry.thread == NULL)
        return;
    struct rec_event again = *event;
    again.stamp = again.end_stamp = rec_clock_stamp();
    rec_record(entry, &again, at);
}

static pid_t fork_by(pid_t (*real)(void), struct rec_context at)
{
    /* It is being looked up at this moment: by another thread, or by this one, interrupted by a
     * handler, so that there is no waiting for it. */
    if (real == NULL)
        real = __fork;
    bool inside = *rec_alive == REC_ALIVE && rec_thread_current && is_inside(at);
    if (*rec_alive == REC_ALIVE)
        __atomic_fetch_add(&rec_spool_control()->forks, 1, __ATOMIC_RELAXED);
    uint64_t stamp = rec_clock_stamp();
    pid_t pid = real();
    if (pid == 0) {
        rec_real_forked();
        rec_forked(stamp, inside);
    }
    return pid;
}

pid_t fork(void)
{
    rec_real_ready();
    return fork_by(rec_real.fork, REC_CONTEXT_HERE);
}

pid_t _Fork(void)
{
    rec_real_ready();
    return fork_by(rec_real.plain_fork ? rec_real.plain_fork : rec_real.fork, REC_CONTEXT_HERE);
}
