/* SPDX-License-Identifier: MIT
 *
 * Charts over time in a terminal: panels of columns above one time axis, of block characters, or of
 * ASCII where there is nothing else. */
#ifndef REPORT_TEXT_CHART_H
#define REPORT_TEXT_CHART_H

#include "report/text.h"

struct chart {
    uint64_t start_ns, end_ns;
    size_t gutter;  /* columns left of the axis, for labels */
    size_t columns; /* right of it */
};

/* Takes all of the style's width. `gutter` is that of the widest label. */
void chart_init(struct chart *c, const struct text *t, uint64_t start_ns, uint64_t end_ns,
                size_t gutter);

/* The column of a moment. */
size_t chart_column(const struct chart *c, uint64_t time_ns);

struct chart_panel {
    const double *high, *low; /* a value per column: the most, and the least, in its time */
    double top;               /* value of the upper edge; > 0 */
    const char *top_label, *middle_label; /* beside the first and the middle row; "" for none */
    size_t rows;
    enum text_look look;
};
/* Filled up to `low`, and lighter up to `high`. */
void chart_panel(struct text *t, const struct chart *c, const struct chart_panel *p);

/* The time axis with its labels. */
void chart_axis(struct text *t, const struct chart *c);

/* Something with a name to stand at a moment, or a stretch of time. */
struct chart_flag {
    uint64_t from_ns, to_ns; /* the same for a moment */
    const char *name;        /* foreign */
};
/* Lines of flags, each a glyph at its moment with its name beside it, in at most `lines` lines;
 * what has no room on the last one has no name, or is left out. In the order of their times. */
void chart_flags(struct text *t, const struct chart *c, const struct chart_flag *flags,
                 size_t count, size_t lines, const char *glyph, enum text_look look);
/* One line of stretches, each with its name, which is ours, in its middle. In the order of their
 * times. */
void chart_spans(struct text *t, const struct chart *c, const struct chart_flag *flags,
                 size_t count, enum text_look look);

/* A line of `columns` columns that shows `values`, of which there are `count`, against `top`. */
void chart_spark(struct text *t, const double *values, size_t count, double top, size_t columns,
                 enum text_look look);

/* The first and the last, exclusive, of `count` things that column `column` of `columns` stands
 * for; at least one. */
void chart_share(size_t count, size_t columns, size_t column, size_t *first, size_t *end);

#endif
