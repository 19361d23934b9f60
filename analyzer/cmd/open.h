/* SPDX-License-Identifier: MIT
 *
 * How commands come to a trace, and how they say what went wrong. */
#ifndef CMD_OPEN_H
#define CMD_OPEN_H

#include "cli.h"

#include "trace/trace_reader.h"
#include "util/err.h"
#include "util/strbuf.h"

/* Opens what the user named: a trace, or a spool. A spool is packed first, into the trace beside it
 * (NAME.spool into NAME.seep); where that exists, cannot be written, or the program still runs,
 * into a temporary file that is gone as soon as it is open, and the spool stays. A spool that was
 * packed meanwhile leads to its trace. CLI_OK, with *out owned by the caller; else the error has
 * been printed and the command's exit status is returned. */
int open_trace(const struct cli *cli, const char *path, struct trace_reader **out);

/* The command's only argument, a trace; NULL, the error printed, where it is not one. */
const char *open_argument(const struct cli *cli);

/* Prints the failure: the message, the offset where there is one. Returns the exit status. Ends
 * the program where it was interrupted. */
int open_failed(const struct cli *cli, enum seep_err code, const struct err *err);

/* The trace that belongs to a spool's path: NAME.seep for NAME.spool. */
void open_trace_of_spool(struct strbuf *out, const char *spool_path);

#endif
