/* SPDX-License-Identifier: MIT
 *
 * What the heap would need if the blocks of some call sites were not there, or lay in pages of
 * their own: the page model alone, all else being where it is. */
#ifndef ANALYSIS_FRAG_WHAT_IF_H
#define ANALYSIS_FRAG_WHAT_IF_H

#include "analysis/frag_walk.h"
#include "model/filter.h"
#include "trace/trace_reader.h"

struct frag_what_if {
    uint64_t blocks, requested, usable; /* theirs */
    uint64_t pages;                     /* resident pages with live blocks, of anyone */
    uint64_t touched;                   /* of them, those they lie in */
    uint64_t alone;       /* of these, those where no other block lies: free without them */
    uint64_t pool_pages;  /* that their small blocks would fill */
    uint64_t large_bytes; /* in the inner pages of their large ones, which are taken for resident */
};

/* Works out *out for the live blocks that `which` (bound) lets pass, at a moment whose pages have
 * been walked through and are still seen. */
void frag_what_if(struct frag_what_if *out, struct pages *pages, struct trace_reader *reader,
                  struct filter *which);

#endif
