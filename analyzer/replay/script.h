/* SPDX-License-Identifier: MIT
 *
 * Makes a script for seep-replay of a trace (layout: replay_script.h), in one pass. Memory grows
 * with live blocks and threads, not with events: the script lies in a temporary file. */
#ifndef REPLAY_SCRIPT_H
#define REPLAY_SCRIPT_H

#include "model/filter.h"
#include "replay/large.h"
#include "replay/recorded.h"
#include "seep/replay_script.h"
#include "util/err.h"

struct script {
    int fd; /* owned; of a file that has no name any more */
    struct seep_replay_header header;
    uint64_t failed, unknown_frees; /* left out: failed calls, frees of blocks of nobody knows */
    uint64_t strays;                /* calls of threads that had ended, made by the main thread */
};

/* The heap as it would be were some call sites not there, or had a pool of their own. */
struct script_change {
    struct filter *which; /* bound; whose blocks. Not owned */
    bool pool;            /* else they are left out */
};

/* Writes the script. `recorded` and `large` are of a pass over the same trace, which is read again
 * from its start; of `large` only what was learnt is used. With `scale` N > 1, every Nth block of
 * each class of sizes. With a `change` (NULL: none) as it would be then; of a block that was
 * reallocated the call site is that of the last call. Errors: IO, as reading. script_release(),
 * also on error. */
enum seep_err script_write(struct script *out, struct trace_reader *reader,
                           const struct recorded *recorded, struct large *large, unsigned scale,
                           const struct script_change *change,
                           bool (*progress)(void *arg, double fraction), void *arg,
                           struct err *err);
void script_release(struct script *s);

#endif
