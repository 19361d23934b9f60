/* SPDX-License-Identifier: MIT */
#include "analysis/frag_cleanup.h"

/* The last time at which so much was live, or more. */
static uint64_t last_above_ns(const struct frag_cleanup *c, uint64_t live_bytes)
{
    uint64_t last = 0;
    for (unsigned level = frag_level(live_bytes); level < FRAG_LEVELS; level++)
        last = c->last_ns[level] > last ? c->last_ns[level] : last;
    return last;
}

bool frag_cleanup_is(const struct frag_cleanup *c, uint64_t before_bytes, uint64_t end_bytes,
                     uint64_t end_ns)
{
    if (end_bytes >= before_bytes / 2)
        return false;
    uint64_t falls_ns = last_above_ns(c, before_bytes - before_bytes / 10);
    uint64_t down_ns = last_above_ns(c, end_bytes + (before_bytes - end_bytes) / 5);
    uint64_t low = end_ns > down_ns ? end_ns - down_ns : 0;
    return low <= down_ns - falls_ns || low <= end_ns / 20;
}
