/* SPDX-License-Identifier: MIT
 *
 * The heap over time: how it went, who made its peaks, what was added where it rose, and which call
 * sites keep growing. */
#ifndef ANALYSIS_GROWTH_H
#define ANALYSIS_GROWTH_H

#include "analysis/result.h"
#include "analysis/site_key.h"
#include "model/filter.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct growth_options {
    enum site_by by;
    size_t top;            /* sites classed that are shown; 0: all */
    size_t top_parts;      /* sites shown of each peak and rise; 0: all */
    size_t peaks;          /* shown at most */
    size_t rises;          /* the same; with a window it is the window that is shown */
    uint64_t min_bytes;    /* sites that never had so much live are not classed, only counted */
    unsigned depth;        /* frames shown of a stack, inline ones count; 0: all */
    bool pools;            /* blocks of pools that the program told of, not those of malloc */
    struct filter *filter; /* not yet bound; NULL: none. Not owned */
    /* Called now and then while events are read, with 0 .. 1; returns false to stop (INTERRUPTED).
     * May be NULL. */
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

/* Buckets over time are at most so many, and more than half of it. */
#define GROWTH_BUCKETS 1024

/* Reads the trace from where the reader stands (the beginning), twice where there is anything to be
 * looked at. With a time window: what is live in it, whenever it was made.
 * On success *out is owned by the caller, result_free(). Errors: those of the reader, USAGE from
 * filter_bind() and for a filter by lifetime (how long a block will live is not known while it
 * does), INTERRUPTED. The tree (units in brackets):
 *
 *   window          null, or object {from, to: texts as given or null}
 *   start_ns, end_ns [ns] what is looked at
 *   by              text as in site_by_names
 *   shutdown_ns     null, or [ns]: from then on the program only freed what it had
 *   total           object: start_bytes, start_blocks, end_bytes, end_blocks [bytes, count]: live;
 *                   level_bytes: live at the end, or where the shutdown begins;
 *                   allocations, frees [count], reallocations being both; allocated_bytes [bytes]
 *   series          object of columns, an item for each bucket; a bucket begins with what is live:
 *     width_ns      [ns] of a bucket; the first begins at start_ns
 *     max_bytes, min_bytes, last_bytes   arrays [bytes] live
 *     max_blocks, last_blocks            arrays [count] live
 *     allocations, frees                 arrays [count]; allocated_bytes: array [bytes]
 *     rss_max, rss_last  null where it was not sampled, or arrays [bytes], 0: not known yet
 *   marks           array of objects {name text, time_ns [ns]}, in the window
 *   peaks           array, the highest first; what a peak is: growth_moments.h. Each an object:
 *     time_ns [ns], bytes [bytes], blocks [count], prominence_bytes [bytes]
 *     sites         array of parts, see below: what was live then
 *     others        object {sites [count], blocks [count], bytes [bytes]}: not shown
 *   rises           array: the window where one was given, else what growth_moments.h finds, the
 *                   largest first. Each an object:
 *     given         bool: it is the window
 *     from_ns, to_ns [ns]
 *     before_bytes, after_bytes [bytes] live
 *     change_bytes  integer: after - before
 *     added_blocks [count], added_bytes [bytes]: made, or last reallocated, from then on and live
 *                   in the end
 *     gone_bytes    [bytes] of what was live before and is no more, or was reallocated
 *     sites, others as above, of what was added
 *   classes         array in the order of growth_class_names, of those that occur, each an object:
 *     class text, sites [count], level_bytes [bytes]
 *   unclassed       object {sites [count], high_bytes [bytes]}: below min_bytes; the sum of highs
 *   sites           array: growing ones first, by what they rose, then the others, by high_bytes:
 *     class         text as in growth_class_names; what each is stands in growth_class.h
 *     freed_at_end  bool: the shutdown freed nearly all of it
 *     from_ns, to_ns [ns] what its class was judged by: from its first block to the shutdown
 *     level_bytes, high_bytes [bytes] live at the end of that, and at most
 *     share_percent [percent] of total.level_bytes
 *     risen_bytes   [bytes] by which the floor rose after the first quarter; 0 if not steadily
 *     end_bytes     [bytes] live at end_ns
 *     allocations, frees, late_allocations [count] in that time and in its last quarter;
 *     allocated_bytes [bytes]
 *     first_ns, last_ns [ns] when the first and the last of all these allocations were, also in the
 *                   shutdown; 0 where there was none
 *     falls         [count] how often live bytes fell to a quarter of a high
 *     slope         null where the time was too short, or object {bytes_per_s, low, high reals, the
 *                   latter two the 95 % interval; r2 real}, of what follows the first quarter
 *     series        object {width_ns [ns], max_bytes array [bytes]}, from start_ns on
 *     and as a part: name, stacks, frames
 *   hidden          object {sites [count], level_bytes [bytes], growing [count]}: classed, not
 * shown
 *
 * A part, of a peak or rise:
 *   name            text: what it was grouped by: the allocating function, module or source file
 *   blocks [count], bytes [bytes], share_percent [percent] of all there
 *   stacks          [count] distinct stacks in this site; 1 when by stack
 *   frames, cut, hidden_frames   see site_frames.h: one of its stacks
 */
enum seep_err growth_analyse(struct result **out, struct trace_reader *reader,
                             struct symbols *symbols, const struct growth_options *options,
                             struct err *err);

#endif
