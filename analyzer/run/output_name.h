/* SPDX-License-Identifier: MIT
 *
 * Names of the files a run leaves: patterns for -o, and the names derived from FILE.
 *
 *   FILE = STEM.seep   the trace of the first process's last image
 *   STEM.PID.N.EXE.seep, .spool   traces and spools of all images: image N of process PID */
#ifndef RUN_OUTPUT_NAME_H
#define RUN_OUTPUT_NAME_H

#include "util/err.h"

#include <stdint.h>
#include <sys/types.h>

struct output_name_values {
    pid_t pid;           /* %p */
    const char *exe;     /* %e; a slash in it becomes an underscore */
    const char *host;    /* %h; the same */
    uint64_t realtime_s; /* %t: seconds since 1970 */
};

/* USAGE where `pattern` is empty, names a directory, or holds a % that is not %p, %e, %h, %t or %%.
 */
enum seep_err output_name_check(const char *pattern, struct err *err);

/* The checked pattern with everything filled in. Owned by the caller, free(). */
char *output_name_expand(const char *pattern, const struct output_name_values *values);

/* The name used without -o: seep.EXE.PID.seep, and seep.EXE.PID-2.seep for `attempt` 2. Owned by
 * the caller. */
char *output_name_default(const struct output_name_values *values, unsigned attempt);

/* The path without links and dots in its directory, absolute; the file itself need not exist.
 * Owned by the caller; NULL (IO) where the directory does not exist. */
char *output_name_absolute(const char *path, struct err *err);

/* Length of STEM in FILE. */
size_t output_name_stem(const char *file);

#endif
