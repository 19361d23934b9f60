/* SPDX-License-Identifier: MIT
 *
 * What is live at chosen moments, by call site: read from the trace once more, for what is live at
 * all moments would be too much to keep. */
#ifndef ANALYSIS_GROWTH_LIVE_H
#define ANALYSIS_GROWTH_LIVE_H

#include "analysis/growth_read.h"

struct growth_part {
    uint32_t site;
    uint64_t blocks, bytes;
};

struct growth_moment {
    /* the caller's: after the last event before this number, */
    uint64_t number;
    uint64_t from_number; /* the blocks made, or last reallocated, from this event on; 0: all */
    size_t top;           /* sites wanted; 0: all */
    /* what comes of it */
    struct growth_part *parts; /* the sites with the most bytes, the largest first; owned */
    size_t part_count;
    uint64_t sites, blocks, bytes; /* all of them */
};

/* Fills the moments, which are put in order of their numbers. The reader is moved. Errors: those of
 * the reader; INTERRUPTED. Parts are released by growth_moment_release(), also after an error. */
enum seep_err growth_live_read(struct growth_moment **moments, size_t count, struct growth_read *g,
                               struct err *err);
void growth_moment_release(struct growth_moment *m);

#endif
