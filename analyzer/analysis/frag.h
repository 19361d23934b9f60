/* SPDX-License-Identifier: MIT
 *
 * Fragmentation: what resident memory is made of, at each picture of the pages that was recorded,
 * and who causes what nobody asked for. */
#ifndef ANALYSIS_FRAG_H
#define ANALYSIS_FRAG_H

#include "analysis/result.h"
#include "analysis/site_key.h"
#include "model/filter.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

enum frag_question { FRAG_NO_QUESTION, FRAG_WITHOUT, FRAG_POOL };

struct frag_options {
    enum site_by by;
    size_t top;             /* sites shown; 0: all */
    size_t sizes;           /* sizes shown; 0: all */
    unsigned depth;         /* frames shown of a stack, inline ones count; 0: all */
    struct filter *filter;  /* not yet bound, like the next two; NULL: none. Not owned */
    struct filter *at;      /* its `to` is the moment to be shown; NULL: frag_read.h's choice */
    struct filter *what_if; /* whose blocks the question is about */
    enum frag_question question;
    /* Adds to the answer `replay`, what replays say of it, or null, and `replay_missing`, a text:
     * why, or null. picture_ns: of the picture shown. NULL: they are not asked. */
    enum seep_err (*replay)(void *arg, struct result *what_if, uint64_t picture_ns,
                            struct err *err);
    void *replay_arg;
    bool (*progress)(void *arg, double fraction); /* may be NULL */
    void *progress_arg;
};

/* Reads the trace from where the reader stands (the beginning), once. Of the filters the window
 * says which pictures are looked at, the others which blocks are blamed; rows are always those of
 * the whole. On success *out is owned by the caller, result_free(). Errors: those of the reader,
 * USAGE from filter_bind() and for a trace of several processes, INTERRUPTED, those of the replay.
 * The tree (units in brackets):
 *
 *   window          null, or object {from, to: texts as given or null}
 *   by              text as in site_by_names
 *   allocator       text
 *   end_ns          [ns] of the trace
 *   pictures        [count] in the window; of many only some are looked at
 *   instants        array of rows, see below, by time
 *   shown           null: there was no picture; or [count]: the place, from 0, in instants of what
 *                   follows
 *   metrics         null, or object; each of frag_metrics.h:
 *     page_occupancy_percent, huge_page_occupancy_percent  [percent] of the pages of 4 KiB, and of
 *                   2 MiB, with live blocks
 *     live_pages, live_huge_pages [count]
 *     holes         array of {from_bytes, to_bytes [bytes], pages [count], hole_bytes [bytes]}
 *     internal_percent [percent] of slack in usable bytes
 *     johnstone_wilson_3, johnstone_wilson_4   [percent]
 *     retention     null, or object {trough_ns [ns], peak_ns [ns], requested_bytes, heap_bytes,
 *                   retained_bytes [bytes], retained_percent [percent]}
 *   blame           array, the most waste first, of objects:
 *     blocks        [count] of the site that keep pages with a hole; keeper_bytes [bytes] usable
 *     live_blocks [count], live_bytes [bytes] requested, of the site
 *     waste_bytes   [bytes]: the sum of these three:
 *     hole_bytes, slack_bytes, pinned_bytes   [bytes] as in frag_blame.h
 *     sole_pinner_bytes [bytes] of hole_bytes
 *     page_fill_percent [percent]: how full the pages are that it keeps
 *     byte_seconds  real: waste_bytes over time, of all pictures with details
 *     age_ns, neighbour_ns  null, or [ns]: how old its blocks are that lie where others ended, and
 *                   how long those had lived: geometric means
 *     outlives      real: the one divided by the other, 0: not known
 *     name, stacks, frames, cut, hidden_frames   as in analysis/growth.h
 *   hidden          object {sites [count], bytes [bytes]}: not shown
 *   left            array, the most first, of objects: left_bytes [bytes] of free pages, as in
 *                   frag_blame.h; name, stacks, frames, cut, hidden_frames as above
 *   hidden_left     object {sites [count], bytes [bytes]}: not shown
 *   unknown_left_bytes  [bytes] of the allocator in which no recorded block ever lay
 *   mappings        array, the most resident first, of the program's own anonymous mappings by the
 *                   place that made them: resident_bytes, mapped_bytes [bytes] (resident or not),
 *                   mappings [count], name; frames (of that place alone), cut, hidden_frames as
 *                   above
 *   hidden_mappings object {sites [count], bytes [bytes] resident}: not shown
 *   sizes           array, the most slack first, of objects {size_bytes, usable_bytes [bytes],
 *                   blocks [count], slack_bytes [bytes], slack_percent [percent] of the usable}
 *   map             array of cells by address: {start, end [address], resident_bytes, used_bytes,
 *                   free_bytes [bytes]}
 *   what_if         null, or object {question text "without" or "pool", blocks [count],
 *                   requested_bytes, usable_bytes [bytes], pages, touched_pages, alone_pages,
 *                   pool_pages [count], saved_bytes integer: by the pages as they lay; replay and
 *                   replay_missing: as the options' function adds them, null where it was not
 * asked} verdict         object {kind text as in frag_verdict.h, advice array of texts}
 *
 * Rows: time_ns [ns]; resident bytes [bytes], which sum up to rss_bytes:
 *   requested_bytes, slack_bytes, hole_bytes, free_resident_bytes, metadata_bytes, non_heap_bytes,
 *   recorder_bytes, unexplained_bytes (integer: may be negative)
 * of these
 *   free_never_used_bytes of free_resident_bytes, mapped_metadata_bytes of metadata_bytes: inferred
 *   stack_bytes, own_mapping_bytes, file_bytes, other_bytes: of non_heap_bytes
 * and beside them untouched_bytes, swapped_bytes, live_bytes, live_blocks, moved_bytes (of blocks
 * made or freed while the picture was taken), moved_rss_bytes (integer).
 */
enum seep_err frag_analyse(struct result **out, struct trace_reader *reader,
                           struct symbols *symbols, const struct frag_options *options,
                           struct err *err);

#endif
