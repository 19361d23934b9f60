/* SPDX-License-Identifier: MIT
 *
 * Call sites of live blocks: from uses per stack node to groups of them. Private to leaks.c. */
#ifndef ANALYSIS_LEAKS_SITES_H
#define ANALYSIS_LEAKS_SITES_H

#include "analysis/leaks.h"
#include "analysis/live_set.h"

struct leaks_site {
    char *name;                     /* owned; set for all sites unless grouped by stack, where only
                                       shown ones are named */
    const struct suppression *rule; /* NULL: not suppressed. Not owned */
    struct live_use use;            /* of all its stacks */
    uint64_t stacks;
    uint32_t heaviest; /* stack node with the most live bytes */
    uint64_t heaviest_bytes;
    uint32_t number; /* in order of being met */
};

struct leaks_sum {
    uint64_t sites, blocks, bytes;
};

struct leaks_sites {
    struct leaks_site *items; /* owned */
    size_t count, capacity;
    uint32_t *node_site;              /* per stack node: its site's number + 1, 0: none; owned */
    uint32_t *place;                  /* per number: place in `items` after ordering; owned */
    size_t shown;                     /* the first so many of `items` are, after ordering */
    struct leaks_sum matched, hidden; /* all sites, and those not shown */
    uint64_t small_sites;             /* of the hidden ones: below min_bytes or min_blocks */
    struct leaks_sum suppressed, builtin; /* by files and by the built-in list; sites are stacks */
    const struct trace_dict *dict;        /* not owned */
    struct symbols *symbols;              /* not owned */
};

/* Groups the set's nodes by options->by; leaves out what is suppressed and not to be shown. Errors:
 * INTERRUPTED by the symboliser's progress function. */
enum seep_err leaks_sites_group(struct leaks_sites *s, const struct live_set *set,
                                const struct leaks_options *options, const struct trace_dict *dict,
                                struct symbols *symbols, struct err *err);

/* Puts the sites to be shown first, in options->order, and sets `shown`; names them and the frames
 * they will show. Errors: INTERRUPTED. */
enum seep_err leaks_sites_order(struct leaks_sites *s, const struct leaks_options *options,
                                struct err *err);

/* The place in `items` of the node's site, UINT32_MAX if it has none. After ordering. */
uint32_t leaks_sites_of_node(const struct leaks_sites *s, uint32_t node);

void leaks_sites_release(struct leaks_sites *s);

#endif
