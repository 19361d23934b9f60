/* SPDX-License-Identifier: MIT
 *
 * A window of a trace as a trace of its own.
 *
 * The window keeps the numbers and times of its events, and begins with a checkpoint of what was
 * live before it: blocks are known with all that the trace knew of them, and what is said of the
 * window can be looked up in the trace. Dictionaries hold what the window needs. Events before the
 * window are read from the last checkpoint on only. */
#ifndef TRACE_CUT_H
#define TRACE_CUT_H

#include "trace/trace_reader.h"
#include "trace/trace_writer.h"
#include "util/err.h"

/* One end of the window. */
struct cut_moment {
    const char *text; /* as asked for; NULL: not given */
    bool by_number;   /* `number` decides, else `time_ns`, which is 0 where it is not known */
    uint64_t number;  /* first event inside, or first one behind the window */
    uint64_t time_ns; /* first moment inside, or last one */
};

struct cut_options {
    struct cut_moment from, to;
    const char *name; /* of the trace, kept in the window */
    struct trace_coding coding;
    /* called now and then with 0 .. 1; returns false to stop (INTERRUPTED). May be NULL */
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

/* Writes the window to the new file `path`. The reader is moved. What is damaged in the window is a
 * gap in the new trace, too. On an error the file may be there, incomplete. Errors: IO, EXISTS,
 * INTERRUPTED. */
enum seep_err cut_trace(struct trace_reader *reader, const char *path,
                        const struct cut_options *options, struct err *err);

#endif
