/* SPDX-License-Identifier: MIT */
#ifndef REPORT_MASSIF_H
#define REPORT_MASSIF_H

#include "report/report.h"

/* Appends a tree of analysis/heap_moments.h as valgrind's massif writes its files: for ms_print and
 * massif-visualizer. */
void massif_report(struct strbuf *out, const struct report *report);

#endif
