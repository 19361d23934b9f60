/* SPDX-License-Identifier: MIT
 *
 * Whether nearly all that call sites have comes by way of one function that hands memory on to many
 * others: an allocator of the program's own, which seep takes for who asks until it is told better
 * (alloc_fns in symbols.h). */
#ifndef ANALYSIS_BY_WAY_OF_H
#define ANALYSIS_BY_WAY_OF_H

#include "analysis/result.h"
#include "model/symbols.h"
#include "trace/trace_event.h"
#include "util/err.h"

/* Stacks and what they have. Zero-initialise. */
struct by_way_of {
    struct by_way_of_share {
        uint32_t stack;
        uint64_t bytes;
    } * items; /* owned */
    size_t count, capacity;
};

/* Notes what a stack has. */
void by_way_of_note(struct by_way_of *w, uint32_t stack, uint64_t bytes);

/* Adds to `r`, of all that was noted:
 *
 *   by_way_of       null, or object:
 *     function      text: of the function; file text or null; line integer or null: where it calls
 *                   the allocator, or what does
 *     share_percent [percent] of the bytes
 *     callers       [count] functions that call it, of those with most bytes
 *
 * A function is one that hands on where it has a large part of the bytes, from several callers of
 * which none has most of it, and does not call itself by a detour, as parsers and interpreters do.
 * Names are looked up of the heaviest stacks only. Errors: INTERRUPTED. */
enum seep_err by_way_of_add(struct result *r, struct by_way_of *w, const struct trace_dict *dict,
                            struct symbols *symbols, struct err *err);

void by_way_of_release(struct by_way_of *w);

#endif
