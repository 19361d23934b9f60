/* SPDX-License-Identifier: MIT
 *
 * In one word why a process is as large as it is, and what to do. Judged by the picture that is
 * shown; shares are of RSS less the recorder's part.
 *
 *   not-heap       more than half is no heap
 *   fragmentation  of the heap at least FRAG_WASTE_PERCENT is waste, and holes and slack are more
 *                  of it than free pages
 *   retention      the same, and free pages are more
 *   growth         what was asked for is most of the heap, and at the last picture nine tenths of
 *                  its highest, and it was less than two thirds of that a quarter into the time
 *   in-use         else: the heap is what the program asked for */
#ifndef ANALYSIS_FRAG_VERDICT_H
#define ANALYSIS_FRAG_VERDICT_H

#include "analysis/frag_blame.h"
#include "analysis/frag_metrics.h"
#include "analysis/result.h"

#define FRAG_WASTE_PERCENT 25

enum frag_verdict { FRAG_NOT_HEAP, FRAG_FRAGMENTED, FRAG_RETAINED, FRAG_GROWTH, FRAG_IN_USE };

/* In the enum's order: "not-heap", ... */
extern const char *const frag_verdict_names[];

enum frag_verdict frag_verdict(const struct frag_rows *instants, size_t count, size_t shown);

/* What advice rests on beside the rows. */
struct frag_case {
    const char *allocator;
    size_t threads;                /* that there ever were */
    const struct frag_site *worst; /* the site with the most waste, or NULL */
};

/* Adds `verdict` to the tree, with advice. */
void frag_verdict_add(struct result *tree, const struct frag_rows *instants, size_t count,
                      size_t shown, const struct frag_case *of);

#endif
