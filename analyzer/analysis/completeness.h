/* SPDX-License-Identifier: MIT
 *
 * How much of what happened a trace holds. Every report repeats it. */
#ifndef ANALYSIS_COMPLETENESS_H
#define ANALYSIS_COMPLETENESS_H

#include "analysis/result.h"
#include "trace/trace_event.h"

/* Adds an object `name` to `parent`:
 *
 *   complete         bool: nothing lost and recording not stopped
 *   word             text: "complete", or "incomplete"
 *   reasons          array of texts, one sentence each; empty if complete:
 *                    "1,204 events lost after recording stopped: the disk was full", ...
 *   unseen           array of texts: what the program did with memory where nothing is recorded
 *   lost_events      count, all reasons together; a lower bound where `damaged` or `truncated`
 *   lost             object: nested, stopped, early, no_lane, damaged: counts
 *   stop_reason      text: "the disk was full", ..., or null
 *   truncated        bool: the file ends too early
 *   damaged          bool: checksums failed
 *
 * and returns it. `summary` should be the reader's after SEEP_END. */
struct result *completeness_add(struct result *parent, const char *name,
                                const struct trace_summary *summary);

/* Events lost for whatever reason. */
uint64_t completeness_lost(const struct trace_summary *summary);

#endif
