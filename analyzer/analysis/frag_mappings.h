/* SPDX-License-Identifier: MIT
 *
 * The program's own mappings by the place in the code that made them. */
#ifndef ANALYSIS_FRAG_MAPPINGS_H
#define ANALYSIS_FRAG_MAPPINGS_H

#include "analysis/frag_walk.h"

/* Anonymous mappings of one call site. */
struct frag_mapping {
    uint64_t pc;             /* where its mmap() returns to; 0: not known */
    uint64_t resident_bytes; /* what is no heap's: a program may have an allocator's blocks there */
    uint64_t mapped_bytes;   /* resident or not */
    uint64_t count;          /* of stretches of addresses that lie apart or were mapped apart */
};

/* Zero-initialise. */
struct frag_mappings {
    struct frag_mapping *sites; /* owned; once at their end, the most resident first */
    size_t count, capacity;
};

/* Counts a resident piece of the program's own; others are passed over. */
void frag_mappings_add(struct frag_mappings *m, const struct frag_piece *piece);
/* All pieces were added: takes what else is known of these sites' mappings. */
void frag_mappings_end(struct frag_mappings *m, const struct memory_map *map);
void frag_mappings_release(struct frag_mappings *m);

#endif
