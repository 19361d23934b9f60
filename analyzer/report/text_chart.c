/* SPDX-License-Identifier: MIT */
#include "report/text_chart.h"

#include "util/human.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Eighths of a cell, from the bottom. */
static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

void chart_init(struct chart *c, const struct text *t, uint64_t start_ns, uint64_t end_ns,
                size_t gutter)
{
    size_t taken = gutter + 3; /* a space, the axis, and one column free at the right */
    c->start_ns = start_ns;
    c->end_ns = end_ns > start_ns ? end_ns : start_ns + 1;
    c->gutter = gutter;
    c->columns = t->style.width > taken + 20 ? t->style.width - taken : 20;
}

size_t chart_column(const struct chart *c, uint64_t time_ns)
{
    if (time_ns <= c->start_ns)
        return 0;
    double part = (double)(time_ns - c->start_ns) / (double)(c->end_ns - c->start_ns);
    size_t column = (size_t)(part * (double)c->columns);
    return column < c->columns ? column : c->columns - 1;
}

void chart_share(size_t count, size_t columns, size_t column, size_t *first, size_t *end)
{
    *first = column * count / columns;
    *end = (column + 1) * count / columns;
    if (*end <= *first)
        *end = *first + 1;
}

/* ------------------------------------------------------------------ panels */

/* What is drawn of a value: eighths of rows, rounded, but never nothing where there is something.
 */
static size_t height(double value, double top, size_t rows)
{
    double eighths_high = value / top * (double)rows * 8;
    if (value > 0 && eighths_high < 1)
        return 1;
    size_t whole = (size_t)(eighths_high + 0.5);
    return whole < rows * 8 ? whole : rows * 8;
}

struct cell {
    const char *text;
    enum text_look look;
};

/* The cell whose lower edge is at `base`. */
static struct cell cell_of(const struct text *t, size_t high, size_t low, size_t base,
                           enum text_look look)
{
    if (high <= base)
        return (struct cell){" ", LOOK_PLAIN};
    bool band = low <= base; /* only what was there for a while */
    size_t filled = band || high < base + 8 ? high - base : low - base;
    filled = filled < 8 ? filled : 8;
    if (!t->style.utf8)
        return (struct cell){filled < 4 ? (base ? " " : ".") : band ? ":" : "#", look};
    if (band && filled == 8)
        return (struct cell){"░", LOOK_DIM};
    return (struct cell){eighths[filled], band ? LOOK_DIM : look};
}

void chart_panel(struct text *t, const struct chart *c, const struct chart_panel *p)
{
    struct strbuf run = {0};
    for (size_t row = p->rows; row-- > 0;) {
        const char *label = row + 1 == p->rows             ? p->top_label
                            : row + 1 == (p->rows + 1) / 2 ? p->middle_label
                                                           : "";
        text_right(t, LOOK_DIM, label, c->gutter);
        text_add(t, LOOK_DIM, t->style.utf8 ? label[0] ? " ┤" : " │" : " |");
        enum text_look look = LOOK_PLAIN;
        size_t blank = 0; /* not written where nothing follows */
        strbuf_reset(&run);
        for (size_t i = 0; i < c->columns; i++) {
            struct cell cell = cell_of(t, height(p->high[i], p->top, p->rows),
                                       height(p->low[i], p->top, p->rows), row * 8, p->look);
            if (cell.text[0] == ' ') {
                blank++;
                continue;
            }
            if (cell.look != look && run.length) {
                text_add(t, look, run.text);
                strbuf_reset(&run);
            }
            look = cell.look;
            for (; blank > 0; blank--)
                strbuf_addc(&run, ' ');
            strbuf_adds(&run, cell.text);
        }
        if (run.length)
            text_add(t, look, run.text);
        strbuf_addc(t->out, '\n');
    }
    strbuf_release(&run);
}

/* ------------------------------------------------------------------ the axis */

/* A step of time between labels that stand `apart` columns from each other at least. */
static uint64_t nice_step(const struct chart *c, size_t apart)
{
    static const uint64_t long_steps_s[] = {10,   20,   30,   60,    120,   300,   600,  1200,
                                            1800, 3600, 7200, 14400, 21600, 43200, 86400};
    double least = (double)(c->end_ns - c->start_ns) / (double)c->columns * (double)apart;
    uint64_t step = 1;
    for (unsigned i = 0; (double)step < least && step < 10000000000; i++)
        step = i % 3 == 1 ? step / 2 * 5 : step * 2; /* 1, 2, 5, 10, ... */
    if ((double)step >= least)
        return step;
    for (size_t i = 0; i < sizeof long_steps_s / sizeof long_steps_s[0]; i++) {
        step = long_steps_s[i] * 1000000000;
        if ((double)step >= least)
            return step;
    }
    while ((double)step < least)
        step *= 2;
    return step;
}

