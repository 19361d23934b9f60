/* SPDX-License-Identifier: MIT
 *
 * Handing the recorder to a program: where libseep.so is, and the environment it is steered by. */
#ifndef RUN_RECORDER_H
#define RUN_RECORDER_H

#include "util/err.h"
#include "util/strbuf.h"

#include <stdbool.h>

/* Finds libseep.so beside the running seep: in its build directory, or where both are installed,
 * wherever that was moved to. *out is the caller's, free(). Errors: IO (not there, or its path
 * cannot be named in LD_PRELOAD). */
enum seep_err recorder_find_library(char **out, struct err *err);

/* The same for seep-replay, which `seep compare` starts. */
enum seep_err recorder_find_replayer(char **out, struct err *err);

/* Checks "NAME=VALUE" against the recorder's options (any case, '-' for '_', "SEEP_" may be
 * missing) and appends "SEEP_NAME=VALUE". USAGE: unknown, set by `seep run` itself, or a value of
 * the wrong kind. */
enum seep_err recorder_option(struct strbuf *out, const char *setting, struct err *err);

/* Whether SEEP_SNAPSHOT may name that moment: exit, signal:SIGNAL, mark:NAME, never. */
bool recorder_snapshot_is_known(const char *when);

/* A copy of `base` (NULL-ended) without any SEEP_* variable, with `library` first in LD_PRELOAD and
 * the `settings` added (NULL-ended, "NAME=VALUE"). Owned by the caller,
 * recorder_environment_free().
 */
char **recorder_environment(char *const *base, const char *library, char *const *settings);
/* "SEEP_FILTERS=" and the number of seccomp filters in force here: what a process of the run has
 * beyond that came from within the run. */
char *recorder_filters(void);

void recorder_environment_free(char **environment);

#endif
