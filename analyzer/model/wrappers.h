/* SPDX-License-Identifier: MIT
 *
 * Functions that only hand an allocation on, so that who asked for the memory stands further out:
 * operator new, the C++ standard library, xmalloc, strdup and their kind, which are known by name;
 * and those that the user names (alloc_fns in symbols.h). */
#ifndef MODEL_WRAPPERS_H
#define MODEL_WRAPPERS_H

#include "model/symbols.h"
#include "trace/trace_event.h"

#include <stdbool.h>

/* Whether it is one that is known by name. False for NULL. */
bool wrapper_is(const char *function);

/* Whether `f` is a function without a name, of a stripped program or library, that a known
 * allocator calls, directly or by one other without a name: then it is a part of that. `outer` is
 * the frame that called it, `outermost` the one that called that; each may be NULL. */
bool wrapper_is_helper(const struct symbol_frame *f, const struct symbol_frame *outer,
                       const struct symbol_frame *outermost);

/* The frame that asked for the memory: the innermost of `stack` that is no wrapper, nor helper of
 * one, and stands outside of all that the user named: what one of those calls is a part of the
 * allocator, too. The innermost of all where there is none; NULL for stack 0, and a stack without
 * frames. Owned by `symbols`. */
const struct symbol_frame *wrapper_caller(const struct trace_dict *dict, struct symbols *symbols,
                                          uint32_t stack);

#endif
