/* SPDX-License-Identifier: MIT
 *
 * One call site of a program that loads and unloads libraries. Each unload begins a generation, and
 * the stacks of each have ids of their own, for an address may mean another function by then.
 * Mostly it does not: the program itself stays where it is, and a plugin that comes back is the
 * same code, wherever it is put. Without this, a program that opens a plugin for every file would
 * show a call site for every file. */
#ifndef TRACE_SAME_CODE_H
#define TRACE_SAME_CODE_H

#include "trace/trace_event.h"

#include <stdbool.h>

/* Whether both are the same code: the same build, else the same file, laid out alike. */
bool same_code_modules(const struct trace_module *a, const struct trace_module *b);

/* For each stack of `dict` by id the first one that runs through the same code, roots standing for
 * themselves; owned by the caller. NULL where that is each itself, as in all traces of a single
 * generation. */
uint32_t *same_code_stacks(const struct trace_dict *dict);

#endif
