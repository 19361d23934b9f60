/* SPDX-License-Identifier: MIT
 *
 * Figures for how fragmented a heap is. "Heap" is what the allocator has of RSS: requested, slack,
 * holes, free and its own. Sources: Johnstone and Wilson, The Memory Fragmentation Problem: Solved?
 * (ISMM 1998), whose measures 3 and 4 are, in percent beyond 100,
 *
 *   #3   the most heap at any picture / requested bytes live at that picture
 *   #4   the most heap at any picture / the most requested bytes live at any time
 *
 * Retention: the picture with the fewest live bytes after the one with the most; heap there, what
 * was asked for of it, and the rest in percent of the heap at the peak. */
#ifndef ANALYSIS_FRAG_METRICS_H
#define ANALYSIS_FRAG_METRICS_H

#include "analysis/frag_rows.h"

#include <stddef.h>

struct frag_metrics {
    double page_occupancy, huge_page_occupancy, internal; /* percent, of the shown picture */
    double johnstone_wilson_3, johnstone_wilson_4;        /* percent */
    bool has_trough;
    size_t peak, trough; /* pictures */
    uint64_t retained_bytes;
    double retained_percent;
};

/* A trough has at most this share of the live bytes of the peak before it, in percent. */
#define FRAG_TROUGH_PERCENT 50

void frag_metrics(struct frag_metrics *m, const struct frag_rows *instants, size_t count,
                  size_t shown, uint64_t peak_requested);

#endif
