/* SPDX-License-Identifier: MIT
 *
 * A line on a terminal that says how far long work has come: shown on standard error after half a
 * second, erased at the end. In a pipe nothing is ever shown. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "reading x.seep"; not owned */
    uint64_t begin_ns, shown_ns;
    bool terminal, visible;
};

void progress_begin(struct progress *p, const char *what);

/* The callback that lower layers take: `p` is a struct progress, fraction 0 .. 1. False once a
 * signal asked for the end. */
bool progress_step(void *p, double fraction);

/* Erases the line. May be called again. */
void progress_end(struct progress *p);

#endif
