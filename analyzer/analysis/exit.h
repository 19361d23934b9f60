/* SPDX-License-Identifier: MIT
 *
 * How a process ended. */
#ifndef ANALYSIS_EXIT_H
#define ANALYSIS_EXIT_H

#include "analysis/result.h"
#include "trace/trace_event.h"

/* Adds an object `name` to `parent`:
 *
 *   word             text: "exited with status 0", "killed by signal 9 (SIGKILL)", "not known"
 *   status, signal   integer or null
 *   recording        text: how it ended: "closed", "open" (no word from the process), "stopped" */
void exit_add(struct result *parent, const char *name, const struct trace_summary *summary);

/* "SIGKILL"; NULL for a signal without a name of its own. */
const char *exit_signal_name(int number);

#endif
