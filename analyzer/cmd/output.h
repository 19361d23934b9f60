/* SPDX-License-Identifier: MIT
 *
 * How commands write the files that they make of traces: whole or not at all. */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include "cli.h"

#include "util/err.h"
#include "util/strbuf.h"

#include <stdbool.h>

/* Has `write` make a file under a temporary name beside `path`, and gives it its name then. Without
 * `overwrite`, a file that exists is left alone, and `write` not called: EXISTS. After an error
 * there is no file. Errors: IO, EXISTS, those of `write`. */
enum seep_err output_write(const char *path, bool overwrite,
                           enum seep_err (*write)(void *arg, const char *temporary,
                                                  struct err *err),
                           void *arg, struct err *err);

/* Writes what was made of `trace` to the file of the option --output ("-": standard output), or,
 * not given, to one named as the trace is, with `suffix` for its own; NULL: to standard output.
 * With --force it may exist. Says what was written, or prints the error. Returns the exit status.
 */
int output_text(const struct cli *cli, const char *trace, const char *suffix,
                const struct strbuf *text);

/* To be asked before what is to be written is made: prints the error, and returns its status, where
 * output_text() would find a file that may not be replaced. */
int output_check(const struct cli *cli, const char *trace, const char *suffix);

/* Prints that `path` has been made of `from`, and how large it is. */
void output_print_done(const char *path, const char *from);

#endif
