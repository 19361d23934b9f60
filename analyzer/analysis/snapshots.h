/* SPDX-License-Identifier: MIT
 *
 * The heap graph snapshots of a trace, as `seep info` tells of them. */
#ifndef ANALYSIS_SNAPSHOTS_H
#define ANALYSIS_SNAPSHOTS_H

#include "analysis/result.h"
#include "trace/trace_reader.h"
#include "util/err.h"

/* Adds an array `name` to `parent`; for each snapshot that was asked for an object:
 *
 *   number      [integer]
 *   trigger     text: "exit", "call", "signal" or "mark";  time_ns [ns]
 *   missing     null: the graph is there; or text: why it is not
 *   blocks      [count] of the graph;  bytes [bytes] that it takes in the trace; like the next two
 *               null where it is missing
 *   words       [count] that may have been pointers;  scanned_bytes [bytes], scan_ns [ns]
 *   threads     [count] that were stopped, beside the one that took it;  missed_threads [count]
 *   held_ns     [ns] that threads were held;  fork_ns [ns] of them that the fork took
 *
 * Errors: IO. */
enum seep_err snapshots_add(struct result *parent, const char *name, struct trace_reader *reader,
                            struct err *err);

#endif
