/* SPDX-License-Identifier: MIT
 *
 * Replays with other allocators, for the commands that show what they tell: their options, and the
 * tree. */
#ifndef CMD_REPLAYS_H
#define CMD_REPLAYS_H

#include "cli.h"

#include "cmd/progress.h"
#include "replay/compare.h"
#include "util/strbuf.h"

extern const struct cli_option replays_options[]; /* --with, --set, --repeat, ... */

struct replays {
    struct compare_options options;
    struct candidate *all; /* owned */
    size_t count, capacity;
    struct strbuf missing; /* those of the usual ones that are not installed, a line each */
    char *program;         /* owned */
};

/* Takes the options, and finds the allocators and seep-replay; tells on standard error which of the
 * usual allocators are left out. Prints the error and returns the exit status where that fails.
 * Zero-initialise; released by replays_release(), also after an error. */
int replays_take(struct replays *r, const struct cli *cli);
void replays_release(struct replays *r);

/* One line on a terminal that says which replay is under way; `arg` is the struct progress. False:
 * an interrupt is pending. */
bool replays_show_stage(void *arg, const char *candidate, const char *what, unsigned run);

/* Replays the trace: minutes, with a line on a terminal that says which replay is under way. The
 * tree, of schema seep.compare, is the caller's to free. `progress` has begun. Errors: those of
 * compare_analyse(). */
enum seep_err replays_run(struct result **out, const struct replays *r, struct trace_reader *reader,
                          struct progress *progress, struct err *err);

#endif
