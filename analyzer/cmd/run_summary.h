/* SPDX-License-Identifier: MIT
 *
 * What `seep run` says when it is done. */
#ifndef CMD_RUN_SUMMARY_H
#define CMD_RUN_SUMMARY_H

#include "run/collect.h"

#include <stdbool.h>

struct run_summary {
    const char *program; /* as the user named it */
    const char *file;    /* the trace as the user named it */
    const char *seep;    /* how seep itself was called */
    const struct collected *collected;
    uint32_t main_pid;
    bool checked; /* a gate's report follows, with a next command of its own */
};

/* A trace beside FILE, named as the user would: FILE's directory as given, and its own name. Owned
 * by the caller. */
char *run_summary_beside(const char *file, const char *path);

/* Prints two to four lines on standard error: where the trace is, what is in it, which other
 * processes were recorded, and the next command. Reads the trace once; `progress` as in struct
 * collect_options. */
void run_summary_print(const struct run_summary *s, const struct collect_options *options);

/* Prints how to go on with what was not packed. */
void run_summary_print_left(const struct run_summary *s);

#endif
