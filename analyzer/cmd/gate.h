/* SPDX-License-Identifier: MIT
 *
 * The gate that `seep check` and `seep run --check` share: from options to a verdict, a report and
 * an exit status. */
#ifndef CMD_GATE_H
#define CMD_GATE_H

#include "cli.h"

#include "analysis/check.h"
#include "analysis/leaks.h"

#include <stdio.h>

extern const struct cli_option gate_options[]; /* --errors-for and the like */

struct gate {
    struct leaks_options leaks;
    struct check_options check;
    int found_status;  /* to leave with where it failed */
    const char *rules; /* --gen-suppressions: "valgrind", "lsan", or NULL */
    struct filter filter;
    struct suppressions *suppressions; /* owned */
};

/* Takes the options of the command line. False: the error is printed, and the status to leave with
 * is the command's failure. To be released in any case. */
bool gate_init(struct gate *g, const struct cli *cli);
void gate_release(struct gate *g);

/* Judges the traces, or spools, and prints the report to `out`. Returns the exit status: CLI_OK,
 * g->found_status, CLI_INCOMPLETE, or the command's failure where one could not be read, which has
 * been printed. */
int gate_judge(struct gate *g, const struct cli *cli, const char *const *paths, size_t count,
               FILE *out);

#endif
