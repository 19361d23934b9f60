/* SPDX-License-Identifier: MIT
 *
 * What was recorded, by whom, how completely. */
#ifndef ANALYSIS_INFO_H
#define ANALYSIS_INFO_H

#include "analysis/result.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct info_options {
    /* Called now and then while events are read, with 0 .. 1; returns false to stop (INTERRUPTED).
     * May be NULL. The symboliser has its own for the time after. */
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

/* Reads the whole trace once. `symbols` proves the frames; NULL leaves suspect_frames,
 * unprovable_frames and missing_library null. On success *out is owned by the caller,
 * result_free(). Errors: those of the reader, INTERRUPTED. The tree (units in brackets):
 *
 *   events                 [count] allocations + frees + reallocations
 *   allocations, frees, reallocations, failed, temporary   [count]
 *   mismatched_frees       [count] new given to free, malloc to delete, ...
 *   allocated_bytes        [bytes] requested
 *   peak_live_bytes        [bytes] requested;  peak_live_blocks [count];  peak_time_ns [ns]
 *   live_blocks, live_bytes, live_usable_bytes             at the end
 *   inherited_blocks, inherited_bytes   made by the parent before the fork; not allocations
 *   inherited_frees        [count] of such blocks where the trace does not hold them; not frees
 *   pools                  null, or object: the same of blocks of pools that the program told of;
 *                          they lie within others, and count nowhere else:
 *     allocations, frees, reallocations, allocated_bytes, peak_live_bytes, peak_live_blocks,
 *     peak_time_ns, live_blocks, live_bytes, inherited_blocks, inherited_bytes
 *   lost_events            [count];  raced, repaired, unknown_frees  [count]
 *   threads                [count]
 *   window                 null, or object: what trace this is a window of, and which:
 *     of                   text: that trace's name
 *     from, to             text as they were asked for, or null: those of that trace
 *     from_ns, to_ns       [ns] since that trace's start
 *     first_event          [count] number of the first event; numbers are those of that trace
 *   duration_ns            [ns] of the window, where it is one, like all counts and the peak
 *   trace_bytes            [bytes];  bytes_per_event [real] those of pools count
 *   peak_rss_bytes         [bytes] or null where not known
 *   recorder_bytes         [bytes] memory of the recorder itself within that
 *   allocator, allocator_version, allocator_path           text or null
 *   stacks                 [count] nodes of the stack tree without roots
 *   modules                [count]
 *   cut_stacks, guessed_frames      [count] as the recorder walked
 *   suspect_frames         [count] nodes of the stack tree whose return address follows no call
 *   unprovable_frames      [count] nodes whose code is not on this machine, or cannot be decoded
 *   missing_library        text: what would decode it, and cannot be loaded here; else null
 *   process                object:
 *     command              text, quoted as for a shell; arguments: array of texts
 *     exe, working_directory, host, kernel, libc, thp, run_id, recorder_version   text or null
 *     pid, parent_pid, image, cpus [integer or null];  page_bytes [bytes or null]
 *     fork_parent_pid, parent_trace, fork_ns: see analysis/fork.h
 *     start_realtime_ns    [integer] ns since 1970;  start  text, ISO 8601 UTC
 *     options, environment arrays of texts
 *   exit                   see analysis/exit.h
 *   completeness           see analysis/completeness.h
 *   marks                  array of {name text, time_ns [ns], event [count], thread [integer]}
 *   snapshots              of the heap graph: see analysis/snapshots.h
 *   processes              of a merged trace, or null: see analysis/processes.h
 */
enum seep_err info_analyse(struct result **out, struct trace_reader *reader,
                           struct symbols *symbols, const struct info_options *options,
                           struct err *err);

#endif
