/* SPDX-License-Identifier: MIT
 *
 * The blocks that are live at one moment, by stack: what the events before it leave. */
#ifndef ANALYSIS_LIVE_SET_H
#define ANALYSIS_LIVE_SET_H

#include "model/filter.h"
#include "model/heap.h"
#include "trace/makers.h"
#include "trace/trace_reader.h"
#include "util/err.h"

/* Which blocks; none of these: what the process itself got from malloc. */
enum live_set_flag {
    LIVE_SET_INHERITED = 1, /* what a forked child has from its parent */
    LIVE_SET_POOLS = 2,     /* blocks of pools that the program told of */
};

#define LIVE_SET_FORK_NS (UINT64_C(1) << 62)

/* What one stack node stands for. Sizes are requested bytes unless named usable. */
struct live_use {
    uint64_t blocks, bytes, usable_bytes; /* live */
    uint64_t first_ns, last_ns; /* when the oldest and youngest of them were made or reallocated */
    uint64_t made_blocks, made_bytes; /* made or reallocated in the window, still live or not;
                                         filtered by all but the stack */
};

struct live_set {
    struct live_use *nodes;                   /* by stack id, 0 .. stack_count; owned */
    struct heap_totals totals;                /* of the whole program at that moment, unfiltered, */
    struct heap_totals pools;                 /* and of its pools */
    uint64_t from_ns;                         /* the window as found: time of its first event, */
    uint64_t end_ns;                          /* and the moment looked at */
    bool at_exit;                             /* the trace ends before the window does */
    uint64_t filtered_blocks, filtered_bytes; /* live, but kept out by the filter */
    uint64_t inherited_blocks, inherited_bytes; /* live, of the parent's; filters aside */
    unsigned which;                             /* enum live_set_flag */
    struct makers makers;                       /* of those; owned */
    struct trace_reader *reader;                /* not owned */
    uint64_t until;                             /* it is of before the event of that number, */
    uint64_t until_ns;                          /* at that time; UINT64_MAX: no such limit */
    /* private: the reader is one event too far where a window's end stopped it */
    struct filter *filter; /* not owned; NULL: none */
    bool has_extra;        /* `extra` is live although the reader no longer has it */
    struct trace_block extra;
    uint32_t skip_slot; /* not live yet although the reader has it; UINT32_MAX: none */
};

/* `which` is of enum live_set_flag. With LIVE_SET_INHERITED times count to the start of the
 * recording, LIVE_SET_FORK_NS.
 *
 * Reads to the end of the filter's window (bound already; NULL: no filter), or of the trace, as
 * little as it can of what is before the window. The reader stands at the start. The set holds on
 * to both: the reader must not be moved while the set is in use. Released by live_set_release(),
 * also after an error. `progress` may be NULL; where it returns false the result is INTERRUPTED. */
enum seep_err live_set_read(struct live_set *s, struct trace_reader *reader, struct filter *filter,
                            unsigned which, bool (*progress)(void *arg, double fraction),
                            void *progress_arg, struct err *err);
/* The same up to the event of the number `until`, before which the reader stands then: the set is
 * of the moment `until_ns`, which lies in the filter's window. Where events are lost there the
 * reader is behind it. */
enum seep_err live_set_read_until(struct live_set *s, struct trace_reader *reader,
                                  struct filter *filter, unsigned which, uint64_t until,
                                  uint64_t until_ns, bool (*progress)(void *arg, double fraction),
                                  void *progress_arg, struct err *err);
void live_set_release(struct live_set *s);

/* Whether a live block is of those asked for, filters aside. */
bool live_set_wants(const struct live_set *s, const struct trace_block *b);
/* Counts a live block in *use. */
void live_set_add(const struct live_set *s, struct live_use *use, const struct trace_block *b);

/* Of the blocks that are asked for, or of all that are like them but inherited or not. */
static inline const struct heap_totals *live_set_totals(const struct live_set *s)
{
    return s->which & LIVE_SET_POOLS ? &s->pools : &s->totals;
}

/* The live blocks that pass the filter, one after the other from `*position` (0 at first). NULL
 * past the last. */
const struct trace_block *live_set_next(const struct live_set *s, uint32_t *position);

#endif
