/* SPDX-License-Identifier: MIT
 *
 * What a program would need with other allocators: its recording replayed with each. */
#ifndef REPLAY_COMPARE_H
#define REPLAY_COMPARE_H

#include "analysis/result.h"
#include "replay/candidate.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct compare_options {
    const char *program;          /* path of seep-replay */
    struct candidate *candidates; /* beside the recording allocator; not owned */
    size_t candidate_count;
    unsigned speed_percent; /* 100: gaps as they were */
    unsigned repeat;        /* replays for memory; 0: until they agree */
    unsigned scale;         /* 1: all of the heap; 0: 1, and refuse what does not fit */
    bool free_running;      /* threads do not take turns where speed is measured */
    /* false: stop, INTERRUPTED. Either may be NULL. */
    bool (*progress)(void *arg, double fraction);
    bool (*stage)(void *arg, const char *candidate, const char *what, unsigned run);
    void *arg;
};

/* Replays the trace, and builds, for the caller to free,
 *
 *   recorded       object: allocator, version, settings (texts), cpus, threads, calls, duration_ns;
 *                  peak_rss_bytes, final_rss_bytes, mean_rss_bytes: as the kernel counted, less
 *                  recorder_bytes and unwind_tables_bytes (of files: what it reads), null where it
 *                  was not looked at; trough_rss_bytes: where the
 *                  least was live after the peak; peak_live_bytes, requested; heap_rss_percent:
 *                  share of the RSS at its peak that the heap has, or null
 *                  sizes_asked_by: file name of the module that asks how large blocks really are,
 *                  or null
 *   self_check     null where the recording allocator could not be replayed (why: self_missing), or
 *                  object: name, peak_miss_percent and final_miss_percent (reals, of the RSS: how
 *                  far its heap is off the recorded one, at the highest RSS and the last moment at
 *                  which pages were looked at; null: cannot be told), peak_miss_bytes and
 *                  final_miss_bytes (reals, signed), sound: bool: both at most 5 %, or 256 KiB
 *   self_missing   text or null
 *   replay         object: speed_percent, scale, free_running, calls, failed_recorded (left out),
 *                  unknown_frees (left out), stray_calls, here_cpus
 *   candidates     array of objects, the recording allocator first, where it was replayed:
 *     name, version, library, settings, note    texts; library and note may be null
 *     recorded             bool: what the program was recorded with
 *     peak_rss_bytes, final_rss_bytes, mean_rss_bytes, trough_rss_bytes
 *                          predicted for the program
 *     error_percent        real: half of the distance between the replays farthest apart
 *     runs                 count of replays for memory
 *     slack_bytes          of the replay, at the last instant: usable beyond those requested
 *     resident_free_bytes  the same: resident beyond the usable
 *     own_bytes            of the replay itself, and not in any figure
 *     cpu_ns, wall_ns      of a replay without gaps; calls_per_second of it
 *     malloc_ns, free_ns, realloc_ns
 *                          objects p50, p95, p99; null where there were none
 *     minor_faults, major_faults, voluntary_switches, involuntary_switches, failed_calls
 *     memory_calls         system calls by the replay: object of counts mmap, munmap, mremap,
 *                          madvise, brk; null where it may not be traced
 *     late_ns              most that the replay came behind the recorded times
 *     rss                  array of bytes: predicted at each of `times`
 *   times          array of ns;  rss: array of bytes, as recorded
 *   verdict        object: sentences (array of texts), lines (array of texts to paste)
 *
 * Errors: as reading; USAGE where the heap does not fit into this machine's memory. */
enum seep_err compare_analyse(struct result **out, struct trace_reader *reader,
                              const struct compare_options *options, struct err *err);

#endif
