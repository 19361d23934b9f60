/* SPDX-License-Identifier: MIT
 *
 * The whole heap over time, in buckets of equal time. How long the program runs need not be known
 * ahead: when there are too many buckets, each pair becomes one of twice the width. A bucket keeps
 * the highest, the lowest and the last value, so that no peak is lost in it. */
#ifndef ANALYSIS_GROWTH_SERIES_H
#define ANALYSIS_GROWTH_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is live when a bucket begins counts in its max and min as well. */
struct growth_bucket {
    uint64_t max_bytes, min_bytes, last_bytes; /* live */
    uint64_t max_blocks, last_blocks;
    uint64_t max_number, max_ns; /* the event after which max_bytes was first reached; the number
                                    UINT64_MAX: it was when the bucket began */
    uint64_t end_number;         /* behind that of the last event; 0: none was before its end */
    uint64_t allocations, frees; /* a reallocation is both */
    uint64_t allocated_bytes;
    uint64_t max_rss, last_rss; /* bytes; 0: not known */
};

struct growth_series {
    struct growth_bucket *items; /* owned */
    size_t count;   /* from start_ns on; the last one may be wider than what there is */
    size_t limit;   /* of `count`; a power of two */
    unsigned shift; /* a bucket is 1 << shift ns wide */
    uint64_t start_ns, start_bytes, start_blocks;
    uint64_t bytes, blocks, rss; /* now */
};

#define GROWTH_SHIFT_MIN 10 /* the narrowest buckets: times are known to a microsecond */

/* Begins at `start_ns` with what is live then. `limit` is a power of two. Released by
 * growth_series_release(), which takes a zeroed one, too. */
void growth_series_init(struct growth_series *s, size_t limit, uint64_t start_ns, uint64_t bytes,
                        uint64_t blocks);
void growth_series_release(struct growth_series *s);

/* Makes buckets up to the one of `time_ns`, which does not go back. */
void growth_series_reach(struct growth_series *s, uint64_t time_ns);

/* What an event did to what is live. After growth_series_reach() of its time. */
struct growth_change {
    uint64_t number, time_ns;
    uint64_t entered_bytes, left_bytes; /* of blocks that begin and end; a reallocation does both */
    bool enters, leaves;
    bool made; /* what enters was allocated now, not inherited */
};
void growth_series_change(struct growth_series *s, const struct growth_change *c);

/* What is live becomes known anew, before the event `number`, without one that did it. */
void growth_series_set(struct growth_series *s, uint64_t bytes, uint64_t blocks, uint64_t number,
                       uint64_t time_ns);
void growth_series_rss(struct growth_series *s, uint64_t bytes);

static inline uint64_t growth_series_width(const struct growth_series *s)
{
    return UINT64_C(1) << s->shift;
}

/* What is live when a bucket begins. */
static inline uint64_t growth_series_before(const struct growth_series *s, size_t bucket)
{
    return bucket ? s->items[bucket - 1].last_bytes : s->start_bytes;
}

/* When a bucket begins. */
static inline uint64_t growth_series_time(const struct growth_series *s, size_t bucket)
{
    return s->start_ns + ((uint64_t)bucket << s->shift);
}

#endif
