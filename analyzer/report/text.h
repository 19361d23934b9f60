/* SPDX-License-Identifier: MIT
 *
 * Reports for people. This header has what the layouts of all analyses share; each has a file of
 * its own (text_leaks.c, ...), listed in text.c by its schema. */
#ifndef REPORT_TEXT_H
#define REPORT_TEXT_H

#include "report/report.h"

#include <stdbool.h>

struct text_style {
    bool colour;     /* with escape sequences */
    bool utf8;       /* else nothing but ASCII is written */
    bool cut;        /* names may be shortened to fit `width`: on a terminal; never in a pipe */
    bool full_names; /* functions with all parameters and template arguments; not with `cut` */
    unsigned width;  /* columns, at least 40 */
};

/* Appends the report. A schema that has no layout is shown as an indented tree. */
void text_report(struct strbuf *out, const struct report *report, const struct text_style *style);

/* ------------------------------------------------------------------ for the layouts */

enum text_look { LOOK_PLAIN, LOOK_STRONG, LOOK_DIM, LOOK_WARN, LOOK_NAME, LOOK_HEAD };

struct text {
    struct strbuf *out;
    struct text_style style;
};

/* A piece of text in a look. It is ours: nothing in it is escaped. */
void text_add(struct text *t, enum text_look look, const char *s);
void text_addf(struct text *t, enum text_look look, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A text that comes from the trace: control characters are escaped. At most `columns` columns with
 * a final "…" where it was longer (0: as long as it is). Returns the columns it took. */
size_t text_add_foreign(struct text *t, enum text_look look, const char *s, size_t columns);
/* Spaces. */
void text_pad(struct text *t, size_t columns);
/* `s`, which takes `width` columns at least, to the right or the left. */
void text_right(struct text *t, enum text_look look, const char *s, size_t width);
void text_left(struct text *t, enum text_look look, const char *s, size_t width);

/* Words with looks, to be broken into lines of the style's width. In `words` a pair of TEXT_STRONG
 * (and so on) and TEXT_OFF sets a look. */
#define TEXT_STRONG "\001"
#define TEXT_FAINT "\002"
#define TEXT_WARN "\003"
#define TEXT_NAME "\004"
#define TEXT_OFF "\005"
void text_paragraph(struct text *t, const char *words, size_t first_indent, size_t indent);
/* The same for a line that has been begun and stands at `column`. */
void text_flow(struct text *t, const char *words, size_t column, size_t indent);
/* Appends a foreign text to the words of a paragraph, escaped, its spaces unbreakable; and one that
 * is escaped already. */
void text_words_foreign(struct strbuf *words, const char *s);
void text_words_ours(struct strbuf *words, const char *s);

/* Fields of a tree. 0, "" or false where there is no such field or it is null. */
uint64_t text_number(const struct result *object, const char *name);
const char *text_text(const struct result *object, const char *name);
bool text_bool(const struct result *object, const char *name);
double text_real(const struct result *object, const char *name);
bool text_has(const struct result *object, const char *name); /* there, and not null */

/* "1 block", "1,204 blocks" into `words`. */
void text_plural(struct strbuf *words, uint64_t count, const char *one, const char *many);

/* "lose (known.supp:1), drop (known.supp:2) and 1 more" of suppressions (pattern, file, line). */
void text_rules(struct strbuf *words, const struct result *rules);

/* The line or lines that an incomplete recording puts before everything else. */
void text_completeness(struct text *t, const struct result *completeness);

/* The layouts. */
void text_info(struct text *t, const struct result *result, const struct result *completeness);
void text_heap(struct text *t, const struct result *result, const struct result *completeness);
void text_leaks(struct text *t, const struct result *result, const struct result *completeness);
void text_growth(struct text *t, const struct result *result, const struct result *completeness);
void text_sites(struct text *t, const struct result *result, const struct result *completeness);
void text_calls(struct text *t, const struct result *result, const struct result *completeness);
void text_compare(struct text *t, const struct result *result, const struct result *completeness);
void text_diff(struct text *t, const struct result *result, const struct result *completeness);
void text_frag(struct text *t, const struct result *result, const struct result *completeness);
void text_check(struct text *t, const struct result *result, const struct result *completeness);

#endif
