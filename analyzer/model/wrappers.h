/* SPDX-License-Identifier: MIT
 *
 * Functions that only hand an allocation on, so that who asked for the memory stands further out:
 * operator new, the C++ standard library, xmalloc, strdup and their kind. */
#ifndef MODEL_WRAPPERS_H
#define MODEL_WRAPPERS_H

#include "model/symbols.h"
#include "trace/trace_event.h"

#include <stdbool.h>

bool wrapper_is(const char *function);

/* The frame that asked for the memory: the innermost of `stack` that is no wrapper; the innermost
 * of all where every frame is one; NULL for stack 0, and a stack without frames. Owned by
 * `symbols`. */
const struct symbol_frame *wrapper_caller(const struct trace_dict *dict, struct symbols *symbols,
                                          uint32_t stack);

#endif
