/* SPDX-License-Identifier: MIT
 *
 * A flame graph: what a cost is made up of, function by function from the outermost. */
#ifndef ANALYSIS_FLAME_H
#define ANALYSIS_FLAME_H

#include "analysis/cost_kind.h"
#include "analysis/frame_tree.h"
#include "analysis/result.h"
#include "model/filter.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct flame_options {
    enum cost_kind cost;
    double min_share;       /* of the whole, 0 .. 1: smaller frames are left out; 0: none is */
    struct frame_path path; /* zero-initialised: whole stacks, the outermost frame first */
    bool pools;             /* of blocks of pools that the program told of */
    struct filter *filter;  /* not yet bound; NULL: none. Not owned */
    bool (*progress)(void *arg, double fraction); /* false: stop, INTERRUPTED. May be NULL */
    void *progress_arg;
};

/* Reads the trace, whose reader stands at the start. On success *out is owned by the caller,
 * result_free(). Errors: those of the reader, USAGE from filter_bind(), INTERRUPTED. The tree:
 *
 *   cost          text: as in cost_kind_names;  words  text: what it is
 *   unit          text: "bytes" or "count"
 *   exe           text: the program
 *   path          text: "inward", or "outward" from callees to callers
 *   function      text: the pattern of the functions that paths begin with, or null
 *   depth         integer: frames of each path at most; 0: all
 *   window        null, or object {from, to: texts as given or null; from_ns, to_ns [ns]}
 *   moment_ns     [ns] of the peak or the window's end
 *   total         [count or bytes]
 *   left_out      the part of it that has no frame because of min_share
 *   root          object: function text; module, file text or null; line integer or null; self,
 *                 total [count or bytes]; children  array of such objects, heaviest first */
enum seep_err flame_analyse(struct result **out, struct trace_reader *reader,
                            struct symbols *symbols, const struct flame_options *options,
                            struct err *err);

#endif
