/* SPDX-License-Identifier: MIT
 *
 * What each call site has live over time. Sites are many and most of them do little: a site keeps
 * points only for the buckets in which it did anything, on a grid that is the same for all, so that
 * memory grows with sites and what they do, up to GROWTH_POINTS each, and never with events. */
#ifndef ANALYSIS_GROWTH_SITES_H
#define ANALYSIS_GROWTH_SITES_H

#include "analysis/site_key.h"
#include "model/filter.h"

#define GROWTH_POINTS 128 /* of a site at most: buckets of the grid */

/* What is live when the bucket begins counts in max and min as well. */
struct growth_point {
    uint32_t bucket;
    uint32_t made, freed;    /* events; saturating; a reallocation is both */
    uint32_t old;            /* of `freed`, blocks made in the first half of the time until then */
    uint64_t max, min, last; /* live bytes */
};

struct growth_site {
    const char *name; /* NULL when by stack. The symboliser's */
    uint32_t node;    /* the stack it was first met with */
    uint32_t stacks;
    uint64_t bytes, blocks; /* live now */
    uint64_t max_bytes, max_ns;
    uint64_t made, made_bytes, freed; /* since the start of the window */
    uint64_t first_ns, last_made_ns;  /* of what was made */
    uint64_t last_made_level;         /* live bytes after the last was */
    uint64_t teeth; /* falls to a quarter of a high, of at least half of max_bytes */
    uint64_t tooth_max, tooth_scale; /* private: since the last fall; max_bytes when last reset */
    struct growth_point *points;     /* owned; by bucket, rising */
    uint16_t point_count, point_capacity;
    uint8_t level; /* of the grid when last touched */
};

struct growth_sites {
    struct growth_site *items; /* owned */
    size_t count, capacity;
    uint32_t *of_node; /* by stack node: site + 1; 0: not met, GROWTH_LEFT_OUT; owned */
    uint8_t level;     /* of the grid: a bucket is (1 << level) x that of level 0 */
    enum site_by by;
    struct site_table keys;
    struct filter *filter; /* bound, or NULL; not owned */
    const struct trace_dict *dict;
    struct symbols *symbols;
};

#define GROWTH_LEFT_OUT UINT32_MAX /* the filter's stack patterns do not match */

void growth_sites_init(struct growth_sites *s, enum site_by by, struct filter *filter,
                       const struct trace_dict *dict, struct symbols *symbols);
void growth_sites_release(struct growth_sites *s);

/* The number of the stack's site, or GROWTH_LEFT_OUT. */
uint32_t growth_sites_find(struct growth_sites *s, uint32_t node);

/* Only what is live changes, before the window: no points are kept. */
void growth_site_preset(struct growth_site *site, int64_t bytes, int64_t blocks);

/* The window begins: what is live becomes a point. */
void growth_sites_begin(struct growth_sites *s, uint64_t time_ns);

struct growth_step {
    uint32_t bucket; /* of the grid as it is now */
    uint64_t time_ns;
    uint64_t entered_bytes, left_bytes;
    bool enters, leaves, made, old;
};
void growth_site_change(struct growth_sites *s, uint32_t site, const struct growth_step *step);

/* What is live becomes known anew, without an event that did it. */
void growth_site_set(struct growth_sites *s, uint32_t site, uint64_t bytes, uint64_t blocks,
                     uint32_t bucket);

/* The site over all of the grid, of `count` buckets, at most GROWTH_POINTS. */
struct growth_curve {
    size_t count;
    const bool *paused; /* the caller's: buckets in which the program paused; NULL: none */
    uint64_t max[GROWTH_POINTS], min[GROWTH_POINTS], last[GROWTH_POINTS]; /* live bytes */
    uint32_t made[GROWTH_POINTS], freed[GROWTH_POINTS], old[GROWTH_POINTS];
};
void growth_site_curve(struct growth_curve *c, struct growth_sites *s, uint32_t site, size_t count);

#endif
