/* SPDX-License-Identifier: MIT
 *
 * What each process of a merged trace did. */
#ifndef ANALYSIS_PROCESSES_H
#define ANALYSIS_PROCESSES_H

#include "analysis/result.h"
#include "model/heap.h"

struct processes {
    const struct trace_dict *dict;
    struct heap *heaps; /* by number - 1; owned */
};

/* `dict` outlives *p. In a trace of one process there is nothing to tell. */
void processes_init(struct processes *p, const struct trace_dict *dict);
void processes_release(struct processes *p);

/* Takes an event into account. */
void processes_apply(struct processes *p, const struct trace_event *ev);

/* Adds an array `name` to `parent`, null in a trace of one process; for each process an object:
 *
 *   number, pid, image         [integer]
 *   parent                     [integer] number of the process that started it, or null
 *   forked                     bool: it began as a fork of that, at fork_ns
 *   exe, command               text, and array of texts
 *   start_ns, end_ns, fork_ns  [ns] since the start of the first process; fork_ns may be null
 *   threads                    [count]
 *   allocations, frees, reallocations, allocated_bytes, peak_live_bytes, live_blocks, live_bytes
 *                              as for a trace of its own; what its parent made is in none of them
 *   inherited_frees            [count] frees of what its parent made
 *   exit                       see analysis/exit.h
 *   completeness               see analysis/completeness.h */
void processes_add(struct result *parent, const char *name, const struct processes *p);

#endif
