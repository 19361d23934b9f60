/* SPDX-License-Identifier: MIT */
#include "nested.h"

#include "modules.h"
#include "recorder.h"
#include "sys.h"
#include "thread.h"

static struct rec_module self;

void rec_nested_init(void)
{
    rec_modules_find((uintptr_t)rec_nested_init, &self);
}

/* Walks from `at` in the state of the handlers' lane; NULL where there is no such state. */
static struct rec_thread *walk_beside(struct rec_thread *t, struct rec_context at)
{
    struct rec_thread *n = rec_thread_beside(t);
    if (n)
        rec_unwind(&n->walk, at, &n->bounds);
    return n;
}

bool rec_nested_runs_through_us(const struct rec_walk *walk)
{
    for (uint32_t i = 0; i < walk->count; i++)
        if (walk->pc[i] - self.start < self.end - self.start)
            return true;
    return walk->cut; /* not known: rather beside than into the middle of something */
}

bool rec_nested_record(struct rec_thread *t, const struct rec_event *event, struct rec_context at)
{
    uint64_t mask = sys_signals_block();
    struct rec_thread *n = walk_beside(t, at);
    bool inside = n == NULL || rec_nested_runs_through_us(&n->walk);
    if (n == NULL)
        rec_lost(SEEP_LOST_NESTED);
    else if (inside)
        rec_event_write(n, event,
                        event->row == rec_event_stackless ? 0 : rec_event_stack(n, &n->walk));
    else
        rec_rows_restart(t);
    sys_signals_restore(mask);
    return inside;
}

bool rec_nested_below(struct rec_context at)
{
    struct rec_thread *t = rec_thread_current;
    if (*rec_alive != REC_ALIVE || t == NULL)
        return false;
    uint64_t mask = sys_signals_block();
    const struct rec_thread *n = walk_beside(t, at);
    bool inside = n == NULL || rec_nested_runs_through_us(&n->walk);
    sys_signals_restore(mask);
    return inside;
}
