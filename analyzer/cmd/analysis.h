/* SPDX-License-Identifier: MIT
 *
 * What commands that analyse a trace have in common: from the trace to a tree to a report. */
#ifndef CMD_ANALYSIS_H
#define CMD_ANALYSIS_H

#include "cli.h"

#include "analysis/result.h"
#include "cmd/progress.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

struct analysis {
    const char *schema; /* of its tree: struct report */
    unsigned version;
    /* Makes the tree; progress_step() with `progress` is the analysis's progress function. */
    enum seep_err (*make)(void *arg, struct result **out, struct trace_reader *reader,
                          struct symbols *symbols, struct progress *progress, struct err *err);
    void *arg;
};

/* Has the tree made of an open trace, with names and a progress line; then `done`, given the tree,
 * which it may take over by setting it to NULL, does what is to be done with it and returns the
 * exit status. Files that could not be named are told last, on standard error, if `problems`.
 * Returns the exit status; errors are printed. */
int analysis_run(const struct cli *cli, const struct analysis *a, struct trace_reader *reader,
                 int (*done)(const struct cli *cli, const struct analysis *a,
                             struct trace_reader *reader, struct result **result),
                 bool problems);

/* Opens the trace, or spool, has the tree made and prints it. Returns the exit status. */
int analysis_print(const struct cli *cli, const struct analysis *a, const char *path);

#endif
