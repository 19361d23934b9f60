/* SPDX-License-Identifier: MIT
 *
 * `seep growth`: the chart. */
#include "report/text_growth.h"

#include "report/text_chart.h"
#include "util/human.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

double text_growth_value(const struct result *column, size_t i)
{
    const struct result *value = result_at(column, i);
    return value ? (double)value->u.count : 0;
}

size_t text_growth_wider(size_t width, const char *label)
{
    size_t has = utf8_width(label, strlen(label));
    return has > width ? has : width;
}

/* Columns of the tree's series, brought to those of the chart. */
struct columns {
    double *high, *low;
    double most;
};

enum joining { JOIN_RANGE, JOIN_MEAN };

/* `high` and `low` name columns; of JOIN_MEAN the mean of `high` is both. */
static void take_columns(struct columns *out, const struct chart *c, const struct result *series,
                         const char *high, const char *low, enum joining joining)
{
    const struct result *highs = field(series, high), *lows = field(series, low);
    double width = (double)text_number(series, "width_ns");
    double column_ns = (double)(c->end_ns - c->start_ns) / (double)c->columns;
    size_t count = result_length(highs);
    out->high = mem_zalloc(c->columns, sizeof *out->high);
    out->low = mem_zalloc(c->columns, sizeof *out->low);
    out->most = 0;
    for (size_t i = 0; i < c->columns && count; i++) {
        size_t first = (size_t)((double)i * column_ns / width);
        size_t end = (size_t)ceil((double)(i + 1) * column_ns / width);
        first = first < count ? first : count - 1;
        end = end > count ? count : end <= first ? first + 1 : end;
        double sum = 0;
        out->low[i] = text_growth_value(lows, first);
        for (size_t j = first; j < end; j++) {
            double h = text_growth_value(highs, j), l = text_growth_value(lows, j);
            out->high[i] = h > out->high[i] ? h : out->high[i];
            out->low[i] = l < out->low[i] ? l : out->low[i];
            sum += h;
        }
        if (joining == JOIN_MEAN)
            out->high[i] = out->low[i] = sum / (double)(end - first);
        out->most = out->high[i] > out->most ? out->high[i] : out->most;
    }
}

static void release_columns(struct columns *c)
{
    free(c->high);
    free(c->low);
}

static void print_title(struct text *t, const struct chart *c, const char *title, const char *more)
{
    text_pad(t, c->gutter + 2);
    text_add(t, LOOK_STRONG, title);
    text_add(t, LOOK_DIM, more);
    strbuf_addc(t->out, '\n');
}

