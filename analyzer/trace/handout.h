/* SPDX-License-Identifier: MIT
 *
 * While a process is packed: hands its live blocks to the spools of the children it forked, each at
 * its fork, as the file `inherited` (inherited.h).
 *
 * A child says of each of the parent's lanes how much of it was there at the fork. Rows up to there
 * are before the fork and all others behind it, whatever their stamps; but the order is that of
 * stamps, and a row that was being made at the fork may be stamped before rows that were there.
 * So the picture is taken at the first place that is behind the fork, and goes straight to disk;
 * what still comes that is before the fork is written down after it. Forks of one process follow
 * each other: a place that is behind one fork is behind all earlier ones. */
#ifndef TRACE_HANDOUT_H
#define TRACE_HANDOUT_H

#include "trace/beside.h"
#include "trace/inherited.h"
#include "trace/place.h"
#include "trace/stack_map.h"
#include "trace/stamp_clock.h"

struct handout_child;

struct handout {
    struct trace_writer *writer;
    struct stack_map *stacks;
    const struct beside *beside;
    const struct spool *spool;
    const struct inherited *own; /* what the process has from its own parent */
    struct stamp_clock *clock;
    struct handout_child *children; /* owned; by time of the fork */
    size_t count, capacity;
    size_t next;    /* the first whose picture was not taken yet */
    size_t open;    /* the first that may still get something */
    uint32_t *told; /* owned; by stack node: the last child that was told of it, + 1 */
    size_t told_capacity;
};

/* All pointers must outlive *h. */
void handout_init(struct handout *h, struct trace_writer *writer, struct stack_map *stacks,
                  const struct beside *beside, const struct spool *spool,
                  const struct inherited *own, struct stamp_clock *clock);
void handout_release(struct handout *h);

/* Another child. Left out are a spool that says nothing of its fork, and one whose fork may be
 * passed already: places stamped up to `passed` are. */
void handout_add(struct handout *h, const char *spool_path, uint64_t passed);

static inline bool handout_wanted(const struct handout *h)
{
    return h->open < h->count;
}

/* Called for each place before it takes effect. `old_address`: of the block that the place, the end
 * of a reallocation, makes leave; 0: none. */
void handout_place(struct handout *h, const struct place *p, uint64_t old_address);

/* There are no more places. */
void handout_finish(struct handout *h);

#endif
