/* SPDX-License-Identifier: MIT
 *
 * Whether a program cleaned up before it ended. It frees and frees then, and is gone when it has;
 * one that freed a burst and goes on has few live bytes for longer than the freeing took. Told from
 * the last time at which so many bytes were live as at a level, of eight levels to each doubling.
 */
#ifndef ANALYSIS_FRAG_CLEANUP_H
#define ANALYSIS_FRAG_CLEANUP_H

#include <stdbool.h>
#include <stdint.h>

#define FRAG_LEVELS 512

/* Zeroed to begin with. */
struct frag_cleanup {
    uint64_t last_ns[FRAG_LEVELS];
};

static inline unsigned frag_level(uint64_t live_bytes)
{
    if (live_bytes < 8)
        return (unsigned)live_bytes;
    unsigned shift = 60 - (unsigned)__builtin_clzll(live_bytes); /* four bits are left of it */
    return (shift + 1) * 8 + (unsigned)(live_bytes >> shift & 7);
}

/* To be told of each change of live bytes. */
static inline void frag_cleanup_note(struct frag_cleanup *c, uint64_t live_bytes, uint64_t time_ns)
{
    c->last_ns[frag_level(live_bytes)] = time_ns;
}

/* Whether what was live fell from `before_bytes` to `end_bytes` at the end (end_ns) by cleaning up:
 * to less than half, and it was not down for longer than the fall took, and a twentieth of all the
 * time. */
bool frag_cleanup_is(const struct frag_cleanup *c, uint64_t before_bytes, uint64_t end_bytes,
                     uint64_t end_ns);

#endif
