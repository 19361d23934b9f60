/* SPDX-License-Identifier: MIT
 *
 * Call sites in figures: what each one allocated, kept, gave back, and how. */
#ifndef ANALYSIS_SITES_H
#define ANALYSIS_SITES_H

#include "analysis/result.h"
#include "analysis/site_columns.h"
#include "analysis/site_key.h"
#include "model/filter.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct sites_options {
    enum site_by by;
    enum site_column sort;           /* largest first */
    const enum site_column *columns; /* to be shown, in this order; NULL: as many as there is room
                                        for. Not owned */
    size_t column_count;
    size_t top;                                   /* sites listed; 0: all */
    unsigned depth;                               /* frames of each; 0: all */
    bool details;                                 /* sizes, classes and threads of those listed */
    bool pools;                                   /* of blocks of pools that the program told of */
    struct filter *filter;                        /* not yet bound; NULL: none. Not owned */
    bool (*progress)(void *arg, double fraction); /* false: stop, INTERRUPTED. May be NULL */
    void *progress_arg;
};

/* Reads the trace, whose reader stands at the start. On success *out is owned by the caller,
 * result_free(). Errors: those of the reader, USAGE from filter_bind(), INTERRUPTED. The tree
 * ("made": by allocations and reallocations, in the window, as filtered):
 *
 *   by             text: as in site_by_names;  sort  text: name of a column
 *   exe            text
 *   window         null, or object {from, to: texts as given or null; from_ns, to_ns [ns]}
 *   at_exit        bool: the window ends with the trace
 *   heap_peak_bytes [bytes], heap_peak_ns [ns]  of the program in the window, filters aside; null
 *                  where they lie in a damaged stretch
 *   total          object: sites, allocations, temporary, short_lived, live_blocks [count],
 *                  allocated_bytes, live_bytes, peak_bytes [bytes]
 *   columns        array of objects {name, field, head: texts}: of `sites`, in the order to show
 *                  them in
 *   chosen         bool: the columns were asked for; false: those are all, most wanted first
 *   most           object: peak, allocations, temporary: null, or the site that has most of it,
 *                  object {name, module, frames (of a few), value, percent (of the total)}
 *   sites          array, sorted, at most `top`, each:
 *     name         text: the function, module or file;  module  text or null
 *     frames, cut, hidden_frames  of its stack, or one of its stacks: site_frames.h
 *     every field of site_columns; null where there is no such figure
 *     calls        array of texts: names of the functions that made blocks
 *     details      null unless asked for, else an object:
 *       sizes      array of {from_bytes, up_to_bytes, blocks}: requested sizes by powers of two,
 *                  none of which between the first and the last is left out
 *       classes    array of {usable_bytes, blocks}: size_classes.h
 *       threads    array of {number, tid [integers], name [text]}, at most 16
 *       lifetimes  array of {up_to_ns, blocks}: of those that ended, by powers of four
 *   hidden         object: sites, allocations [count], allocated_bytes, live_bytes, peak_bytes
 *                  [bytes] of the sites that are not listed
 *   by_way_of      null, or object: a function by way of which nearly all of the peak came:
 *                  by_way_of.h */
enum seep_err sites_analyse(struct result **out, struct trace_reader *reader,
                            struct symbols *symbols, const struct sites_options *options,
                            struct err *err);

#endif
