/* SPDX-License-Identifier: MIT
 *
 * A call site in a few words, for tables and sentences; its whole stack is text_frames.h's. A site
 * is an object with name and frames (analysis/site_frames.h). */
#ifndef REPORT_TEXT_SITE_H
#define REPORT_TEXT_SITE_H

#include "report/text.h"

/* Appends "cache_insert (cache.c:88)" to the words of a paragraph. */
void text_site_name(struct strbuf *words, const struct result *site);

/* Appends how many sites: "3 call sites", "1 function"; `by` as in site_by_names. */
void text_site_count(struct strbuf *words, const char *by, uint64_t count);

/* The rest of a line that stands at `column`: "cache_insert  cache.c:88  ← handle ← main", cut to
 * the width on a terminal; without callers unless `callers`. */
void text_site_line(struct text *t, const struct result *site, size_t column, bool callers);

/* Where item `at` of a list of sites is in a line that looks the same as another's: a line more,
 * which names the first frame in which it differs from the nearest of those; further left than at
 * `indent` where there is little room. */
void text_site_difference(struct text *t, const struct result *sites, size_t at, size_t indent);

/* `by_way_of` (analysis/by_way_of.h) in words, where there is such a function, as a paragraph. */
void text_site_by_way_of(struct text *t, const struct result *result);

#endif
