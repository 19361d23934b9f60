/* SPDX-License-Identifier: MIT
 *
 * Plays the groups of a sound trace, several at a time, for what is left at its end and for sums.
 * Each group begins with a checkpoint, so none waits for another. */
#ifndef TRACE_GROUP_PLAYER_H
#define TRACE_GROUP_PLAYER_H

#include "trace/chunk_list.h"
#include "trace/event_sums.h"

struct group_player {
    /* what is played; the caller's */
    const struct chunk_list *chunks;
    const struct source *source;
    uint64_t events;          /* that there are */
    uint32_t stacks, threads; /* highest numbers that have a definition */
    unsigned workers;         /* groups played at a time, at least 1 */
    /* Called for each kind of a group that has kind->made; never twice at a time. May be NULL. */
    void (*made)(void *arg, const struct kind *kind);
    /* Called by the calling thread only, with 0 .. 1; false: stop. May be NULL. */
    bool (*progress)(void *arg, double fraction);
    void *arg;
    /* what comes of it */
    struct event_sums *sums; /* the caller's, all zero before */
    struct live live;        /* at the end; live_init() before, the caller's afterwards */
    uint64_t end_ns;         /* the stored clock at the end */
};

/* *sound is false where anything is not as it was written: nothing of what came of it holds then,
 * and the trace is to be read event by event. Errors: IO, INTERRUPTED. */
enum seep_err group_player_run(struct group_player *p, bool *sound, struct err *err);

#endif
