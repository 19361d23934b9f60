/* SPDX-License-Identifier: MIT */
#ifndef REPORT_JSON_H
#define REPORT_JSON_H

#include "report/report.h"

/* Appends {"schema", "version", "completeness", "result"}, indented, with a final newline. Integers
 * are exact, reals round-trip, addresses are "0x..." texts, what is not a number is null. */
void json_report(struct strbuf *out, const struct report *report);

/* Appends the text in quotes. Bytes that are not UTF-8 become U+FFFD, so that every JSON reader
 * takes the document. */
void json_add_text(struct strbuf *out, const char *text, size_t length);

#endif
