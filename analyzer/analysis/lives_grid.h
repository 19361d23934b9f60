/* SPDX-License-Identifier: MIT
 *
 * A trace divided into intervals, so that windows can be looked at without reading it again. */
#ifndef ANALYSIS_LIVES_GRID_H
#define ANALYSIS_LIVES_GRID_H

#include "trace/trace_reader.h"
#include "util/err.h"

/* A border lies before the event of its number. */
struct lives_border {
    uint64_t number, time_ns;
    uint64_t live_bytes, live_blocks; /* there, without what ended processes left */
};

/* Interval i, from 1, is from borders[i - 1] to borders[i]; the first border is the trace's start,
 * the last one its end. */
struct lives_grid {
    struct lives_border *borders; /* owned */
    uint32_t intervals;
    size_t capacity;
    bool gaps; /* damage was met: blocks go and come without an event */
};

/* Reads the trace, whose reader stands at the start, once. There are some `parts` intervals, half
 * of them spent on time and half on events, so that neither a pause nor a burst takes them all.
 * Each is divided once more where the most is live in it: so the peak of any row of intervals is at
 * a border. Marks are borders, too, the first LIVES_MARKS of them. Released by
 * lives_grid_release(), also after an error. Errors: those of the reader; INTERRUPTED where
 * `progress`, which may be NULL, returned false. */
enum seep_err lives_grid_read(struct lives_grid *g, struct trace_reader *reader, uint32_t parts,
                              bool (*progress)(void *arg, double fraction), void *progress_arg,
                              struct err *err);
void lives_grid_release(struct lives_grid *g);

#define LIVES_MARKS 64

/* The interval, not after `last`, of the event of that number; 0: it is before the trace. */
uint32_t lives_grid_find(const struct lives_grid *g, uint64_t number, uint32_t last);

#endif
