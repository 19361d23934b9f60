/* SPDX-License-Identifier: MIT
 *
 * The traces of several processes as one.
 *
 * It is a real trace, rather than a list of traces that every command would have to know of: it can
 * be mailed, cut, and read by all there is. What makes it one: blocks are told apart by an address
 * that carries the number of their process, threads by numbers of their own, and call sites are
 * found to be the same by what code they are, not by where that was loaded: a module (by its build
 * ID, or its path where it has none) gets one place for all processes. docs/trace-format.md says
 * how that is stored.
 *
 * What a forked child has from its parent is left out where the parent is here: it is the parent's.
 */
#ifndef TRACE_UNITE_H
#define TRACE_UNITE_H

#include "trace/trace_reader.h"
#include "trace/trace_writer.h"
#include "util/err.h"

struct unite_input {
    struct trace_reader *reader; /* at its start; freed, and NULL, once it is read */
    const char *name;            /* for messages */
};

struct unite_options {
    bool align_starts; /* of other machines: let all begin at the same moment */
    struct trace_coding coding;
    /* called now and then with 0 .. 1; returns false to stop (INTERRUPTED). May be NULL */
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

/* Writes the new file `path`. Processes are numbered by their starts, whatever the order of the
 * inputs, which is changed. What is lost in one is told as what must have happened: the blocks that
 * are gone behind a gap have been freed, those that have come were made. On an error the file may
 * be there, incomplete. Errors: IO, EXISTS, INTERRUPTED; USAGE where the traces are no processes of
 * one time: windows, traces of several processes, the same one twice, those of other machines or
 * boots (unless they are aligned). */
enum seep_err unite_traces(struct unite_input *inputs, size_t count, const char *path,
                           const struct unite_options *options, struct err *err);

#endif
