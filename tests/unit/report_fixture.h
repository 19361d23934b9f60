/* SPDX-License-Identifier: MIT
 * Result trees built by hand, and comparison with files in tests/golden/report. */
#ifndef REPORT_FIXTURE_H
#define REPORT_FIXTURE_H

#include "report/report.h"

/* Trees as the analyses build them (see their headers), owned by the caller. */
struct result *fixture_completeness(bool complete);
struct result *fixture_info(void);
struct result *fixture_leaks(void);
/* A program that freed everything. */
struct result *fixture_no_leaks(void);

/* Fails where `text` is not what tests/golden/report/NAME holds. With SEEP_REGENERATE set in the
 * environment the file is written instead; look at the difference before committing it. */
void fixture_compare(const char *name, const struct strbuf *text);

#endif
