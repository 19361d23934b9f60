/* SPDX-License-Identifier: MIT
 *
 * Packs the processes of a run while they go on, each spool that has grown large in a thread of its
 * own (pack.h, `follow`): so no spool becomes larger than asked, and little is left to be packed at
 * a long program's end. What is small is left to collect(), which costs a short program nothing
 * while it runs. */
#ifndef RUN_STREAMS_H
#define RUN_STREAMS_H

#include "run/spools.h"
#include "trace/pack.h"
#include "util/err.h"

#include <stdbool.h>
#include <stdint.h>

struct stream; /* one of them */

struct streams {
    struct run_spools *spools; /* not owned */
    uint64_t limit;            /* bytes of a spool's rows */
    struct trace_coding coding;
    uint32_t main_pid;
    struct stream **all; /* owned; NULL where there is none; index as in spools->all */
    size_t count, capacity;
};

/* `limit` 0: nothing is packed before the end. */
void streams_init(struct streams *s, struct run_spools *spools, uint32_t main_pid, uint64_t limit,
                  struct trace_coding coding);
/* Stops those that still go on: what they have packed, and what is left to pack, stays in the
 * spools. */
void streams_release(struct streams *s);

/* Looks for spools that have grown. Returns the nanoseconds after which to come again. */
uint64_t streams_tick(struct streams *s);

/* Waits, if the spool is followed, until it is packed to its end; its process has ended. Whatever
 * came of it, it is then to be packed as any other: what is packed already need only be put in its
 * place. False: `progress`, as in struct pack_options, has told to stop. */
bool streams_finish(struct streams *s, const struct run_spool *spool,
                    bool (*progress)(void *arg, double fraction), void *progress_arg);

#endif