static int compare_flags(const void *a, const void *b)
{
    const struct chart_flag *x = a, *y = b;
    return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

/* Peaks or rises of the tree as flags, in the order of their times. Owned by the caller; names are
 * in `names`. */
static struct chart_flag *flags_of(const struct result *list, const char *from, const char *to,
                                   struct human *names)
{
    size_t count = result_length(list);
    struct chart_flag *flags = mem_zalloc(count + 1, sizeof *flags);
    for (size_t i = 0; i < count; i++) {
        const struct result *item = result_at(list, i);
        names[i] = human_count(i + 1);
        flags[i] = (struct chart_flag){.from_ns = text_number(item, from),
                                       .to_ns = text_number(item, to),
                                       .name = names[i].text};
    }
    qsort(flags, count, sizeof *flags, compare_flags);
    return flags;
}

static void print_peak_flags(struct text *t, const struct chart *c, const struct result *r)
{
    const struct result *peaks = field(r, "peaks");
    struct human *names = mem_zalloc(result_length(peaks) + 1, sizeof *names);
    struct chart_flag *flags = flags_of(peaks, "time_ns", "time_ns", names);
    if (result_length(peaks) > 1)
        chart_flags(t, c, flags, result_length(peaks), 1, t->style.utf8 ? "▼" : "v", LOOK_WARN);
    free(flags);
    free(names);
}

static void print_rise_spans(struct text *t, const struct chart *c, const struct result *r)
{
    const struct result *rises = field(r, "rises");
    struct human *names = mem_zalloc(result_length(rises) + 1, sizeof *names);
    struct chart_flag *flags = flags_of(rises, "from_ns", "to_ns", names);
    if (result_length(rises) && !text_bool(result_at(rises, 0), "given"))
        chart_spans(t, c, flags, result_length(rises), LOOK_WARN);
    free(flags);
    free(names);
}

static void print_marks(struct text *t, const struct chart *c, const struct result *r)
{
    const struct result *marks = field(r, "marks");
    size_t count = result_length(marks);
    struct chart_flag *flags = mem_zalloc(count + 1, sizeof *flags);
    for (size_t i = 0; i < count; i++) {
        const struct result *mark = result_at(marks, i);
        flags[i].from_ns = flags[i].to_ns = text_number(mark, "time_ns");
        flags[i].name = text_text(mark, "name");
    }
    if (count)
        chart_flags(t, c, flags, count, 3, t->style.utf8 ? "▲" : "^", LOOK_NAME);
    free(flags);
}

/* "812 /s", "4.4 M/s" */
static struct human per_s(double per_bucket, double width_ns)
{
    static const char *const units[] = {"", "k", "M", "G"};
    double rate = per_bucket * 1e9 / width_ns;
    size_t unit = 0;
    for (; rate >= 999.5 && unit < 3; unit++)
        rate /= 1000;
    struct human h;
    snprintf(h.text, sizeof h.text, rate < 9.95 && unit ? "%.1f %s/s" : "%.0f %s/s", rate,
             units[unit]);
    return h;
}

/* One panel below the first, with a title of its own, of three rows. */
static void print_small(struct text *t, const struct chart *c, const struct columns *columns,
                        const char *title, const char *label)
{
    print_title(t, c, title, "");
    const struct chart_panel panel = {.high = columns->high,
                                      .low = columns->low,
                                      .top = columns->most,
                                      .top_label = label,
                                      .middle_label = "",
                                      .rows = 3,
                                      .look = LOOK_PLAIN};
    chart_panel(t, c, &panel);
}

static double most_of(const struct result *column)
{
    double most = 0;
    for (size_t i = 0; i < result_length(column); i++)
        most = fmax(most, text_growth_value(column, i));
    return most;
}

static void print_live(struct text *t, const struct chart *c, const struct result *r, double most)
{
    enum { ROWS = 8 };
    struct columns live;
    struct human top = human_bytes((uint64_t)most), half = human_bytes((uint64_t)(most / 2));
    take_columns(&live, c, field(r, "series"), "max_bytes", "min_bytes", JOIN_RANGE);
    print_title(t, c, "live bytes",
                t->style.utf8 ? "   ░ between the least and the most"
                              : "   : between the least and the most");
    print_peak_flags(t, c, r);
    const struct chart_panel panel = {.high = live.high,
                                      .low = live.low,
                                      .top = most,
                                      .top_label = top.text,
                                      .middle_label = half.text,
                                      .rows = ROWS,
                                      .look = LOOK_NAME};
    chart_panel(t, c, &panel);
    chart_axis(t, c);
    release_columns(&live);
}

void text_growth_chart(struct text *t, const struct result *r)
{
    const struct result *series = field(r, "series");
    double most = most_of(field(series, "max_bytes")), most_rss = most_of(field(series, "rss_max"));
    if (most <= 0)
        return;
    struct chart c;
    struct columns small;
    size_t gutter = text_growth_wider(strlen("999 k/s"), human_bytes((uint64_t)most).text);
    gutter = text_growth_wider(gutter, human_bytes((uint64_t)(most / 2)).text);
    gutter = text_growth_wider(gutter, human_bytes((uint64_t)most_rss).text);
    chart_init(&c, t, text_number(r, "start_ns"), text_number(r, "end_ns"), gutter);
    strbuf_addc(t->out, '\n');
    print_live(t, &c, r, most);
    print_rise_spans(t, &c, r);
    print_marks(t, &c, r);
    if (most_rss > 0) {
        take_columns(&small, &c, series, "rss_max", "rss_max", JOIN_RANGE);
        print_small(t, &c, &small, "resident memory (RSS)", human_bytes((uint64_t)most_rss).text);
        release_columns(&small);
    }
    take_columns(&small, &c, series, "allocations", "allocations", JOIN_MEAN);
    if (small.most > 0)
        print_small(t, &c, &small, "allocations",
                    per_s(small.most, (double)text_number(series, "width_ns")).text);
    release_columns(&small);
}
