/* SPDX-License-Identifier: MIT
 *
 * What each stack cost within a window: one pass over its events, and a second up to the peak. What
 * sites, flame graphs and exports are made of. */
#ifndef ANALYSIS_COSTS_H
#define ANALYSIS_COSTS_H

#include "analysis/size_classes.h"
#include "model/filter.h"
#include "model/heap.h"
#include "trace/trace_reader.h"
#include "util/err.h"
#include "util/histogram.h"

/* Of one stack. Blocks count where they were made, or last reallocated: a reallocation ends a block
 * at one stack and makes one at its own. Bytes are requested ones. A filter by lifetime does not
 * touch the peaks, held_bytes and start_bytes. */
struct cost {
    uint64_t allocations,
        allocated_bytes;              /* made in the window, by allocations and reallocations */
    uint64_t temporary;               /* of them, freed with no other allocation by the same
                                         thread between */
    uint64_t live_blocks, live_bytes; /* of them, live at its end */
    uint64_t peak_blocks, peak_bytes; /* of them, live when the program's live bytes peaked */
    uint64_t own_peak_bytes;          /* of them, the most live at once */
    uint64_t held_bytes;              /* live at the window's end, whenever made, and */
    uint64_t start_bytes;             /* at its start */
};

/* What is known of a stack's blocks one by one; where COSTS_DETAILS asks for it. */
struct cost_detail {
    struct histogram sizes;       /* requested bytes, as made */
    struct histogram lifetimes;   /* ns, of those that ended; of reallocated ones to that moment */
    uint64_t short_lived;         /* of them, ended sooner than COSTS_SHORT_NS */
    uint64_t usable_bytes;        /* given for them by the allocator, as made */
    struct size_classes asked;    /* of requested sizes */
    struct size_classes classes;  /* of usable sizes; where COSTS_CLASSES asks for it */
    uint64_t grown, copied_bytes; /* reallocations that made a block larger, and the bytes of those
                                     that moved */
    uint64_t calls;               /* bits by enum seep_call */
    uint32_t threads;             /* how many threads made blocks there */
    uint32_t first_thread;        /* the first of them, and */
    uint8_t *more_threads;        /* where there are several, a bit for each; owned */
};

#define COSTS_SHORT_NS 1000000u

enum costs_need {
    COSTS_PEAK = 1,    /* peak_blocks, peak_bytes */
    COSTS_DETAILS = 2, /* details */
    COSTS_POOLS = 4,   /* of blocks of pools that the program told of, instead of malloc's */
    COSTS_CLASSES = 8, /* classes of details, which COSTS_DETAILS is to ask for, too */
};

struct costs {
    struct cost *nodes;          /* by stack id, 0 .. node_count - 1; owned */
    struct cost_detail *details; /* the same; owned; NULL if not asked for */
    uint32_t node_count;
    struct cost total;
    struct heap_totals heap; /* of the window, filters aside; the peak is that of the window */
    bool peak_known;         /* false: it lies in a damaged stretch */
    uint64_t from_ns, end_ns;
    bool at_exit; /* the window ends with the trace */
};

/* Reads the filter's window, or the whole (`filter` bound already; NULL: none). The reader stands
 * at the start; where it stands afterwards is not said. `need` is of enum costs_need. Released by
 * costs_release(), also after an error. Errors: those of the reader; INTERRUPTED where `progress`,
 * which may be NULL, returned false. */
enum seep_err costs_read(struct costs *c, struct trace_reader *reader, struct filter *filter,
                         unsigned need, bool (*progress)(void *arg, double fraction),
                         void *progress_arg, struct err *err);
void costs_release(struct costs *c);

/* Stacks that are to be counted as one. */
struct cost_groups {
    const uint32_t *of_node; /* by stack id, 0 .. stack_count: the number of its group; 0: it is
                                left out */
    uint32_t count;          /* groups are 1 .. count */
};

/* The same by groups: nodes and details are numbered by them, and node_count is count + 1. What is
 * left out is in no sum. Which stacks that is, the caller knows: name patterns of the filter are
 * not looked at. */
enum seep_err costs_read_groups(struct costs *c, struct trace_reader *reader, struct filter *filter,
                                const struct cost_groups *groups, unsigned need,
                                bool (*progress)(void *arg, double fraction), void *progress_arg,
                                struct err *err);

#endif
