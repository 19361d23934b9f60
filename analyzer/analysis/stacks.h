/* SPDX-License-Identifier: MIT
 *
 * All stacks with their costs and the code that they run through, in tables that refer to each
 * other by number: what profile formats are made of. */
#ifndef ANALYSIS_STACKS_H
#define ANALYSIS_STACKS_H

#include "analysis/result.h"
#include "model/filter.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct stacks_options {
    bool pools;                                   /* of blocks of pools that the program told of */
    struct filter *filter;                        /* not yet bound; NULL: none. Not owned */
    bool (*progress)(void *arg, double fraction); /* false: stop, INTERRUPTED. May be NULL */
    void *progress_arg;
};

/* Reads the trace, whose reader stands at the start. On success *out is owned by the caller,
 * result_free(). Errors: those of the reader, USAGE from filter_bind(), INTERRUPTED. Numbers count
 * from 1; 0 is none. The tree:
 *
 *   exe            text
 *   start_ns       integer: when recording started, nanoseconds since 1970; of a window, it
 *   duration_ns    [ns] of the window
 *   mappings       array of {start, end, file_offset [addresses], path text, build_id text (hex) or
 *                  null}: the program's first, else those that a stack runs through
 *   functions      array of {function text, symbol text or null, file text or null, alloc_fn bool:
 * it was named as a part of the allocator} locations      array of {address [address]: of the call,
 * not of what follows it; mapping integer; frames: array of function and line in turns, innermost
 * first} nodes          object of arrays of integers, one of each for a frame of a stack: caller
 * number of the node outwards location samples        object of arrays, one of each for a stack
 * that has any of these costs: node         integer: the innermost allocations, allocated_bytes,
 * live_blocks, live_bytes */
enum seep_err stacks_analyse(struct result **out, struct trace_reader *reader,
                             struct symbols *symbols, const struct stacks_options *options,
                             struct err *err);

#endif
