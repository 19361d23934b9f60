/* SPDX-License-Identifier: MIT
 *
 * Call sites of live blocks: from uses per stack and sort to groups of them. Private to leaks.c. */
#ifndef ANALYSIS_LEAKS_SITES_H
#define ANALYSIS_LEAKS_SITES_H

#include "analysis/leaks.h"
#include "analysis/leaks_uses.h"

struct leaks_site {
    char *name;                     /* owned; set for all sites unless grouped by stack, where only
                                       shown ones are named */
    const struct suppression *rule; /* NULL: not suppressed. Not owned */
    enum leaks_sort sort;           /* of all its blocks */
    struct live_use use;            /* of all its stacks */
    uint64_t indirect_blocks, indirect_bytes, ignored_blocks; /* see struct leaks_use */
    uint64_t stacks;
    uint32_t heaviest; /* stack node with the most live bytes, indirect ones too */
    uint64_t heaviest_bytes;
    uint32_t number; /* in order of being met */
};

struct leaks_sum {
    uint64_t sites, blocks, bytes, indirect_blocks, indirect_bytes;
};

struct leaks_sites {
    struct leaks_site *items; /* owned */
    size_t count, capacity;
    const struct leaks_uses *uses;        /* not owned */
    uint32_t *use_site;                   /* by use: its site's number + 1, 0: none; owned */
    uint32_t *place;                      /* per number: place in `items` after ordering; owned */
    size_t shown;                         /* the first so many of `items` are, after ordering */
    struct leaks_sum matched, hidden;     /* all sites, and those not shown */
    uint64_t small_sites;                 /* of the hidden ones: below min_bytes or min_blocks */
    struct leaks_sum suppressed, builtin; /* of the kinds asked for: by files and by the built-in
                                             list; sites are stacks */
    struct leaks_sum
        left[LEAKS_SORTS];         /* by sort: what filters and rules leave, asked for or not */
    const struct trace_dict *dict; /* not owned */
    struct symbols *symbols;       /* not owned */
};

/* Groups the uses of the kinds asked for by options->by; leaves out what is suppressed and not to
 * be shown. Errors: INTERRUPTED by the symboliser's progress function. */
enum seep_err leaks_sites_group(struct leaks_sites *s, const struct leaks_uses *uses,
                                const struct leaks_options *options, const struct trace_dict *dict,
                                struct symbols *symbols, struct err *err);

/* Puts the sites to be shown first, in options->order, and sets `shown`; names them and the frames
 * they will show. Errors: INTERRUPTED. */
enum seep_err leaks_sites_order(struct leaks_sites *s, const struct leaks_options *options,
                                struct err *err);

/* The place in `items` of the site of such blocks of a stack, UINT32_MAX if they have none. After
 * ordering. */
uint32_t leaks_sites_of(const struct leaks_sites *s, uint32_t stack, enum leaks_sort sort);

void leaks_sites_release(struct leaks_sites *s);

#endif
