/* SPDX-License-Identifier: MIT
 *
 * A gate: whether what the leaks analysis says of one or several traces is to be an error. It never
 * says "failed" of what it does not know for sure: a recording that is not complete, or has no heap
 * graph where one is needed, is undecided. */
#ifndef ANALYSIS_CHECK_H
#define ANALYSIS_CHECK_H

#include "analysis/result.h"
#include "trace/trace_event.h"

#include <stdbool.h>
#include <stdint.h>

struct check_options {
    bool live; /* whatever is live is an error; no graph is needed */
    /* What is allowed to be there in each trace: it fails where any of them is passed. */
    uint64_t allowed_bytes, allowed_blocks, allowed_sites;
};

enum check_verdict { CHECK_PASSED, CHECK_FAILED, CHECK_UNDECIDED, CHECK_SKIPPED };

/* Adds what is to be said of a trace to `traces`, an array, and returns its verdict. `name` is what
 * the user calls it; `leaks` is the tree of analysis/leaks.h, made of the kinds that are errors,
 * with all sites that are not too small to count; a root, which becomes part of this tree;
 * `summary` is the reader's after SEEP_END:
 *
 *   trace         text
 *   reasons       array of texts: why it is undecided
 *   found         object {sites, blocks, bytes, indirect_blocks, indirect_bytes}: what is an error,
 *                 what is lost with it counted in; and that alone
 *   verdict       text: "passed", "failed", "undecided", "skipped"
 *   completeness, leaks   objects: see analysis/completeness.h, analysis/leaks.h; not of what is
 *                 skipped */
enum check_verdict check_add(struct result *traces, const char *name, struct result *leaks,
                             const struct trace_summary *summary,
                             const struct check_options *options);

/* Adds a trace that there is nothing to judge of: "skipped", for the reason given. */
void check_skip(struct result *traces, const char *name, const char *reason);

/* Adds to `parent`, which has `traces`, what holds for all of them and returns the verdict: failed
 * where one has, else undecided where one is. In `completeness`, an object, it puts `complete`,
 * `word` and `reasons` (analysis/completeness.h) for all traces together.
 *
 *   verdict      text;  passed, failed, undecided, skipped [count] traces
 *   unused       array of {pattern, file, line}: rules that matched nothing in any trace */
enum check_verdict check_sum(struct result *parent, struct result *completeness);

#endif
