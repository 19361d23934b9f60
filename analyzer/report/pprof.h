/* SPDX-License-Identifier: MIT */
#ifndef REPORT_PPROF_H
#define REPORT_PPROF_H

#include "report/report.h"

/* Appends a tree of analysis/stacks.h as a gzipped profile in the format of pprof (profile.proto in
 * its sources), with the sample types of Go's heap profiles. For go tool pprof, speedscope, Parca,
 * Pyroscope. */
void pprof_report(struct strbuf *out, const struct report *report);

#endif
