/* SPDX-License-Identifier: MIT
 *
 * When the blocks that a forked child has from its parent were made, and by whom: what the
 * INHERITED records of a trace tell. */
#ifndef TRACE_MAKERS_H
#define TRACE_MAKERS_H

#include "trace/trace_event.h"

struct maker {
    uint64_t age_ns; /* from then to the start of the child's recording */
    uint32_t tid;    /* of the thread, in the parent */
};

struct makers {
    struct maker *all; /* owned; by the number of the block's event */
    size_t count, capacity;
};

/* Takes a record; others than INHERITED, and what makes no sense, change nothing. */
void makers_take(struct makers *m, const struct trace_beside *beside);
void makers_release(struct makers *m);

/* NULL where the block was made by the process itself, or nothing is told of it. */
static inline const struct maker *makers_of(const struct makers *m, const struct trace_block *b)
{
    return b->flags & TRACE_INHERITED && b->birth < m->count ? &m->all[b->birth] : NULL;
}

#endif
