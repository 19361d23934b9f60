/* SPDX-License-Identifier: MIT
 *
 * One replay: seep-replay started with a candidate, and what it tells. */
#ifndef REPLAY_CHILD_H
#define REPLAY_CHILD_H

#include "replay/candidate.h"
#include "replay/script.h"
#include "seep/replay_script.h"
#include "util/err.h"

struct child_request {
    const char *program; /* path of seep-replay */
    const struct script *script;
    enum seep_replay_mode mode;
    const char *beside;       /* candidate_beside(); NULL: none */
    unsigned cpus, here_cpus; /* of the recording machine, and of this one */
    unsigned speed_percent;
    bool free_running;
    bool counted; /* its system calls on memory are, where it may be traced */
};

/* Replays and waits for the end. *out is owned by the caller, free(). Errors: IO where it could not
 * be started or did not come to its end, USAGE where the library does not serve malloc;
 * INTERRUPTED. */
enum seep_err child_run(struct seep_replay_outcome **out, const struct child_request *request,
                        const struct candidate *candidate, struct err *err);

/* The ns that `share` (0 .. 1) of the timed calls took at most; 0 where there were none. */
uint64_t child_quantile_ns(const struct seep_replay_outcome *o, enum seep_replay_timed what,
                           double share);

#endif
