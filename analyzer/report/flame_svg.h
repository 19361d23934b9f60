/* SPDX-License-Identifier: MIT */
#ifndef REPORT_FLAME_SVG_H
#define REPORT_FLAME_SVG_H

#include "report/report.h"

/* Appends a flame graph (a tree of analysis/flame.h) as one SVG file: the outermost frame on top,
 * as wide as its share; readable as it is, with zoom and search where scripts are run. It refers to
 * nothing outside itself. */
void flame_svg(struct strbuf *out, const struct report *report);

#endif
