/* SPDX-License-Identifier: MIT
 *
 * The heap of the recorded program, event by event: counts, live totals, peaks. */
#ifndef MODEL_HEAP_H
#define MODEL_HEAP_H

#include "trace/trace_event.h"
#include "trace/trace_reader.h"

/* An allocation makes a block, a free ends one, a reallocation changes one; failed calls are apart.
 * The two places of a reallocation (REALLOC_OUT, _IN) are one reallocation, counted at the second.
 * Blocks inherited over a fork are live, but no allocation of this process. Of several processes,
 * what is left by those that have ended stays live, but the peak is of what is live at once. Blocks
 * of pools lie within others: each kind has totals of its own. */
struct heap_totals {
    uint64_t allocations;   /* blocks made */
    uint64_t frees;         /* blocks ended */
    uint64_t reallocations; /* blocks changed */
    uint64_t failed;
    uint64_t temporary;  /* freed by the thread that made them, with no other allocation or
                            reallocation by it between */
    uint64_t mismatched; /* ended by a call of another family than made them: calls.h */
    uint64_t inherited_blocks, inherited_bytes; /* made by the parent before the fork */
    uint64_t inherited_frees; /* of such blocks where the trace does not hold them; not in frees */
    uint64_t allocated_bytes; /* requested: of allocations + new sizes of reallocations */
    uint64_t live_blocks, live_bytes; /* requested, now */
    uint64_t live_usable_bytes;
    uint64_t ended_blocks, ended_bytes; /* of those, left by processes that have ended */
    uint64_t peak_live_bytes;           /* most requested bytes live at once */
    uint64_t peak_live_blocks;          /* blocks live at that moment */
    uint64_t peak_time_ns;              /* and when */
    uint64_t peak_number;               /* number of the event that made it */
    uint64_t last_time_ns;
};

/* Of a process of several: what is live of it. */
struct heap_live {
    uint64_t blocks, bytes;
};

struct heap {
    struct heap_totals totals;
    struct heap_totals pools;  /* the same of blocks that the program told of */
    uint64_t *last_allocation; /* per thread number, of totals and of pools: event number + 1 of its
                                  last allocation or reallocation, 0: none; owned */
    size_t last_capacity;
    /* traces of several processes: what they have live until they end, of totals and of pools, by
       2 x number and 2 x number + 1; owned */
    struct heap_live *processes;
    size_t process_capacity;
};

void heap_init(struct heap *h);
void heap_release(struct heap *h);

/* Takes one event into account. Events come in order; other types than allocation events only
 * move the time. After a TRACE_GAP the live totals are wrong until heap_resync(). */
void heap_apply(struct heap *h, const struct trace_event *ev);

/* Sets the live totals to what the reader holds live now: to be called right after heap_apply() of
 * a TRACE_GAP. The peak only grows. */
void heap_resync(struct heap *h, const struct trace_reader *reader);

/* True for a FREE of the block that its thread made last, with no allocation or reallocation by it
 * since. To be asked before heap_apply(). */
bool heap_is_temporary(const struct heap *h, const struct trace_event *ev);

/* True for an event that ends a block by a call of another family than made it. */
bool heap_mismatch(const struct trace_event *ev);

/* Sets the live totals and the peak to those at the place that was sought in the trace, or at the
 * start of a window; the other totals count from there on, and so does the peak of pools. Inherited
 * blocks are those still held. To be called before the first event. */
void heap_begin(struct heap *h, const struct trace_reader *reader);

/* The same, with the peak counted from there on, too: for what is said of a window alone. */
void heap_begin_window(struct heap *h, const struct trace_reader *reader);

/* Who watches the whole trace being taken into account. Each may be NULL. */
struct heap_watch {
    /* `count` blocks like this one were made or reallocated; of it, size, usable, stack, alignment
     * and call are set. */
    void (*made)(void *arg, const struct trace_block *like, uint64_t count);
    void (*beside)(void *arg, const struct trace_beside *beside);
    /* Each event, records and gaps too: all is slower then. */
    void (*event)(void *arg, const struct trace_event *ev);
    void (*restart)(void *arg);                   /* what was told so far does not count */
    bool (*progress)(void *arg, double fraction); /* false: stop, INTERRUPTED */
    void *arg;
};

/* Takes all events of the trace into account, not one by one where that is possible. The reader is
 * at the start, for which heap_begin() or heap_begin_window() was called; it is at the end then.
 * Errors: as reading. */
enum seep_err heap_read(struct heap *h, struct trace_reader *reader, const struct heap_watch *watch,
                        struct err *err);

/* Whether there ever was such a block, as far as was read. */
static inline bool heap_is_used(const struct heap_totals *t)
{
    return t->allocations + t->inherited_blocks + t->frees + t->live_blocks > 0;
}

/* allocations + frees + reallocations. */
static inline uint64_t heap_events(const struct heap_totals *t)
{
    return t->allocations + t->frees + t->reallocations;
}

#endif
