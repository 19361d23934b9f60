/* SPDX-License-Identifier: MIT
 *
 * Naming many stacks at once: in the order of the files they lie in rather than in that of the
 * analysis, which is far quicker, and with progress. */
#ifndef ANALYSIS_RESOLVE_H
#define ANALYSIS_RESOLVE_H

#include "model/symbols.h"
#include "trace/trace_event.h"
#include "util/err.h"

/* Names the stack nodes whose entry in `marks` (by id, 0 .. stack_count) is not 0, and with
 * `callers`, or where functions were named that are a part of the allocator, everything outwards of
 * them, too; `marks` is then extended by those. INTERRUPTED where
 * the symboliser's progress function says so. */
enum seep_err resolve_marked(struct symbols *symbols, const struct trace_dict *dict, uint8_t *marks,
                             bool callers, struct err *err);

#endif
