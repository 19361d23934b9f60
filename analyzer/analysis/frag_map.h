/* SPDX-License-Identifier: MIT
 *
 * The allocator's part of the address space as a row of cells, to be shown as a map. */
#ifndef ANALYSIS_FRAG_MAP_H
#define ANALYSIS_FRAG_MAP_H

#include "analysis/frag_walk.h"

#define FRAG_CELLS 512 /* at most; more are joined two by two */

struct frag_cell {
    uint64_t start, end;
    uint64_t resident, used; /* bytes; used: usable bytes of live blocks in resident pages */
    uint64_t free;           /* resident pages without live blocks */
};

/* Zero-initialise. */
struct frag_map {
    struct frag_cell *cells; /* owned; by rising address */
    size_t count, capacity;
};

void frag_map_add(struct frag_map *m, const struct frag_piece *piece);
/* All pieces were added. */
void frag_map_end(struct frag_map *m);
void frag_map_release(struct frag_map *m);

#endif
