/* SPDX-License-Identifier: MIT */
#ifndef REPORT_COLLAPSED_H
#define REPORT_COLLAPSED_H

#include "report/report.h"

/* Appends a tree of analysis/flame.h as collapsed stacks: a line for each, its functions from the
 * outermost with `;` between, a blank, and its cost; for flamegraph.pl, inferno, speedscope. */
void collapsed_report(struct strbuf *out, const struct report *report);

#endif
