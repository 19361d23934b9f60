/* SPDX-License-Identifier: MIT
 *
 * Which memory a snapshot looks at, and what it is: regions by rising address, none of which
 * overlap. For the scanning process, which is alone in its memory: no lock, no libc.
 *
 * The loader is not asked (it has locks, which a stopped thread may hold): the kernel's list says
 * where files are mapped, and a file that is mapped as an ELF file says where its data are. */
#ifndef REC_GRAPH_REGIONS_H
#define REC_GRAPH_REGIONS_H

#include "graph_plan.h"

struct rec_graph_region {
    uintptr_t start, end;
    uint32_t kind; /* enum seep_graph_region, or one of those below */
    uint32_t thread;
    bool shared; /* with other processes: which pages there are is asked otherwise */
};

enum rec_graph_region_kind {
    REC_GRAPH_FREE = 32, /* readable, and of none of the kinds: a place for roots */
    REC_GRAPH_CONSTANT,  /* of a module, not writable */
    REC_GRAPH_OWN,       /* the recorder's */
};

struct rec_graph_list {
    struct rec_graph_region *regions;
    size_t count, room;
};

struct rec_graph_regions {
    struct rec_graph_list all;     /* what is to be scanned */
    struct rec_graph_list targets; /* HEAP, whatever roots lie within it; and CONSTANT */
};

/* False: no memory, or the list cannot be read. */
bool rec_graph_regions_find(const struct rec_graph_plan *plan, struct rec_graph_regions *out);

/* Those of the targets that are HEAP. False: no memory. */
bool rec_graph_regions_heap(const struct rec_graph_regions *regions, struct rec_graph_list *out);

#endif
