/* SPDX-License-Identifier: MIT
 *
 * `seep sites` for people: the answers in words, the table, and what is known of each site beside
 * it.
 */
#include "report/text_frames.h"
#include "report/text_site.h"

#include "util/human.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2          /* between columns */
#define NAME_ROOM 34   /* for a call site's name at least, before a further column is shown */
#define NAME_SHARE 42  /* percent of the width that are left for it where there is more */
#define INDENT 4       /* of details */
#define BAR 30         /* columns of the longest bar */
#define CLASSES 12     /* size classes listed, the most used ones */
#define COLUMNS_MAX 64 /* more than there are */

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

static double percent_of(uint64_t part, uint64_t whole)
{
    return whole ? 100. * (double)part / (double)whole : 0;
}

/* ------------------------------------------------------------------ the answers */

static void print_made(struct text *t, const struct result *r)
{
    struct strbuf words = {0};
    const struct result *total = field(r, "total");
    uint64_t made = text_number(total, "allocations"), temporary = text_number(total, "temporary");
    text_site_count(&words, text_text(r, "by"), text_number(total, "sites"));
    strbuf_adds(&words, " made " TEXT_STRONG);
    text_plural(&words, made, "allocation", "allocations");
    strbuf_addf(&words, TEXT_OFF " of %s in all",
                human_bytes(text_number(total, "allocated_bytes")).text);
    if (made)
        strbuf_addf(&words, "; %s of them were temporary",
                    temporary ? human_percent(percent_of(temporary, made)).text : "none");
    strbuf_addf(&words, ", and %s in ", human_bytes(text_number(total, "live_bytes")).text);
    text_plural(&words, text_number(total, "live_blocks"), "block is", "blocks are");
    strbuf_addf(&words, " live at %s.", text_bool(r, "at_exit") ? "exit" : "the window's end");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void print_most(struct text *t, const struct result *r)
{
    struct strbuf words = {0};
    const struct result *most = field(r, "most"), *peak = field(most, "peak");
    const struct result *made = field(most, "allocations"), *temporary = field(most, "temporary");
    if (peak->type == RESULT_OBJECT) {
        strbuf_adds(&words, "The heaviest at the peak was ");
        text_site_name(&words, peak);
        strbuf_addf(&words, ", with %s of %s.", human_percent(text_real(peak, "percent")).text,
                    human_bytes(text_number(r, "heap_peak_bytes")).text);
    }
    if (made->type == RESULT_OBJECT) {
        strbuf_adds(&words,
                    words.length ? " Most allocations came from " : "Most allocations came from ");
        text_site_name(&words, made);
        strbuf_addf(&words, ", %s", human_percent(text_real(made, "percent")).text);
        if (temporary->type == RESULT_OBJECT) {
            strbuf_adds(&words, "; most temporary ones from ");
            text_site_name(&words, temporary);
            strbuf_addf(&words, ", %s", human_percent(text_real(temporary, "percent")).text);
        }
        strbuf_adds(&words, ".");
    }
    if (words.length)
        text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

/* ------------------------------------------------------------------ the table */

/* "1,204", "3.4 MiB", "12×"; "–" where there is none. */
static struct human shown_value(const struct result *v)
{
    struct human h = {"–"};
    if (!v || v->type == RESULT_NULL)
        return h;
    if (v->unit == UNIT_BYTES)
        return human_bytes(v->u.count);
    if (v->unit == UNIT_NS)
        return human_ns(v->u.count);
    if (v->unit == UNIT_PERCENT)
        return human_percent(v->u.real);
    if (v->type == RESULT_INTEGER)
        return human_count(v->u.count);
    if (v->u.real < 100)
        snprintf(h.text, sizeof h.text, "%.*f×", v->u.real < 10 ? 1 : 0, v->u.real);
    else
        snprintf(h.text, sizeof h.text, "%.24s×", human_count((uint64_t)(v->u.real + 0.5)).text);
    return h;
}

struct column {
    const char *field, *head;
    size_t width;
    bool sorted;
};

static size_t width_of(const char *s)
{
    return utf8_width(s, strlen(s));
}

static size_t width_of_column(const struct result *sites, const char *name, const char *head)
{
    size_t width = width_of(head);
    for (size_t i = 0; i < result_length(sites); i++) {
        size_t here = width_of(shown_value(field(result_at(sites, i), name)).text);
        width = here > width ? here : width;
    }
    return width;
}

/* The columns to show: the chosen ones; else the one that is sorted by, and of the others the most
 * wanted ones that leave room for names. In the order of the tree. */
static size_t choose_columns(const struct text *t, const struct result *r, struct column *columns)
{
    const struct result *all = field(r, "columns"), *sites = field(r, "sites");
    bool chosen = text_bool(r, "chosen");
    size_t for_names = t->style.width * NAME_SHARE / 100, used = 0, count = 0, sorted = 0;
    if (for_names < NAME_ROOM)
        for_names = NAME_ROOM;
    for (size_t i = 0; i < result_length(all) && i < COLUMNS_MAX; i++) {
        const struct result *c = result_at(all, i);
        if (strcmp(text_text(c, "name"), text_text(r, "sort")) == 0)
            sorted = width_of_column(sites, text_text(c, "field"), text_text(c, "head")) + GAP;
    }
    bool full = false;
    for (size_t i = 0; i < result_length(all) && i < COLUMNS_MAX; i++) {
        const struct result *c = result_at(all, i);
        bool by = strcmp(text_text(c, "name"), text_text(r, "sort")) == 0;
        size_t width = width_of_column(sites, text_text(c, "field"), text_text(c, "head"));
        full = full || used + width + GAP + (by ? 0 : sorted) + for_names > t->style.width;
        if (!chosen && !by && full)
            continue;
        columns[count++] = (struct column){text_text(c, "field"), text_text(c, "head"), width, by};
        used += width + GAP;
        sorted = by ? 0 : sorted;
    }
    return count;
}

static void print_heads(struct text *t, const struct result *r, const struct column *columns,
                        size_t count)
{
    for (size_t c = 0; c < count; c++) {
        if (c)
            text_pad(t, GAP);
        text_right(t, columns[c].sorted ? LOOK_HEAD : LOOK_DIM, columns[c].head, columns[c].width);
    }
    text_pad(t, GAP);
    const char *by = text_text(r, "by");
    text_add(t, LOOK_DIM, strcmp(by, "stack") == 0 ? "call site" : by);
    strbuf_addc(t->out, '\n');
}

static size_t print_cells(struct text *t, const struct result *site, const struct column *columns,
                          size_t count)
{
    size_t at = 0;
    for (size_t c = 0; c < count; c++) {
        struct human value = shown_value(field(site, columns[c].field));
        if (c)
            text_pad(t, GAP);
        text_right(t, columns[c].sorted ? LOOK_STRONG : LOOK_PLAIN, value.text, columns[c].width);
        at += columns[c].width + (c ? GAP : 0);
    }
    text_pad(t, GAP);
    return at + GAP;
}

/* ------------------------------------------------------------------ details */

static void add_bar(struct text *t, uint64_t value, uint64_t most)
{
    size_t length = most ? (size_t)((double)value / (double)most * BAR + 0.5) : 0;
    if (value && !length)
        length = 1;
    struct strbuf bar = {0};
    for (size_t i = 0; i < length; i++)
        strbuf_adds(&bar, t->style.utf8 ? "▇" : "#");
    text_add(t, LOOK_NAME, bar.text ? bar.text : "");
    strbuf_release(&bar);
}

/* A line for each bucket: label, blocks, bar. `from` may be NULL. */
static void print_buckets(struct text *t, const struct result *rows, const char *head,
                          const char *from, const char *to)
{
    uint64_t most = 0;
    size_t label = 0, blocks = 0;
    struct strbuf *labels = mem_zalloc(result_length(rows) + 1, sizeof *labels);
    for (size_t i = 0; i < result_length(rows); i++) {
        const struct result *row = result_at(rows, i), *upper = field(row, to);
        if (from && text_number(row, from) != upper->u.count)
            strbuf_addf(&labels[i], "%s – ", human_bytes(text_number(row, from)).text);
        if (!from)
            strbuf_adds(&labels[i], "up to ");
        strbuf_adds(&labels[i], shown_value(upper).text);
        size_t width = width_of(labels[i].text);
        label = width > label ? width : label;
        width = width_of(human_count(text_number(row, "blocks")).text);
        blocks = width > blocks ? width : blocks;
        most = text_number(row, "blocks") > most ? text_number(row, "blocks") : most;
    }
    for (size_t i = 0; i < result_length(rows); i++) {
        uint64_t count = text_number(result_at(rows, i), "blocks");
        text_pad(t, INDENT);
        text_left(t, LOOK_DIM, i ? "" : head, 10);
        text_right(t, LOOK_PLAIN, labels[i].text, label);
        text_pad(t, GAP);
        text_right(t, LOOK_PLAIN, human_count(count).text, blocks);
        text_pad(t, count ? GAP : 0);
        add_bar(t, count, most);
        strbuf_addc(t->out, '\n');
        strbuf_release(&labels[i]);
    }
    free(labels);
}

static void print_fact(struct text *t, const char *head, const char *words)
{
    text_pad(t, INDENT);
    text_left(t, LOOK_DIM, head, 10);
    text_flow(t, words, INDENT + 10, INDENT + 10);
}

/* The number of blocks at and above which a class is one of the `CLASSES` most used. */
static uint64_t least_listed(const struct result *classes)
{
    uint64_t top[CLASSES] = {0}; /* largest first */
    for (size_t i = 0; i < result_length(classes); i++) {
        uint64_t blocks = text_number(result_at(classes, i), "blocks");
        for (size_t k = 0; k < CLASSES; k++)
            if (blocks > top[k]) {
                uint64_t down = top[k];
                top[k] = blocks;
                blocks = down;
            }
    }
    return top[CLASSES - 1];
}

static void print_classes(struct text *t, const struct result *site)
{
    struct strbuf words = {0};
    const struct result *classes = field(field(site, "details"), "classes");
    uint64_t made = text_number(site, "allocations"), least = least_listed(classes);
    size_t shown = 0;
    for (size_t i = 0; i < result_length(classes); i++) {
        const struct result *c = result_at(classes, i);
        if (text_number(c, "blocks") < least || shown == CLASSES)
            continue;
        strbuf_addf(&words, "%s" TEXT_STRONG "%s" TEXT_OFF " %s", shown++ ? ", " : "",
                    human_bytes(text_number(c, "usable_bytes")).text,
                    human_percent(percent_of(text_number(c, "blocks"), made)).text);
    }
    if (result_length(classes) > shown)
        strbuf_addf(&words, " and %s more",
                    human_count((uint64_t)(result_length(classes) - shown)).text);
    uint64_t slack = text_number(site, "slack_bytes");
    if (slack)
        strbuf_addf(
            &words, "; %s more than asked for (%s)", human_bytes(slack).text,
            human_percent(percent_of(slack, text_number(site, "allocated_bytes") + slack)).text);
    if (words.length)
        print_fact(t, "given", words.text);
    strbuf_release(&words);
}

static void print_lifetimes(struct text *t, const struct result *site)
{
    struct strbuf words = {0};
    if (text_has(site, "lifetime_p50_ns")) {
        strbuf_addf(&words, "half within %s, 95 %% within %s, 99 %% within %s",
                    human_ns(text_number(site, "lifetime_p50_ns")).text,
                    human_ns(text_number(site, "lifetime_p95_ns")).text,
                    human_ns(text_number(site, "lifetime_p99_ns")).text);
        uint64_t live = text_number(site, "live_blocks");
        if (live)
            strbuf_addf(&words, "; %s still live", human_count(live).text);
    } else {
        strbuf_adds(&words, "none has ended");
    }
    print_fact(t, "lives", words.text);
    print_buckets(t, field(field(site, "details"), "lifetimes"), "", NULL, "up_to_ns");
    strbuf_release(&words);
}

static void print_use(struct text *t, const struct result *site)
{
    struct strbuf words = {0};
    const struct result *calls = field(site, "calls");
    uint64_t made = text_number(site, "allocations"), temporary = text_number(site, "temporary");
    strbuf_addf(&words, TEXT_STRONG "%s" TEXT_OFF " of %s by ", human_count(made).text,
                human_bytes(text_number(site, "allocated_bytes")).text);
    for (size_t i = 0; i < result_length(calls); i++)
        strbuf_addf(&words, "%s%s", i ? ", " : "", result_at(calls, i)->u.text);
    strbuf_addf(&words, "; %s temporary, %s shorter than 1 ms",
                temporary ? human_count(temporary).text : "none",
                human_count(text_number(site, "short_lived")).text);
    if (text_has(site, "recycling"))
        strbuf_addf(&words, "; at most %s at once, and %s that in all",
                    human_bytes(text_number(site, "own_peak_bytes")).text,
                    shown_value(field(site, "recycling")).text);
    print_fact(t, "made", words.text);
    strbuf_reset(&words);
    uint64_t grown = text_number(site, "grown");
    if (grown) {
        strbuf_addf(&words, "%s reallocations made a block larger; %s were copied to another place",
                    human_count(grown).text, human_bytes(text_number(site, "copied_bytes")).text);
        print_fact(t, "grown", words.text);
    }
    strbuf_release(&words);
}

static void print_threads(struct text *t, const struct result *site)
{
    struct strbuf words = {0};
    const struct result *threads = field(field(site, "details"), "threads");
    size_t listed = result_length(threads);
    for (size_t i = 0; i < listed; i++) {
        const struct result *thread = result_at(threads, i);
        strbuf_adds(&words, i ? ", " : "");
        text_words_foreign(&words, text_text(thread, "name"));
        strbuf_addf(&words, "%s(%" PRIu64 ")", text_text(thread, "name")[0] ? " " : "",
                    text_number(thread, "number"));
    }
    if (text_number(site, "threads") > listed)
        strbuf_addf(&words, " and %s more",
                    human_count(text_number(site, "threads") - listed).text);
    if (words.length)
        print_fact(t, "threads", words.text);
    strbuf_release(&words);
}

static void print_details(struct text *t, const struct result *site)
{
    print_use(t, site);
    print_buckets(t, field(field(site, "details"), "sizes"), "sizes", "from_bytes", "up_to_bytes");
    print_classes(t, site);
    print_lifetimes(t, site);
    print_threads(t, site);
    if (result_length(field(site, "frames")))
        text_frames(t, site, INDENT + 8);
    strbuf_addc(t->out, '\n');
}

/* ------------------------------------------------------------------ the whole */

static void print_hidden(struct text *t, const struct result *r)
{
    struct strbuf words = {0};
    const struct result *hidden = field(r, "hidden");
    if (!text_number(hidden, "sites"))
        return;
    text_site_count(&words, text_text(r, "by"), text_number(hidden, "sites"));
    strbuf_adds(&words, " more: ");
    text_plural(&words, text_number(hidden, "allocations"), "allocation", "allocations");
    strbuf_addf(&words, ", %s at the peak, %s live" TEXT_FAINT "; --top=all lists them" TEXT_OFF,
                human_bytes(text_number(hidden, "peak_bytes")).text,
                human_bytes(text_number(hidden, "live_bytes")).text);
    text_paragraph(t, words.text, 0, 2);
    strbuf_release(&words);
}

void text_sites(struct text *t, const struct result *r, const struct result *completeness)
{
    struct column columns[COLUMNS_MAX];
    const struct result *sites = field(r, "sites");
    bool by_stack = strcmp(text_text(r, "by"), "stack") == 0;
    text_completeness(t, completeness);
    if (!text_number(field(r, "total"), "sites")) {
        text_paragraph(t, "Nothing was allocated, as far as was asked for.", 0, 0);
        return;
    }
    print_made(t, r);
    print_most(t, r);
    text_site_by_way_of(t, r);
    strbuf_addc(t->out, '\n');
    size_t count = choose_columns(t, r, columns);
    print_heads(t, r, columns, count);
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        size_t column = print_cells(t, site, columns, count);
        text_site_line(t, site, column, by_stack);
        if (by_stack)
            text_site_difference(t, sites, i, column);
        if (text_has(site, "details"))
            print_details(t, site);
    }
    if (text_number(field(r, "hidden"), "sites"))
        strbuf_addc(t->out, '\n');
    print_hidden(t, r);
}
