/* SPDX-License-Identifier: MIT
 *
 * A picture of the mappings and their residency, joined with the blocks of its moment: what each
 * resident page is. */
#ifndef ANALYSIS_FRAG_WALK_H
#define ANALYSIS_FRAG_WALK_H

#include "model/memory_map.h"
#include "model/pages.h"

/* How it is known stands behind each. */
enum frag_kind {
    FRAG_LIVE,     /* a page with bytes of live blocks: from the events */
    FRAG_LARGE,    /* inner pages of a large block: the same */
    FRAG_FREE,     /* of the allocator, and no block lies there: blocks did, or the range around it
                      is one that blocks lie in */
    FRAG_METADATA, /* of the allocator: data of its library, mappings that never held blocks, and
                      with tcmalloc and mimalloc parts of those that do (inferred) */
    FRAG_RECORDER, /* seep's own: told by the recorder */
    FRAG_MAPPING,  /* the program's own mmap(): told by the hook */
    FRAG_STACK,    /* of a thread: told by the recorder, or by the kernel's name */
    FRAG_FILE,  /* private pages of a mapped file, mostly data of modules: by the kernel's name */
    FRAG_OTHER, /* anonymous, and nothing is known of it: what the C library maps for itself */
};

/* Pages in a row that are alike; of LIVE and FREE, where `page` is given, one page. */
struct frag_piece {
    enum frag_kind kind;
    enum seep_residency residency; /* RESIDENT, SWAPPED, or FILE */
    uint64_t start, end;
    struct page *page;               /* LIVE; FREE: NULL where no block ever lay there */
    const struct pages_large *large; /* LARGE */
    uint64_t pc;                     /* MAPPING: return address of the call, or 0 */
    const struct beside_mapping *mapping;
};

struct frag_world {
    struct pages *pages;
    const struct memory_map *map;
    const char *allocator;               /* as in the fact */
    uint64_t library_start, library_end; /* where it is loaded, unless it is a part of libc */
};

/* Goes through all pages of a MAPPINGS record that are not absent, by rising address. Those of the
 * heap are marked as seen: the caller ends with pages_end_look(). False where the record makes no
 * sense. */
bool frag_walk(const struct frag_world *w, const struct trace_beside *mappings,
               void (*see)(void *arg, const struct frag_piece *piece), void *arg);

/* The part of the allocator's memory that is given back from its top only, around an address in a
 * piece: the brk heap, or an arena of glibc's; 0: it is none. */
uint64_t frag_heap_of(const struct frag_world *w, const struct frag_piece *piece);

#endif
