/* SPDX-License-Identifier: MIT
 *
 * `seep growth` for people: the answers in words, the heap over time as a chart, and the tables of
 * peaks, rises and call sites. */
#include "report/text_growth.h"

#include "report/text_chart.h"
#include "report/text_site.h"

#include "util/human.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDENT 4 /* of what stands below a row */
#define SPARK 24 /* columns of a site's behaviour over time */

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

/* ------------------------------------------------------------------ words */

/* "1.2 MiB/s"; what is as slow as `scale` by the minute, hour or day. */
static struct human rate_of(double bytes_per_s, double scale)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"day", 86400}};
    size_t i = 0;
    while (i < 3 && fabs(scale) * units[i].seconds < 100)
        i++;
    double rate = fabs(bytes_per_s) * units[i].seconds;
    struct human h = human_bytes((uint64_t)(rate + 0.5)), out;
    snprintf(out.text, sizeof out.text, "%s%.20s/%s", bytes_per_s < 0 ? "-" : "", h.text,
             units[i].unit);
    return out;
}

/* ------------------------------------------------------------------ the answers */

static void print_growing(struct text *t, const struct result *r, bool complete)
{
    enum { NAMED = 3 };
    struct strbuf words = {0};
    const struct result *classes = field(r, "classes"), *sites = field(r, "sites");
    uint64_t growing = 0, all = 0, bytes = 0;
    for (size_t i = 0; i < result_length(classes); i++) {
        const struct result *class = result_at(classes, i);
        all += text_number(class, "sites");
        if (strcmp(text_text(class, "class"), "growing") == 0) {
            growing = text_number(class, "sites");
            bytes = text_number(class, "level_bytes");
        }
    }
    if (!growing) {
        strbuf_adds(&words, TEXT_STRONG "No call site keeps growing" TEXT_OFF);
        if (!all)
            strbuf_adds(&words, ": none ever had enough live to be judged");
        strbuf_adds(&words, complete ? "." : ", as far as was recorded.");
    } else {
        strbuf_adds(&words, TEXT_STRONG);
        if (strcmp(text_text(r, "by"), "stack") == 0)
            text_plural(&words, growing, "call site", "call sites");
        else
            strbuf_addf(&words, "%s %s%s", human_count(growing).text, text_text(r, "by"),
                        growing == 1 ? "" : "s");
        strbuf_addf(&words, " keep%s growing" TEXT_OFF, growing == 1 ? "s" : "");
        uint64_t level = text_number(field(r, "total"), "level_bytes");
        if (growing > 1)
            strbuf_addf(&words, " and had %s of the heap in the end",
                        human_percent(level ? 100. * (double)bytes / (double)level : 0).text);
        for (size_t i = 0; i < growing && i < NAMED && i < result_length(sites); i++) {
            const struct result *site = result_at(sites, i), *slope = field(site, "slope");
            double rate = text_real(slope, "bytes_per_s");
            strbuf_adds(&words, i ? "; " : ": ");
            text_site_name(&words, site);
            strbuf_addf(&words, " by %s to %s", rate_of(rate, rate).text,
                        human_bytes(text_number(site, "level_bytes")).text);
        }
        strbuf_adds(&words, growing > NAMED ? "; …" : ".");
    }
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void add_first_part(struct strbuf *words, const struct result *moment, const char *between)
{
    const struct result *first = result_at(field(moment, "sites"), 0);
    if (!first)
        return;
    strbuf_addf(words, "%s" TEXT_STRONG "%s" TEXT_OFF " of it from ", between,
                human_bytes(text_number(first, "bytes")).text);
    text_site_name(words, first);
}

static int64_t change_of(const struct result *rise)
{
    const struct result *change = field(rise, "change_bytes");
    return change ? change->u.integer : 0;
}

static void print_rise_answer(struct text *t, const struct result *r)
{
    const struct result *rise = result_at(field(r, "rises"), 0);
    if (!rise)
        return;
    struct strbuf words = {0};
    int64_t change = change_of(rise);
    uint64_t added = text_number(rise, "added_bytes");
    struct human from = human_ns(text_number(rise, "from_ns"));
    struct human to = human_ns(text_number(rise, "to_ns"));
    bool gone = text_number(rise, "gone_bytes") > added / 20;
    if (change > 0) {
        strbuf_addf(&words, "Live bytes rose by " TEXT_STRONG "%s" TEXT_OFF " between %s and %s",
                    human_bytes((uint64_t)change).text, from.text, to.text);
        if (gone)
            strbuf_addf(&words, ": %s were added and kept", human_bytes(added).text);
        add_first_part(&words, rise, gone ? ", " : "; ");
    } else {
        strbuf_addf(&words, "Live bytes %s%s between %s and %s; %s %s added and kept",
                    change ? "fell by " : "did not change",
                    change ? human_bytes((uint64_t)-change).text : "", from.text, to.text,
                    human_bytes(added).text, added ? "were nevertheless" : "were");
        add_first_part(&words, rise, ", ");
    }
    strbuf_adds(&words, ".");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void print_peak_answer(struct text *t, const struct result *r)
{
    const struct result *peak = result_at(field(r, "peaks"), 0);
    struct strbuf words = {0};
    if (!peak) {
        if (text_number(field(r, "total"), "end_bytes") == 0 &&
            text_number(field(r, "total"), "allocations") == 0)
            text_paragraph(t, "Nothing was allocated.", 0, 0);
        return;
    }
    strbuf_addf(&words, "The peak was " TEXT_STRONG "%s" TEXT_OFF " in ",
                human_bytes(text_number(peak, "bytes")).text);
    text_plural(&words, text_number(peak, "blocks"), "block", "blocks");
    strbuf_addf(&words, ", at %s", human_ns(text_number(peak, "time_ns")).text);
    add_first_part(&words, peak, "; ");
    strbuf_adds(&words, ".");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

/* ------------------------------------------------------------------ peaks and rises */

static void print_parts(struct text *t, const struct result *moment, bool by_stack)
{
    const struct result *sites = field(moment, "sites"), *others = field(moment, "others");
    size_t share = 0, bytes = 0;
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        share = text_growth_wider(share, human_percent(text_real(site, "share_percent")).text);
        bytes = text_growth_wider(bytes, human_bytes(text_number(site, "bytes")).text);
    }
    struct human rest = human_bytes(text_number(others, "bytes"));
    bool more = text_number(others, "sites") > 0;
    if (more)
        bytes = text_growth_wider(bytes, rest.text);
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        text_pad(t, INDENT);
        text_right(t, LOOK_PLAIN, human_percent(text_real(site, "share_percent")).text, share);
        text_pad(t, 2);
        text_right(t, LOOK_PLAIN, human_bytes(text_number(site, "bytes")).text, bytes);
        text_pad(t, 2);
        text_site_line(t, site, INDENT + share + bytes + 4, by_stack);
        if (by_stack)
            text_site_difference(t, sites, i, INDENT + share + bytes + 4);
    }
    if (!more)
        return;
    struct strbuf words = {0};
    text_pad(t, INDENT + share + 2);
    text_right(t, LOOK_DIM, rest.text, bytes);
    strbuf_adds(&words, "  in ");
    text_plural(&words, text_number(others, "sites"), result_length(sites) ? "other" : "call site",
                result_length(sites) ? "others" : "call sites");
    text_add(t, LOOK_DIM, words.text);
    strbuf_addc(t->out, '\n');
    strbuf_release(&words);
}

static void print_head(struct text *t, const char *title, const char *more)
{
    strbuf_addc(t->out, '\n');
    text_add(t, LOOK_HEAD, title);
    text_add(t, LOOK_DIM, more);
    strbuf_addc(t->out, '\n');
}

static void print_peaks(struct text *t, const struct result *r, bool by_stack)
{
    const struct result *peaks = field(r, "peaks");
    if (!result_length(peaks))
        return;
    print_head(t, result_length(peaks) > 1 ? "Peaks" : "Peak", "");
    for (size_t i = 0; i < result_length(peaks); i++) {
        const struct result *peak = result_at(peaks, i);
        struct strbuf words = {0};
        strbuf_addf(&words, TEXT_WARN "%zu" TEXT_OFF "  " TEXT_STRONG "%s" TEXT_OFF " in ", i + 1,
                    human_bytes(text_number(peak, "bytes")).text);
        text_plural(&words, text_number(peak, "blocks"), "block", "blocks");
        strbuf_addf(&words, ", at %s", human_ns(text_number(peak, "time_ns")).text);
        text_paragraph(t, words.text, 0, INDENT);
        print_parts(t, peak, by_stack);
        strbuf_release(&words);
    }
}

static void print_rises(struct text *t, const struct result *r, bool by_stack)
{
    const struct result *rises = field(r, "rises");
    if (!result_length(rises))
        return;
    bool given = text_bool(result_at(rises, 0), "given");
    print_head(t,
               given                      ? "Added in the window"
               : result_length(rises) > 1 ? "Rises"
                                          : "Rise",
               given ? " and not freed by its end" : ": what was added and not freed");
    for (size_t i = 0; i < result_length(rises); i++) {
        const struct result *rise = result_at(rises, i);
        struct strbuf words = {0};
        int64_t change = change_of(rise);
        strbuf_addf(
            &words, TEXT_WARN "%zu" TEXT_OFF "  " TEXT_STRONG "%s%s" TEXT_OFF " from %s to %s",
            i + 1, change < 0 ? "-" : "+",
            human_bytes((uint64_t)(change < 0 ? -change : change)).text,
            human_ns(text_number(rise, "from_ns")).text, human_ns(text_number(rise, "to_ns")).text);
        strbuf_addf(&words, TEXT_FAINT ": %s before, %s after; added %s in ",
                    human_bytes(text_number(rise, "before_bytes")).text,
                    human_bytes(text_number(rise, "after_bytes")).text,
                    human_bytes(text_number(rise, "added_bytes")).text);
        text_plural(&words, text_number(rise, "added_blocks"), "block", "blocks");
        if (text_number(rise, "gone_bytes"))
            strbuf_addf(&words, ", gone %s", human_bytes(text_number(rise, "gone_bytes")).text);
        strbuf_adds(&words, TEXT_OFF);
        text_paragraph(t, words.text, 0, INDENT);
        print_parts(t, rise, by_stack);
        strbuf_release(&words);
    }
}

/* ------------------------------------------------------------------ call sites */

enum { CLASS, END, MOST, SHARE, COLUMNS };
static const char *const heads[COLUMNS] = {"behaviour", "in the end", "at most", "share"};

struct cells {
    struct human text[COLUMNS];
};

static struct cells cells_of(const struct result *site)
{
    struct cells cells = {{{""},
                           human_bytes(text_number(site, "level_bytes")),
                           human_bytes(text_number(site, "high_bytes")),
                           human_percent(text_real(site, "share_percent"))}};
    strncat(cells.text[CLASS].text, text_text(site, "class"), sizeof cells.text[CLASS].text - 1);
    return cells;
}

static void add_made(struct strbuf *words, const struct result *site)
{
    uint64_t made = text_number(site, "allocations"), freed = text_number(site, "frees");
    text_plural(words, made, "block", "blocks");
    strbuf_adds(words, " made");
    if (made)
        strbuf_addf(words, ", %s freed",
                    freed ? human_percent(100. * (double)freed / (double)made).text : "none");
}

/* What a class is judged by. */
static void print_evidence(struct text *t, const struct result *site, size_t indent)
{
    struct strbuf words = {0};
    const char *class = text_text(site, "class");
    const struct result *slope = field(site, "slope");
    struct human first = human_ns(text_number(site, "first_ns"));
    struct human last = human_ns(text_number(site, "last_ns"));
    double rate = text_real(slope, "bytes_per_s");
    strbuf_adds(&words, TEXT_FAINT);
    if (strcmp(class, "growing") == 0) {
        if (text_has(site, "slope"))
            strbuf_addf(&words, "%s (%s to %s), R² %.2f; ", rate_of(rate, rate).text,
                        rate_of(text_real(slope, "low"), rate).text,
                        rate_of(text_real(slope, "high"), rate).text, text_real(slope, "r2"));
        strbuf_addf(&words, "rose by %s after its first quarter; ",
                    human_bytes(text_number(site, "risen_bytes")).text);
        add_made(&words, site);
    } else if (strcmp(class, "bounded") == 0) {
        add_made(&words, site);
        strbuf_addf(&words, "; %s in its last quarter",
                    human_count(text_number(site, "late_allocations")).text);
    } else if (strcmp(class, "stopped") == 0) {
        strbuf_addf(&words, "rose steadily until %s, then nothing was made; ", last.text);
        add_made(&words, site);
    } else if (text_number(site, "allocations") == 0) {
        strbuf_adds(&words, text_number(site, "first_ns") ? "made in the shutdown"
                                                          : "made before the window");
    } else if (strcmp(class, "one-time") == 0 || strcmp(class, "shutdown") == 0) {
        text_plural(&words, text_number(site, "allocations"), "block", "blocks");
        if (strcmp(first.text, last.text) == 0)
            strbuf_addf(&words, " made at %s and kept", first.text);
        else
            strbuf_addf(&words, " made from %s to %s and kept", first.text, last.text);
    } else if (strcmp(class, "sawtooth") == 0) {
        add_made(&words, site);
        strbuf_addf(&words, "; fell to a quarter %s times",
                    human_count(text_number(site, "falls")).text);
    } else {
        add_made(&words, site);
    }
    if (text_bool(site, "freed_at_end"))
        strbuf_adds(&words, "; freed at the shutdown");
    if (text_number(site, "stacks") > 1)
        strbuf_addf(&words, "; %s stacks", human_count(text_number(site, "stacks")).text);
    strbuf_adds(&words, TEXT_OFF);
    text_paragraph(t, words.text, indent, indent);
    strbuf_release(&words);
}

static void print_spark(struct text *t, const struct result *site, size_t columns)
{
    const struct result *series = field(field(site, "series"), "max_bytes");
    size_t count = result_length(series);
    double *values = mem_zalloc(count + 1, sizeof *values), most = 0;
    for (size_t i = 0; i < count; i++) {
        values[i] = text_growth_value(series, i);
        most = values[i] > most ? values[i] : most;
    }
    bool growing = strcmp(text_text(site, "class"), "growing") == 0;
    if (most > 0)
        chart_spark(t, values, count, most, columns, growing ? LOOK_WARN : LOOK_NAME);
    free(values);
}

static void print_sites(struct text *t, const struct result *r, bool by_stack)
{
    const struct result *sites = field(r, "sites");
    size_t width[COLUMNS], count = result_length(sites);
    if (!count)
        return;
    for (int c = 0; c < COLUMNS; c++) {
        width[c] = strlen(heads[c]);
        for (size_t i = 0; i < count; i++)
            width[c] = text_growth_wider(width[c], cells_of(result_at(sites, i)).text[c].text);
    }
    print_head(t, "Call sites", ": growing ones first, then by the most they had live");
    text_left(t, LOOK_DIM, heads[CLASS], width[CLASS]);
    for (int c = END; c < COLUMNS; c++) {
        text_pad(t, 3);
        text_right(t, LOOK_DIM, heads[c], width[c]);
    }
    text_add(t, LOOK_DIM, "   over time");
    strbuf_addc(t->out, '\n');
    for (size_t i = 0; i < count; i++) {
        const struct result *site = result_at(sites, i);
        struct cells cells = cells_of(site);
        bool growing = strcmp(text_text(site, "class"), "growing") == 0;
        text_left(t, growing ? LOOK_WARN : LOOK_PLAIN, cells.text[CLASS].text, width[CLASS]);
        for (int c = END; c < COLUMNS; c++) {
            text_pad(t, 3);
            text_right(t, c == END ? LOOK_STRONG : LOOK_PLAIN, cells.text[c].text, width[c]);
        }
        text_pad(t, 3);
        print_spark(t, site, SPARK);
        strbuf_addc(t->out, '\n');
        text_pad(t, INDENT);
        text_site_line(t, site, INDENT, by_stack);
        if (by_stack)
            text_site_difference(t, sites, i, INDENT);
        print_evidence(t, site, INDENT);
    }
}

static void print_notes(struct text *t, const struct result *r)
{
    struct strbuf words = {0};
    const struct result *hidden = field(r, "hidden"), *unclassed = field(r, "unclassed");
    if (text_number(hidden, "sites")) {
        strbuf_addc(t->out, '\n');
        text_plural(&words, text_number(hidden, "sites"), "more call site", "more call sites");
        uint64_t growing = text_number(hidden, "growing");
        if (growing)
            strbuf_addf(&words, ", %s of them growing", human_count(growing).text);
        strbuf_addf(&words, ", %s in the end" TEXT_FAINT "; --top=all shows them" TEXT_OFF,
                    human_bytes(text_number(hidden, "level_bytes")).text);
        text_paragraph(t, words.text, 0, 2);
        strbuf_reset(&words);
    }
    if (text_number(unclassed, "sites")) {
        if (!text_number(hidden, "sites"))
            strbuf_addc(t->out, '\n');
        text_plural(&words, text_number(unclassed, "sites"), "call site", "call sites");
        strbuf_adds(&words, " too small to be judged" TEXT_FAINT "; --min-bytes=0 does" TEXT_OFF);
        text_paragraph(t, words.text, 0, 2);
    }
    strbuf_release(&words);
}

void text_growth(struct text *t, const struct result *result, const struct result *completeness)
{
    bool by_stack = strcmp(text_text(result, "by"), "stack") == 0;
    text_completeness(t, completeness);
    print_growing(t, result, text_bool(completeness, "complete"));
    print_rise_answer(t, result);
    print_peak_answer(t, result);
    text_growth_chart(t, result);
    print_rises(t, result, by_stack);
    print_peaks(t, result, by_stack);
    print_sites(t, result, by_stack);
    print_notes(t, result);
}
