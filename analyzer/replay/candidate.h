/* SPDX-License-Identifier: MIT
 *
 * An allocator with its settings, to be replayed with: from a name to a library that is there, and
 * the environment that its process is started with. */
#ifndef REPLAY_CANDIDATE_H
#define REPLAY_CANDIDATE_H

#include "trace/trace_event.h"
#include "util/err.h"

#include <stdbool.h>
#include <stddef.h>

struct candidate {
    char *name;     /* "jemalloc", or the file name of a path; owned, like all below */
    char *library;  /* to be preloaded; NULL: the C library's own */
    char *settings; /* "MALLOC_CONF=dirty_decay_ms:0": blanks between several; "": none */
    bool recorded;  /* what the program was recorded with */
};

/* The names that are known. NULL-ended. */
extern const char *const candidate_names[];

/* The allocator that the program was recorded with, with its recorded settings. Its very library is
 * taken where the trace says it was, if that is a file of the system's or one of `named`, which the
 * user gave; else one of that name. Errors: USAGE where there is none, or it is not to be trusted.
 */
enum seep_err candidate_recorded(struct candidate *c, const struct trace_facts *facts,
                                 const struct candidate *named, size_t named_count,
                                 struct err *err);

/* `name` is one of candidate_names or the path of a library; `settings` "NAME=VALUE", blanks
 * between several, or "". Errors: USAGE where there is no such library; the message names the
 * Debian package of a known one. */
enum seep_err candidate_find(struct candidate *c, const char *name, const char *settings,
                             struct err *err);

/* The Debian package of a known one; else NULL. */
const char *candidate_package(const char *name);

/* A word on what it is, where the name could be taken for another; else NULL. */
const char *candidate_note(const char *name);

/* Whether both are the same allocator with the same settings. */
bool candidate_is(const struct candidate *a, const struct candidate *b);

void candidate_release(struct candidate *c);

/* File names, or how they begin, of libraries that allocators bring with them. */
#define CANDIDATE_SHARED 3
extern const char *const candidate_shared[CANDIDATE_SHARED];

/* Libraries to be loaded in all replays, as a tail of LD_PRELOAD (":libm.so.6", or ""), owned by
 * the caller: what candidates bring with them that the program has anyway (`shared`: a bit each).
 * Else a replay with them has that, and the one with the recorded allocator has not, as if it were
 * the candidate's; and an allocator that a program is linked with stays loaded where another takes
 * its place. Together 2 MiB of redis' 48. */
char *candidate_beside(const struct trace_facts *facts, unsigned shared);

/* The environment for it, NULL-ended, owned by the caller, free() of each and the whole: this
 * process's, without what steers allocators, and with what the candidate needs: the library and
 * those of candidate_beside(), as many arenas as on the recording machine's `cpus` where
 * `here_cpus` differ, delays divided by the replay's speed, the settings. */
char **candidate_environment(const struct candidate *c, const char *beside, unsigned cpus,
                             unsigned here_cpus, unsigned speed_percent);
void candidate_environment_free(char **environment);

#endif
