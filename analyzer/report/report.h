/* SPDX-License-Identifier: MIT
 *
 * From a result tree to bytes. Every format is given the same trees; what one says the others say.
 *
 * How to add a format: write report/NAME.c with one function like these, and name it in the
 * choices of --format (cmd/options.c) and in cmd/print.c. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "analysis/result.h"
#include "util/strbuf.h"

struct report {
    const char *schema; /* "seep.leaks": which analysis the tree is of */
    unsigned version;   /* of the schema: changes when a field changes its meaning or goes */
    const struct result *completeness; /* see analysis/completeness.h; not owned */
    const struct result *result;       /* not owned */
};

#endif
