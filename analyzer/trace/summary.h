/* SPDX-License-Identifier: MIT
 *
 * The SUMMARY of a trace: enum seep_summary. */
#ifndef TRACE_SUMMARY_H
#define TRACE_SUMMARY_H

#include "trace/bytes.h"
#include "trace/trace_event.h"

/* Appends all of `s` that is not 0; `numbers`: events in the total order. */
void summary_encode(const struct trace_summary *s, uint64_t numbers, struct bytes *out);

/* Sets what the records tell. False where they end within one. */
bool summary_decode(struct trace_summary *s, uint64_t *numbers, const struct bytes *records);

#endif
