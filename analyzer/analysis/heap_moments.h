/* SPDX-License-Identifier: MIT
 *
 * The heap at moments of its life: how much was live, and, at some of them, who had made it. What
 * massif's files are made of. */
#ifndef ANALYSIS_HEAP_MOMENTS_H
#define ANALYSIS_HEAP_MOMENTS_H

#include "analysis/result.h"
#include "model/filter.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct heap_moments_options {
    unsigned count;        /* of moments, evenly over the time; at least 1. The peak is one more */
    unsigned detailed;     /* every so manieth of them has a tree */
    unsigned depth;        /* of the trees; 0: all */
    double min_share;      /* of the live bytes: what has less is told together */
    bool pools;            /* of blocks of pools that the program told of */
    struct filter *filter; /* not yet bound; NULL: none. Not by lifetime. Not owned */
    bool (*progress)(void *arg, double fraction); /* false: stop, INTERRUPTED. May be NULL */
    void *progress_arg;
};

/* Reads the trace, whose reader stands at the start. On success *out is owned by the caller,
 * result_free(). Errors: those of the reader, USAGE from filter_bind() and for a filter by
 * lifetime, INTERRUPTED. What is live counts, whenever it was made; what a process of several
 * leaves is gone when it ends. The tree:
 *
 *   exe            text;  command  array of texts
 *   min_share      real: 0 .. 1, as asked for
 *   moments        array in the order of time, the first of the window's start, each:
 *     time_ns      [ns]
 *     bytes        [bytes] live: as requested
 *     extra_bytes  [bytes] that the allocator gave beyond
 *     peak         bool: this is the peak of `bytes`
 *     tree         null, or object: total [bytes]; callers: array, heaviest first, of objects
 *                  {function, module, file: texts or null; line integer or null; total; callers};
 *                  small: object {places [count], bytes}: those left out beside them */
enum seep_err heap_moments_analyse(struct result **out, struct trace_reader *reader,
                                   struct symbols *symbols,
                                   const struct heap_moments_options *options, struct err *err);

#endif
