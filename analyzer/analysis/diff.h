/* SPDX-License-Identifier: MIT
 *
 * What changed between traces of one program and another: call site by call site (diff_keys.h), and
 * as a whole.
 *
 * Runs are never quite alike. With several traces on a side a figure counts as changed where its
 * medians differ by more than the traces of either side do among themselves (highest less lowest);
 * with one on each side, where it differs at all. */
#ifndef ANALYSIS_DIFF_H
#define ANALYSIS_DIFF_H

#include "analysis/result.h"
#include "analysis/site_key.h"
#include "model/filter.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

enum diff_figure {
    DIFF_LIVE,        /* bytes of the window's blocks that are live at its end */
    DIFF_PEAK,        /* bytes live when all live bytes were most */
    DIFF_ALLOCATIONS, /* with reallocations */
    DIFF_ALLOCATED,   /* bytes of those */
    DIFF_TEMPORARY,
    DIFF_FIGURES
};

/* In the enum's order, NULL-ended, as on the command line. */
extern const char *const diff_figure_names[];

struct diff_input {
    const char *path; /* as the user names it */
    bool is_new;      /* of the new side */
    struct trace_reader *reader;
    struct symbols *symbols;
    struct filter *filter; /* of its own, not yet bound; NULL: none */
};

struct diff_options {
    enum site_by by;
    enum diff_figure sort;  /* listed by how much this changed, the largest change first */
    size_t top;             /* sites listed; 0: all */
    unsigned depth;         /* frames of each; 0: all */
    uint64_t min_bytes;     /* sites are left out where no figure of bytes changed by so much; 0:
                               none is */
    bool pools;             /* of blocks of pools that the program told of */
    unsigned fail_on;       /* bits by figure: being worse there is a failure */
    bool fail_on_new_leaks; /* and so is a call site that has more live */
    uint64_t allowed_bytes; /* worse by at most so much is none; UINT64_MAX: by any */
    double allowed_percent; /* of the old figure; infinite: by any */
    bool (*progress)(void *arg, double fraction); /* false: stop, INTERRUPTED. May be NULL */
    void *progress_arg;
};

enum diff_verdict { DIFF_PASSED, DIFF_FAILED, DIFF_UNDECIDED };

/* Reads all the traces, whose readers stand at the start; there is one on each side at least. On
 * success *out is owned by the caller, result_free(), and *verdict says how it ended. Errors: those
 * of the readers, USAGE from filter_bind(), INTERRUPTED. The tree; a figure is an object {old, new
 * [count or bytes]: medians; change integer: new less old; spread [count or bytes]: the wider of
 * the two sides'; changed bool}:
 *
 *   by, sort       text
 *   old, new       arrays of objects: path, exe text; complete bool
 *   by_name        array of texts: files whose builds differ, so that names were compared
 *   total          object: live, peak, allocations, allocated, temporary: figures
 *   changes        object: the same names, each an object of how many call sites have more or less
 *                  of it, of them such that are on one side only, and by how much together:
 *                  {more_sites, less_sites, new_sites, gone_sites [count]; more, less [count or
 *                  bytes]}
 *   sites          array, at most `top`, each:
 *     state        text: "new" (nothing of it is on the old side), "gone", "changed"
 *     name, module, frames, cut, hidden_frames  as in analysis/sites.h
 *     live, peak, allocations, allocated, temporary: figures
 *   hidden         object: sites [count]: changed ones that are not listed
 *   alike          object: sites [count]: without a change; noisy [count]: of them, those whose
 *                  medians differ, but by no more than the spread
 *   verdict        text: "passed", "failed" or "undecided"; null where nothing was to be judged
 *   worse          array of texts: the figures that are worse, "new-leaks" */
enum seep_err diff_analyse(struct result **out, enum diff_verdict *verdict,
                           const struct diff_input *inputs, size_t count,
                           const struct diff_options *options, struct err *err);

#endif
