/* SPDX-License-Identifier: MIT
 *
 * The rows that RSS is made of at one moment, and how full its pages are. */
#ifndef ANALYSIS_FRAG_ROWS_H
#define ANALYSIS_FRAG_ROWS_H

#include "analysis/frag_walk.h"

/* Holes by size: of 1 .. 63 bytes in a page, 64 .. 127, doubling, and 2048 .. 4095. */
#define FRAG_HOLES 7

struct frag_rows {
    uint64_t time_ns, number; /* of the moment; events before it */
    /* resident bytes: the rows, which sum up to `rss` with `unexplained` */
    uint64_t rss;
    uint64_t requested, slack, hole; /* from the events, and measured residency */
    uint64_t free_held;              /* no block lies there, one did */
    uint64_t free_unheld;            /* none ever did (inferred to be the allocator's) */
    uint64_t headers;                /* before blocks, by the allocator's layout */
    uint64_t metadata; /* mappings of the allocator that never held blocks (inferred) */
    uint64_t stacks, mappings, files, other; /* not heap; `files` as the kernel says, less ours */
    uint64_t recorder;
    int64_t unexplained;
    /* beside them */
    uint64_t untouched, swapped;                       /* requested bytes that are not resident */
    uint64_t live_requested, live_usable, live_blocks; /* resident or not */
    uint64_t peak_requested;                           /* up to here: the most requested at once */
    uint64_t moved_bytes; /* of blocks made or freed while the picture was taken */
    int64_t moved_rss;    /* what RSS did meanwhile */
    /* pages of 4 KiB and of 2 MiB with live blocks, and the bytes of these in them */
    uint64_t live_pages, live_huge, live_page_bytes;
    uint64_t hole_pages[FRAG_HOLES], hole_bytes[FRAG_HOLES];
    /* private */
    uint64_t anonymous, ours_file; /* resident, seen in the picture */
    uint64_t last_huge;
};

/* Zero-initialise. Adds a piece of frag_walk()'s. */
void frag_rows_add(struct frag_rows *r, const struct frag_piece *piece);

/* All pieces were added: takes the totals of the heap, and the kernel's split (`memory` of a MEMORY
 * record), and what is left over becomes `unexplained`. */
void frag_rows_end(struct frag_rows *r, const struct pages *pages,
                   const uint64_t memory[SEEP_MEMORY_COUNT]);

/* Sums of rows: no live block lies there; the allocator's own; not heap; what the allocator has of
 * RSS; what of that is not what was asked for. */
uint64_t frag_rows_free(const struct frag_rows *r);
uint64_t frag_rows_metadata(const struct frag_rows *r);
uint64_t frag_rows_non_heap(const struct frag_rows *r);
uint64_t frag_rows_heap(const struct frag_rows *r);
uint64_t frag_rows_waste(const struct frag_rows *r);

#endif
