/* SPDX-License-Identifier: MIT */
#ifndef REPORT_CSV_H
#define REPORT_CSV_H

#include "report/report.h"

/* Appends the sites of a tree of analysis/sites.h as comma-separated values (RFC 4180), for
 * spreadsheets and data frames: a line of names, then one for each site, with all of its figures as
 * plain numbers (bytes, nanoseconds, percent), empty where there is none, and its stack. */
void csv_report(struct strbuf *out, const struct report *report);

#endif
