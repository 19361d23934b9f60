/* SPDX-License-Identifier: MIT
 *
 * `seep diff` for people: what became of each figure in words, a table of the figures, and one of
 * the call sites that changed. */
#include "report/text_site.h"

#include "util/human.h"
#include "util/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GAP 2
#define NAME_ROOM 34 /* for a call site's name at least, before a further column is shown */

static const struct {
    const char *name;
    const char *what; /* in a sentence */
    const char *head; /* in a table */
    bool bytes;
} figures[] = {
    {"live", "Live bytes at the end", "live at the end", true},
    {"peak", "The peak", "peak", true},
    {"allocations", "Allocations", "allocations", false},
    {"allocated", "Allocated bytes", "allocated", true},
    {"temporary", "Temporary allocations", "temporary", false},
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

static struct human shown(size_t f, uint64_t value)
{
    return figures[f].bytes ? human_bytes(value) : human_count(value);
}

static int64_t change_of(const struct result *figure)
{
    const struct result *change = field(figure, "change");
    return change ? change->u.integer : 0;
}

/* "+1.2 MiB", "-3" */
static struct human shown_change(size_t f, const struct result *figure)
{
    int64_t change = change_of(figure);
    struct human h = {"–"};
    if (change)
        snprintf(h.text, sizeof h.text, "%s%.29s", change < 0 ? "-" : "+",
                 shown(f, (uint64_t)(change < 0 ? -change : change)).text);
    return h;
}

/* Red is for what is worse; what may be chance is dim. */
static enum text_look look_of(const struct result *figure)
{
    if (!text_bool(figure, "changed"))
        return LOOK_DIM;
    return change_of(figure) > 0 ? LOOK_WARN : LOOK_NAME;
}

static size_t width_of(const char *s)
{
    return utf8_width(s, strlen(s));
}

static size_t wider(size_t width, const char *s)
{
    size_t has = width_of(s);
    return has > width ? has : width;
}

/* ------------------------------------------------------------------ the answers */

/* "3 call sites have 1.2 MiB more (2 of them are new), 1 has 4 KiB less" */
static void add_parts(struct strbuf *words, const struct result *r, size_t f)
{
    const struct result *c = field(field(r, "changes"), figures[f].name);
    uint64_t more = text_number(c, "more_sites"), less = text_number(c, "less_sites");
    if (more) {
        text_site_count(words, text_text(r, "by"), more);
        strbuf_addf(words, " %s %s more", more == 1 ? "has" : "have",
                    shown(f, text_number(c, "more")).text);
        if (text_number(c, "new_sites"))
            strbuf_addf(words, ", %s of them new", human_count(text_number(c, "new_sites")).text);
    }
    if (less) {
        strbuf_adds(words, more ? "; " : "");
        text_site_count(words, text_text(r, "by"), less);
        strbuf_addf(words, " %s %s less", less == 1 ? "has" : "have",
                    shown(f, text_number(c, "less")).text);
        if (text_number(c, "gone_sites"))
            strbuf_addf(words, ", %s of them gone", human_count(text_number(c, "gone_sites")).text);
    }
}

/* Live bytes first, then the peak and the numbers of allocations: "Live bytes at the end grew
 * by 1.2 MiB to 7.2 MiB: ..." False where there is nothing to say. */
static bool print_answer(struct text *t, const struct result *r, size_t f)
{
    struct strbuf words = {0};
    const struct result *total = field(field(r, "total"), figures[f].name);
    const struct result *parts = field(field(r, "changes"), figures[f].name);
    bool moved = text_number(parts, "more_sites") + text_number(parts, "less_sites") > 0;
    bool changed = text_bool(total, "changed");
    if (!changed && !moved)
        return false;
    int64_t change = change_of(total);
    strbuf_adds(&words, figures[f].what);
    if (changed)
        strbuf_addf(&words, " %s by %s%s" TEXT_OFF " to %s", change > 0 ? "grew" : "fell",
                    change > 0 ? TEXT_WARN : TEXT_STRONG,
                    shown(f, (uint64_t)(change < 0 ? -change : change)).text,
                    shown(f, text_number(total, "new")).text);
    else
        strbuf_addf(&words, " did not change in all (%s)",
                    shown(f, text_number(total, "new")).text);
    if (moved) {
        strbuf_adds(&words, ": ");
        add_parts(&words, r, f);
    }
    strbuf_adds(&words, ".");
    const struct result *first = result_at(field(r, "sites"), 0);
    if (moved && first && strcmp(text_text(r, "sort"), figures[f].name) == 0) {
        strbuf_adds(&words, " Most in ");
        text_site_name(&words, first);
        strbuf_addf(&words, ", %s.", shown_change(f, field(first, figures[f].name)).text);
    }
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
    return true;
}

static void print_verdict(struct text *t, const struct result *r)
{
    const char *verdict = text_text(r, "verdict");
    const struct result *worse = field(r, "worse");
    struct strbuf words = {0};
    if (strcmp(verdict, "failed") == 0) {
        strbuf_adds(&words, TEXT_WARN "WORSE" TEXT_OFF "  ");
        for (size_t i = 0; i < result_length(worse); i++)
            strbuf_addf(&words, "%s%s", i ? ", " : "", result_at(worse, i)->u.text);
    } else if (strcmp(verdict, "undecided") == 0) {
        strbuf_adds(&words, TEXT_WARN "UNDECIDED" TEXT_OFF "  a recording is incomplete");
    } else if (verdict[0]) {
        strbuf_adds(&words, TEXT_STRONG "PASSED" TEXT_OFF "  nothing that was asked for is worse");
    }
    if (words.length)
        text_paragraph(t, words.text, 0, 2);
    strbuf_release(&words);
}

static void print_answers(struct text *t, const struct result *r)
{
    bool any = false;
    print_verdict(t, r);
    for (size_t f = 0; f < FIGURES; f++)
        any |= print_answer(t, r, f);
    if (any)
        return;
    bool several = result_length(field(r, "old")) + result_length(field(r, "new")) > 2;
    text_paragraph(t,
                   several ? "Nothing changed by more than the recordings of one side differ."
                           : "Nothing changed.",
                   0, 0);
}

/* ------------------------------------------------------------------ all in all */

static void print_totals(struct text *t, const struct result *r)
{
    enum { OLD, NEW, CHANGE, SPREAD, COLUMNS };
    static const char *const heads[COLUMNS] = {"old", "new", "change", "spread"};
    struct human cells[FIGURES][COLUMNS];
    size_t width[COLUMNS], first = 0;
    bool several = result_length(field(r, "old")) + result_length(field(r, "new")) > 2;
    for (int c = 0; c < COLUMNS; c++)
        width[c] = strlen(heads[c]);
    for (size_t f = 0; f < FIGURES; f++) {
        const struct result *total = field(field(r, "total"), figures[f].name);
        cells[f][OLD] = shown(f, text_number(total, "old"));
        cells[f][NEW] = shown(f, text_number(total, "new"));
        cells[f][CHANGE] = shown_change(f, total);
        cells[f][SPREAD] = shown(f, text_number(total, "spread"));
        first = wider(first, figures[f].head);
        for (int c = 0; c < COLUMNS; c++)
            width[c] = wider(width[c], cells[f][c].text);
    }
    strbuf_addc(t->out, '\n');
    text_pad(t, first);
    for (int c = 0; c < (several ? COLUMNS : SPREAD); c++) {
        text_pad(t, GAP + 1);
        text_right(t, LOOK_DIM, heads[c], width[c]);
    }
    strbuf_addc(t->out, '\n');
    for (size_t f = 0; f < FIGURES; f++) {
        const struct result *total = field(field(r, "total"), figures[f].name);
        text_left(t, LOOK_PLAIN, figures[f].head, first);
        for (int c = 0; c < (several ? COLUMNS : SPREAD); c++) {
            text_pad(t, GAP + 1);
            text_right(t,
                       c == CHANGE   ? look_of(total)
                       : c == SPREAD ? LOOK_DIM
                                     : LOOK_PLAIN,
                       cells[f][c].text, width[c]);
        }
        uint64_t old = text_number(total, "old");
        if (old && text_bool(total, "changed")) {
            double percent = 100. * (double)change_of(total) / (double)old;
            text_addf(t, LOOK_DIM, "  %s%s", percent < 0 ? "-" : "+",
                      human_percent(percent < 0 ? -percent : percent).text);
        }
        strbuf_addc(t->out, '\n');
    }
}

/* ------------------------------------------------------------------ call sites */

/* Of the figure that is sorted by, both sides and the change; of others the change. */
struct column {
    size_t figure;
    const char *part; /* "old", "new", or NULL: the change */
    const char *head;
    size_t width;
};

static struct human cell(const struct result *site, const struct column *c)
{
    const struct result *figure = field(site, figures[c->figure].name);
    if (!c->part)
        return shown_change(c->figure, figure);
    return shown(c->figure, text_number(figure, c->part));
}

static void add_column(const struct text *t, const struct result *r, struct column *columns,
                       size_t *count, size_t *used, struct column c, bool needed)
{
    const struct result *sites = field(r, "sites");
    c.width = width_of(c.head);
    for (size_t i = 0; i < result_length(sites); i++)
        c.width = wider(c.width, cell(result_at(sites, i), &c).text);
    if (!needed && *used + c.width + GAP + NAME_ROOM > t->style.width)
        return;
    *used += c.width + GAP;
    columns[(*count)++] = c;
}

static size_t choose_columns(const struct text *t, const struct result *r, struct column *columns)
{
    size_t sort = 0, count = 0, used = 6; /* the state stands in front */
    while (sort + 1 < FIGURES && strcmp(figures[sort].name, text_text(r, "sort")) != 0)
        sort++;
    add_column(t, r, columns, &count, &used, (struct column){sort, "old", "old", 0}, true);
    add_column(t, r, columns, &count, &used, (struct column){sort, "new", "new", 0}, true);
    add_column(t, r, columns, &count, &used, (struct column){sort, NULL, figures[sort].name, 0},
               true);
    for (size_t f = 0; f < FIGURES; f++)
        if (f != sort)
            add_column(t, r, columns, &count, &used, (struct column){f, NULL, figures[f].name, 0},
                       false);
    return count;
}

static void print_sites(struct text *t, const struct result *r)
{
    struct column columns[FIGURES + 2];
    const struct result *sites = field(r, "sites");
    bool by_stack = strcmp(text_text(r, "by"), "stack") == 0;
    if (!result_length(sites))
        return;
    size_t count = choose_columns(t, r, columns), column = 4;
    strbuf_addc(t->out, '\n');
    text_pad(t, 4);
    for (size_t c = 0; c < count; c++) {
        text_pad(t, GAP);
        text_right(t, c == 2 ? LOOK_HEAD : LOOK_DIM, columns[c].head, columns[c].width);
        column += GAP + columns[c].width;
    }
    text_pad(t, GAP);
    text_add(t, LOOK_DIM, by_stack ? "call site" : text_text(r, "by"));
    strbuf_addc(t->out, '\n');
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        const char *state = text_text(site, "state");
        text_left(t, LOOK_DIM, strcmp(state, "changed") == 0 ? "" : state, 4);
        for (size_t c = 0; c < count; c++) {
            text_pad(t, GAP);
            text_right(t,
                       columns[c].part ? LOOK_PLAIN
                                       : look_of(field(site, figures[columns[c].figure].name)),
                       cell(site, &columns[c]).text, columns[c].width);
        }
        text_pad(t, GAP);
        text_site_line(t, site, column + GAP, by_stack);
        if (by_stack)
            text_site_difference(t, sites, i, column + GAP);
    }
}