void chart_axis(struct text *t, const struct chart *c)
{
    enum { APART = 14 };
    bool utf8 = t->style.utf8;
    uint64_t step = nice_step(c, APART);
    uint64_t first = (c->start_ns + step - 1) / step * step;
    struct strbuf line = {0}, labels = {0};
    size_t at = 0, labelled = 0; /* columns written */
    for (uint64_t tick = first; tick <= c->end_ns; tick += step) {
        size_t column = chart_column(c, tick);
        struct human label = human_ns(tick);
        size_t width = utf8_width(label.text, strlen(label.text));
        if (column + width > c->columns + 1)
            break;
        for (; at < column; at++)
            strbuf_adds(&line, utf8 ? "─" : "-");
        strbuf_adds(&line, utf8 ? "┬" : "+");
        at++;
        for (; labelled < column; labelled++)
            strbuf_addc(&labels, ' ');
        strbuf_adds(&labels, label.text);
        labelled += width;
    }
    for (; at < c->columns; at++)
        strbuf_adds(&line, utf8 ? "─" : "-");
    text_right(t, LOOK_DIM, "0", c->gutter);
    text_add(t, LOOK_DIM, utf8 ? " └" : " +");
    text_add(t, LOOK_DIM, line.text);
    strbuf_addc(t->out, '\n');
    text_pad(t, c->gutter + 2);
    text_add(t, LOOK_DIM, labels.text ? labels.text : "");
    strbuf_addc(t->out, '\n');
    strbuf_release(&line);
    strbuf_release(&labels);
}

/* ------------------------------------------------------------------ flags */

#define NAME_COLUMNS 24

static void add_name(struct strbuf *out, const char *name)
{
    struct strbuf shown = {0};
    utf8_add_visible(&shown, name, strlen(name));
    size_t fits = shown.length ? utf8_fit(shown.text, shown.length, NAME_COLUMNS) : 0;
    strbuf_add(out, shown.text ? shown.text : "", fits);
    if (fits < shown.length)
        strbuf_adds(out, "…");
    strbuf_release(&shown);
}

/* One flag on a line that is written up to column `*at`. False where it has no room. `last`: it is
 * to stand there without its name rather than not at all. */
static bool put_flag(struct text *t, const struct chart *c, const struct chart_flag *flag,
                     const char *glyph, size_t *at, bool last, enum text_look look)
{
    size_t column = chart_column(c, flag->from_ns), from = column;
    struct strbuf name = {0}, words = {0};
    add_name(&name, flag->name);
    size_t width = name.length ? utf8_width(name.text, name.length) + 1 : 0;
    bool right = column + width < c->columns, left = !right && column >= *at + width + (*at > 0);
    if (left)
        from = column - width;
    bool fits = column >= *at && (right || left || last);
    if (fits) {
        if (left)
            strbuf_addf(&words, "%s ", name.text);
        strbuf_adds(&words, glyph);
        if (right && width)
            strbuf_addf(&words, " %s", name.text);
        text_pad(t, from - *at + (*at ? 0 : c->gutter + 2));
        text_add(t, look, words.text);
        *at = right ? column + width + 2 : column + 2;
        strbuf_addc(t->out, ' ');
    }
    strbuf_release(&words);
    strbuf_release(&name);
    return fits;
}

void chart_flags(struct text *t, const struct chart *c, const struct chart_flag *flags,
                 size_t count, size_t lines, const char *glyph, enum text_look look)
{
    bool *placed = mem_zalloc(count + 1, sizeof *placed);
    size_t left = count;
    for (size_t line = 0; line < lines && left; line++) {
        size_t at = 0;
        for (size_t i = 0; i < count; i++)
            if (!placed[i] && put_flag(t, c, &flags[i], glyph, &at, line + 1 == lines, look)) {
                placed[i] = true;
                left--;
            }
        while (t->out->length && t->out->text[t->out->length - 1] == ' ')
            t->out->text[--t->out->length] = '\0';
        strbuf_addc(t->out, '\n');
    }
    free(placed);
}

void chart_spans(struct text *t, const struct chart *c, const struct chart_flag *flags,
                 size_t count, enum text_look look)
{
    struct strbuf line = {0};
    bool utf8 = t->style.utf8;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t from = chart_column(c, flags[i].from_ns), to = chart_column(c, flags[i].to_ns);
        if (from < at)
            from = at;
        if (from > to)
            continue;
        for (; at < from; at++)
            strbuf_addc(&line, ' ');
        size_t length = to - from + 1, name = strlen(flags[i].name);
        for (size_t j = 0; j < length; j++) {
            if (length < name + 2 ? j == 0 : j == (length - name) / 2) {
                strbuf_adds(&line, flags[i].name);
                j += name - 1;
            } else if (j == 0 || j + 1 == length) {
                strbuf_adds(&line, !utf8 ? "|" : j == 0 ? "├" : "┤");
            } else {
                strbuf_adds(&line, utf8 ? "─" : "-");
            }
        }
        at = from + (length < name ? name : length);
    }
    if (line.length) {
        text_pad(t, c->gutter + 2);
        text_add(t, look, line.text);
        strbuf_addc(t->out, '\n');
    }
    strbuf_release(&line);
}

void chart_spark(struct text *t, const double *values, size_t count, double top, size_t columns,
                 enum text_look look)
{
    static const char ascii[] = " .:-=+*#@";
    struct strbuf line = {0};
    for (size_t i = 0; i < columns && count; i++) {
        size_t first, end;
        chart_share(count, columns, i, &first, &end);
        double most = 0;
        for (size_t j = first; j < end && j < count; j++)
            most = values[j] > most ? values[j] : most;
        size_t eighth = height(most, top, 1);
        if (t->style.utf8)
            strbuf_adds(&line, eighths[eighth]);
        else
            strbuf_addc(&line, ascii[eighth]);
    }
    while (line.length && line.text[line.length - 1] == ' ')
        line.text[--line.length] = '\0';
    text_add(t, look, line.text ? line.text : "");
    strbuf_release(&line);
}
