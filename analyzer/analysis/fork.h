/* SPDX-License-Identifier: MIT
 *
 * Where a forked child comes from. */
#ifndef ANALYSIS_FORK_H
#define ANALYSIS_FORK_H

#include "analysis/result.h"
#include "trace/trace_event.h"

/* Adds fork_parent_pid [integer], parent_trace [text: a file beside this one] and fork_ns [ns: time
 * of the fork, since the parent's start]; each null where it is not known. */
void fork_add(struct result *object, const struct trace_facts *facts);

#endif