static void print_notes(struct text *t, const struct result *r)
{
    struct strbuf words = {0};
    const struct result *by_name = field(r, "by_name");
    uint64_t hidden = text_number(field(r, "hidden"), "sites");
    uint64_t noisy = text_number(field(r, "alike"), "noisy");
    strbuf_addc(t->out, '\n');
    if (hidden) {
        text_site_count(&words, text_text(r, "by"), hidden);
        strbuf_adds(&words, " more changed" TEXT_FAINT "; --top=all lists them" TEXT_OFF ". ");
    }
    text_site_count(&words, text_text(r, "by"), text_number(field(r, "alike"), "sites"));
    strbuf_adds(&words, " did not change");
    if (noisy)
        strbuf_addf(&words, ", %s of them but by chance", human_count(noisy).text);
    strbuf_adds(&words, ".");
    if (result_length(by_name)) {
        strbuf_adds(&words, " Compared by names, since builds differ: ");
        for (size_t i = 0; i < result_length(by_name); i++) {
            strbuf_adds(&words, i ? ", " : "");
            text_words_foreign(&words, result_at(by_name, i)->u.text);
        }
        strbuf_adds(&words, ".");
    }
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

void text_diff(struct text *t, const struct result *r, const struct result *completeness)
{
    text_completeness(t, completeness);
    print_answers(t, r);
    print_totals(t, r);
    print_sites(t, r);
    print_notes(t, r);
}
