/* SPDX-License-Identifier: MIT
 *
 * Packs the processes of a run that have ended while others go on: a test suite is hundreds of
 * processes, and in the end all would have to be waited for. One thread does it, one spool after
 * the other, with a lower priority than the program has. It makes the traces within the spools
 * (pack.h, `ahead`); collect() puts them in their places. */
#ifndef RUN_AHEAD_H
#define RUN_AHEAD_H

#include "run/spools.h"
#include "trace/pack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ahead_worker;

struct ahead {
    struct run_spools *spools; /* not owned */
    uint32_t main_pid;         /* whose spools are left for the end */
    struct trace_coding coding;
    bool off;
    uint8_t *handed; /* owned; index as in spools->all: handed to the worker, or never will be */
    size_t count, capacity;
    struct ahead_worker *worker; /* owned; NULL until there is something to do */
};

/* `off`: nothing is packed before the end. From here on our own memory that is freed is kept for
 * packing. */
void ahead_init(struct ahead *a, struct run_spools *spools, uint32_t main_pid, bool off,
                struct trace_coding coding);

/* Looks for processes that have ended, among the spools that were found. */
void ahead_tick(struct ahead *a);

/* Ends the work after the spool at hand, or in its midst if `progress`, as in struct pack_options,
 * tells to stop. What is not packed then is left as it was. */
void ahead_finish(struct ahead *a, bool (*progress)(void *arg, double fraction),
                  void *progress_arg);
/* The same, without waiting for the spool at hand. */
void ahead_release(struct ahead *a);

#endif
