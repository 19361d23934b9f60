/* SPDX-License-Identifier: MIT
 *
 * Who causes what of a heap's memory nobody asked for, at one moment, by call site.
 *
 *   hole    In each resident page with live blocks, what neither they nor headers take is divided
 *           among the blocks in equal parts: each of them alone would keep the page.
 *   sole    Of that, the holes of pages that one block keeps alone: free it, and the page is free.
 *   slack   Bytes that the site's blocks have beyond what was asked for, and that are resident.
 *   pinned  glibc gives a heap back from its top only. Resident pages without live blocks that lie
 *           directly below the topmost blocks of a heap (a run of at most FRAG_TOP_PAGES pages) are
 *           theirs, in equal parts.
 *   left    Other resident pages of the allocator without live blocks are none of a live block's
 *           doing: they are what the allocator keeps. The site whose block was the last to lie
 *           there left them behind.
 *
 * Neighbours of a block are what lay in its pages and is gone; how long those lived is a moving
 * mean of logarithms. */
#ifndef ANALYSIS_FRAG_BLAME_H
#define ANALYSIS_FRAG_BLAME_H

#include "analysis/frag_walk.h"
#include "model/filter.h"
#include "trace/trace_reader.h"

#define FRAG_TOP_PAGES 16

struct frag_site {
    uint32_t stack;
    uint64_t blocks, bytes;          /* live, requested */
    uint64_t keepers;                /* of them, those that lie in a page with a hole */
    uint64_t keeper_bytes;           /* usable, of these */
    double hole, sole, pinned, left; /* bytes */
    uint64_t slack;
    double page_bytes;      /* of the pages it keeps, each shared equally like the hole */
    double age, neighbours; /* sums of logarithms (base 2, ns) over keepers with neighbours */
    uint64_t compared;      /* so many */
    double byte_ns;         /* waste over time; see frag_blame_span() */
};

/* What one size costs. */
struct frag_size {
    uint64_t size, usable;
    uint64_t blocks;
};

struct frag_blame {
    struct frag_site *sites; /* owned, like all below */
    size_t count, capacity;
    uint32_t *site_of; /* by stack: place in `sites` + 1 */
    struct frag_size *sizes;
    size_t size_count, size_capacity, size_slots;
    uint32_t *size_at;
    double unknown_left; /* pages of the allocator that no block ever lay in */
};

void frag_blame_init(struct frag_blame *b, uint32_t stack_count);
void frag_blame_release(struct frag_blame *b);
/* Empties it, and keeps byte_ns of each site. */
void frag_blame_clear(struct frag_blame *b);

/* Divides what a picture shows, taken now. Goes through it with frag_walk(); pages are seen
 * afterwards. `filter` (bound, or NULL) decides which blocks are sites' here. False where the
 * record makes no sense. */
bool frag_blame_take(struct frag_blame *b, const struct frag_world *w,
                     const struct trace_beside *mappings, struct trace_reader *reader,
                     struct filter *filter, uint64_t now_ns);

/* Counts what the sites waste now for a span of time. */
void frag_blame_span(struct frag_blame *b, uint64_t ns);

/* Makes *to, which is empty or was so made before, hold the sites and sizes of *from; and gives
 * *to's sites what those of *from have wasted over time. A copy cannot be taken into. */
void frag_blame_copy(struct frag_blame *to, const struct frag_blame *from);
void frag_blame_take_spans(struct frag_blame *to, const struct frag_blame *from);

/* What its live blocks cost beyond what was asked for. */
static inline double frag_site_waste(const struct frag_site *s)
{
    return s->hole + (double)s->slack + s->pinned;
}

#endif
