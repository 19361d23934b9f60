/* SPDX-License-Identifier: MIT
 *
 * The heap of the recorded program, event by event: counts, live totals, peaks. */
#ifndef MODEL_HEAP_H
#define MODEL_HEAP_H

#include "trace/trace_event.h"

/* Counting rules: design table "counting" in docs/architecture.md. */
struct heap_totals {
    uint64_t allocations;   /* blocks made */
    uint64_t frees;         /* blocks ended */
    uint64_t reallocations; /* blocks changed */
    uint64_t failed;
    uint64_t temporary;     /* freed with no other allocation by the same thread between */
    uint64_t allocated_bytes; /* requested: of allocations + new sizes of reallocations */
    uint64_t live_blocks, live_bytes; /* requested, now */
    uint64_t live_usable_bytes;
    uint64_t peak_live_bytes; /* most requested bytes live at once */
    uint64_t peak_live_blocks; /* blocks live at that moment */
    uint64_t peak_time_ns;    /* and when */
    uint64_t peak_number;     /* number of the event that made it */
    uint64_t last_time_ns;
};

struct heap {
    struct heap_totals totals;
    uint64_t *last_allocation; /* per thread number: event number of its last allocation; owned */
    size_t thread_capacity;
};

void heap_init(struct heap *h);
void heap_release(struct heap *h);

/* Takes one event into account. Events come in order; other types than allocation events only
 * move the time. After a TRACE_GAP the live totals are wrong until heap_resync(). */
void heap_apply(struct heap *h, const struct trace_event *ev);

#endif
