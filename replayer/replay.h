/* SPDX-License-Identifier: MIT
 *
 * A replay: one script, carried out in this process by whatever allocator it was started with.
 *
 * Nothing here calls malloc but the operations themselves, pthread_create() aside, whose one small
 * block per thread the recorded program had too. All memory of its own is there, touched, before
 * the first operation, and does not grow: what grows is the allocator's. */
#ifndef REPLAYER_REPLAY_H
#define REPLAYER_REPLAY_H

#include "seep/replay_script.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct replay {
    const struct seep_replay_header *header;
    struct seep_replay_outcome *outcome; /* shared with the parent */
    void **slots;                        /* slot_count, then flight_count */
    _Atomic uint64_t *turns;             /* running freely: operations done on each slot */
    uint64_t *chains;                    /* running freely: each thread's first TURN */
    int script;                          /* descriptor */
    enum seep_replay_mode mode;
    unsigned speed_percent;
    bool free_running, counted;
    uint64_t start_ns;
};

extern struct replay replay;

/* Threads take turns, in the recorded order. Returns at END, on the main thread. */
void turns_run(void);

/* Each thread carries out its own operations as fast as it can, those on one slot in the recorded
 * order. Returns when all have. */
void free_run(void);

/* Ends the process: the replay cannot go on. Says why on standard error. */
_Noreturn void replay_die(const char *what);

#endif
