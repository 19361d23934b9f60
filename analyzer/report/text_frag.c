/* SPDX-License-Identifier: MIT
 *
 * `seep frag` for people: the verdict in words, the rows that RSS is made of, now and over time,
 * who causes what nobody asked for, and the heap as a map. */
#include "report/text.h"

#include "report/text_site.h"
#include "util/human.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define INDENT 4
#define BYTES 9        /* columns of a size */
#define INSTANTS 16    /* lines of the waterfall over time */
#define MAP_LINES 12   /* of cells */
#define LEAST_PART 50  /* of the waste: a smaller one is not worth a sentence */
#define LEAST_WASTE 20 /* part of RSS: of less it is not worth saying whose doing it is */

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

static int64_t integer(const struct result *object, const char *name)
{
    const struct result *value = field(object, name);
    return value && value->type == RESULT_INTEGER ? value->u.integer : 0;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100. * (double)part / (double)whole : 0;
}

/* The rows, in the order of the waterfall. Shades go from what is of use to what is not. */
static const struct row {
    const char *name; /* in the tree */
    const char *words;
    const char *basis; /* where it is known from */
    const char *block, *letter;
} rows[] = {
    {"requested_bytes", "asked for by live blocks", "events and residency", "█", "#"},
    {"slack_bytes", "slack inside blocks", "events and residency", "▓", "+"},
    {"hole_bytes", "holes in pages that live blocks keep", "events and residency", "▒", "."},
    {"free_resident_bytes", "free pages of the allocator", "residency", "░", "-"},
    {"metadata_bytes", "the allocator's own", "", "m", "m"},
    {"non_heap_bytes", "not heap", "", "n", "n"},
    {"recorder_bytes", "seep itself", "told by the recorder", "s", "s"},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

/* ------------------------------------------------------------------ words */

static const char *verdict_words(const char *kind)
{
    static const struct {
        const char *kind, *words;
    } all[] = {
        {"not-heap", "Most of this is not the heap"},
        {"fragmentation", "Fragmentation"},
        {"retention", "The allocator keeps free memory"},
        {"growth", "The program asks for more and more"},
        {"in-use", "The memory is in use"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].kind, kind) == 0)
            return all[i].words;
    return "";
}

static uint64_t waste_of(const struct result *now)
{
    return text_number(now, "slack_bytes") + text_number(now, "hole_bytes") +
           text_number(now, "free_resident_bytes");
}

static void print_verdict(struct text *t, const struct result *r, const struct result *now)
{
    struct strbuf words = {0};
    uint64_t rss = text_number(now, "rss_bytes");
    uint64_t waste = waste_of(now);
    strbuf_addf(&words, TEXT_STRONG "%s" TEXT_OFF,
                verdict_words(text_text(field(r, "verdict"), "kind")));
    strbuf_addf(&words,
                ": of %s resident at %s, %s (%s) were asked for, %s (%s) are slack, holes and free "
                "pages of ",
                human_bytes(rss).text, human_ns(text_number(now, "time_ns")).text,
                human_bytes(text_number(now, "requested_bytes")).text,
                human_percent(share(text_number(now, "requested_bytes"), rss)).text,
                human_bytes(waste).text, human_percent(share(waste, rss)).text);
    text_words_foreign(&words, text_text(r, "allocator"));
    strbuf_addf(&words, "'s heap, and %s (%s) are not heap.",
                human_bytes(text_number(now, "non_heap_bytes")).text,
                human_percent(share(text_number(now, "non_heap_bytes"), rss)).text);
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

/* How it comes that the first site holds so much. */
static void add_reasons(struct strbuf *words, const struct result *site, uint64_t blocks)
{
    uint64_t hole = text_number(site, "hole_bytes");
    uint64_t slack = text_number(site, "slack_bytes");
    uint64_t pinned = text_number(site, "pinned_bytes");
    if (pinned > hole + slack) {
        strbuf_addf(words,
                    "; %s at the top of a heap, and the free pages below, %s, cannot be given back "
                    "before %s",
                    blocks == 1 ? "it lies" : "they lie", human_bytes(pinned).text,
                    blocks == 1 ? "it" : "them");
        return;
    }
    if (slack > hole) {
        strbuf_adds(words, "; it is slack in blocks that are larger than what was asked for");
        return;
    }
    strbuf_addf(words, "; %s pages are %s full", blocks == 1 ? "its" : "their",
                human_percent(text_real(site, "page_fill_percent")).text);
    if (text_number(site, "blocks") && text_has(site, "age_ns"))
        strbuf_addf(words, "; what lay beside %s had lived %s, %s %s", blocks == 1 ? "it" : "them",
                    human_ns(text_number(site, "neighbour_ns")).text,
                    blocks == 1 ? "this one" : "these", human_ns(text_number(site, "age_ns")).text);
}

static void print_culprit(struct text *t, const struct result *r, const struct result *now)
{
    const struct result *site = result_at(field(r, "blame"), 0);
    if (!site || text_number(site, "waste_bytes") < waste_of(now) / LEAST_PART)
        return;
    struct strbuf words = {0};
    /* those that keep holes, where it is holes */
    bool slack = text_number(site, "slack_bytes") > text_number(site, "hole_bytes");
    uint64_t keepers = slack ? 0 : text_number(site, "blocks");
    uint64_t blocks = keepers ? keepers : text_number(site, "live_blocks");
    strbuf_addf(&words, TEXT_STRONG "%s" TEXT_OFF " of slack and holes are the doing of ",
                human_bytes(text_number(site, "waste_bytes")).text);
    text_plural(&words, blocks, "block", "blocks");
    strbuf_addf(&words, " of %s from ",
                human_bytes(text_number(site, keepers ? "keeper_bytes" : "live_bytes") /
                            (blocks ? blocks : 1))
                    .text);
    text_site_name(&words, site);
    add_reasons(&words, site, blocks);
    strbuf_adds(&words, ".");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

/* Who was the last to use what the allocator keeps. */
static void print_leaver(struct text *t, const struct result *r)
{
    const struct result *site = result_at(field(r, "left"), 0);
    if (!site)
        return;
    struct strbuf words = {0};
    strbuf_addf(&words, TEXT_STRONG "%s" TEXT_OFF " of free pages are what is left of blocks from ",
                human_bytes(text_number(site, "left_bytes")).text);
    text_site_name(&words, site);
    strbuf_adds(&words, ".");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

/* "1.2 MiB less", or more. */
static void add_change(struct strbuf *words, int64_t saved)
{
    strbuf_addf(words, TEXT_STRONG "%s %s" TEXT_OFF,
                human_bytes((uint64_t)(saved < 0 ? -saved : saved)).text,
                saved < 0 ? "more" : "less");
}

/* What came of replaying the recording as it would be then. */
static void print_replay(struct text *t, const struct result *w)
{
    const struct result *replay = field(w, "replay"), *check = field(replay, "self_check");
    struct strbuf words = {0};
    if (text_has(w, "replay_missing")) {
        strbuf_adds(&words, "It could not be replayed: ");
        text_words_foreign(&words, text_text(w, "replay_missing"));
        strbuf_adds(&words, ".");
    } else if (replay && replay->type == RESULT_OBJECT) {
        strbuf_adds(&words, "Replayed so with ");
        text_words_foreign(&words, text_text(replay, "allocator"));
        strbuf_adds(&words, " ");
        text_words_foreign(&words, text_text(replay, "version"));
        strbuf_adds(&words, ": ");
        add_change(&words, integer(replay, "saved_bytes"));
        strbuf_addf(&words, " resident then, of %s; ",
                    human_bytes(text_number(replay, "rss_bytes")).text);
        add_change(&words, integer(replay, "peak_saved_bytes"));
        strbuf_addf(&words, " at the peak, of %s (give or take %s; without seep itself). ",
                    human_bytes(text_number(replay, "peak_rss_bytes")).text,
                    human_bytes(text_number(replay, "error_bytes")).text);
        if (check && check->type == RESULT_OBJECT)
            strbuf_addf(&words,
                        "Replayed as it is, the program comes within %.1f %% of its RSS as "
                        "recorded%s.",
                        fmax(fabs(text_real(check, "peak_miss_percent")),
                             fabs(text_real(check, "final_miss_percent"))),
                        text_bool(check, "sound") ? "" : ": too far off to rely on the difference");
    }
    if (words.length)
        text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void print_what_if(struct text *t, const struct result *r)
{
    const struct result *w = field(r, "what_if");
    if (!w || w->type != RESULT_OBJECT)
        return;
    if (!text_number(w, "blocks")) {
        text_paragraph(t,
                       "No block of a call site that matches was live then: the pages as they lay "
                       "say nothing of what would be.",
                       0, 0);
        print_replay(t, w);
        return;
    }
    struct strbuf words = {0};
    bool pool = strcmp(text_text(w, "question"), "pool") == 0;
    int64_t saved = integer(w, "saved_bytes");
    strbuf_addf(&words, TEXT_STRONG "%s" TEXT_OFF, pool ? "In a pool: " : "Without them: ");
    text_plural(&words, text_number(w, "blocks"), "block", "blocks");
    strbuf_addf(
        &words, ", %s in all, lie in %s of %s resident pages with live blocks, and alone in %s",
        human_bytes(text_number(w, "requested_bytes")).text,
        human_count(text_number(w, "touched_pages")).text,
        human_count(text_number(w, "pages")).text, human_count(text_number(w, "alone_pages")).text);
    if (pool)
        strbuf_addf(&words, "; together they would fill %s",
                    human_count(text_number(w, "pool_pages")).text);
    strbuf_adds(&words, ": ");
    add_change(&words, saved);
    strbuf_adds(&words, ", all others lying where they do.");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
    print_replay(t, w);
}

/* ------------------------------------------------------------------ the waterfall */

static void print_row(struct text *t, uint64_t bytes, uint64_t whole, const char *words,
                      const char *basis, size_t indent)
{
    text_pad(t, indent);
    text_right(t, LOOK_PLAIN, human_bytes(bytes).text, BYTES);
    text_right(t, LOOK_DIM, human_percent(share(bytes, whole)).text, 9);
    text_add(t, LOOK_PLAIN, "  ");
    text_add(t, LOOK_PLAIN, words);
    if (*basis)
        text_addf(t, LOOK_DIM, "  (%s)", basis);
    text_add(t, LOOK_PLAIN, "\n");
}

/* A part of a row that is worth a line of its own. */
static void print_part(struct text *t, const struct result *now, const char *name,
                       const char *words, const char *basis)
{
    uint64_t bytes = text_number(now, name);
    if (bytes)
        print_row(t, bytes, text_number(now, "rss_bytes"), words, basis, 2 * (size_t)INDENT);
}

/* Who made the program's own mappings. */
static void print_mappings(struct text *t, const struct result *r)
{
    const struct result *sites = field(r, "mappings"), *rest = field(r, "hidden_mappings");
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        struct human mapped = human_bytes(text_number(site, "mapped_bytes"));
        uint64_t count = text_number(site, "mappings");
        text_pad(t, 3 * (size_t)INDENT);
        text_right(t, LOOK_DIM, human_bytes(text_number(site, "resident_bytes")).text, BYTES);
        struct strbuf words = {0};
        strbuf_addf(&words, " of %s in ", mapped.text);
        text_plural(&words, count, "mapping", "mappings");
        text_addf(t, LOOK_DIM, "%s: ", words.text);
        text_site_line(t, site, 3 * (size_t)INDENT + BYTES + words.length + 2, false);
        strbuf_release(&words);
    }
    if (text_number(rest, "sites"))
        text_addf(t, LOOK_DIM, "%*s%*s of %s call sites more (--top)\n", 3 * INDENT, "", BYTES,
                  human_bytes(text_number(rest, "bytes")).text,
                  human_count(text_number(rest, "sites")).text);
}

static void print_waterfall(struct text *t, const struct result *r, const struct result *now)
{
    uint64_t rss = text_number(now, "rss_bytes");
    int64_t unexplained = integer(now, "unexplained_bytes");
    text_addf(t, LOOK_HEAD, "\nresident at %s\n", human_ns(text_number(now, "time_ns")).text);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &rows[i];
        print_row(t, text_number(now, row->name), rss, row->words, row->basis, INDENT);
        if (strcmp(row->name, "free_resident_bytes") == 0)
            print_part(t, now, "free_never_used_bytes", "in which no block ever lay", "inferred");
        if (strcmp(row->name, "metadata_bytes") == 0)
            print_part(t, now, "mapped_metadata_bytes", "mappings of its own", "inferred");
        if (strcmp(row->name, "non_heap_bytes") == 0) {
            print_part(t, now, "file_bytes", "code, data and mapped files", "the kernel");
            print_part(t, now, "stack_bytes", "stacks", "the kernel, told by the recorder");
            print_part(t, now, "own_mapping_bytes", "the program's own mappings", "mmap calls");
            print_mappings(t, r);
            print_part(t, now, "other_bytes", "anonymous, of the C library and unknown", "rest");
        }
    }
    struct human left = human_bytes((uint64_t)(unexplained < 0 ? -unexplained : unexplained));
    struct human shown;
    snprintf(shown.text, sizeof shown.text, "%s%.20s", unexplained < 0 ? "-" : "", left.text);
    text_pad(t, INDENT);
    text_right(t, LOOK_PLAIN, shown.text, BYTES);
    text_add(t, LOOK_PLAIN, "           unexplained\n");
    text_pad(t, INDENT);
    text_right(t, LOOK_STRONG, human_bytes(rss).text, BYTES);
    text_add(t, LOOK_PLAIN, "           resident in all");
    text_addf(t, LOOK_DIM, "; beside it %s of blocks never touched, %s swapped out\n",
              human_bytes(text_number(now, "untouched_bytes")).text,
              human_bytes(text_number(now, "swapped_bytes")).text);
}

static void print_bar(struct text *t, const struct result *now, uint64_t most, size_t columns)
{
    double per_column = (double)most / (double)columns, at = 0;
    size_t drawn = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        at += (double)text_number(now, rows[i].name);
        size_t to = (size_t)(at / per_column + 0.5);
        for (; drawn < to && drawn < columns; drawn++)
            text_add(t, i < 5 ? LOOK_NAME : LOOK_DIM,
                     t->style.utf8 ? rows[i].block : rows[i].letter);
    }
}

static void print_over_time(struct text *t, const struct result *r)
{
    const struct result *all = field(r, "instants");
    size_t count = result_length(all), lines = count < INSTANTS ? count : INSTANTS;
    uint64_t most = 1;
    if (count < 2)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t rss = text_number(result_at(all, i), "rss_bytes");
        most = rss > most ? rss : most;
    }
    text_add(t, LOOK_HEAD, "\nover time");
    text_add(t, LOOK_DIM, "  ");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        static const char *const brief[] = {"asked for", "slack",    "holes", "free",
                                            "allocator", "not heap", "seep"};
        text_addf(t, LOOK_DIM, "%s %s%s", t->style.utf8 ? rows[i].block : rows[i].letter, brief[i],
                  i + 1 < ROW_COUNT ? ", " : "\n");
    }
    for (size_t i = 0; i < lines; i++) {
        const struct result *now = result_at(all, lines > 1 ? i * (count - 1) / (lines - 1) : 0);
        text_right(t, LOOK_PLAIN, human_ns(text_number(now, "time_ns")).text, 12);
        text_right(t, LOOK_PLAIN, human_bytes(text_number(now, "rss_bytes")).text, BYTES + 1);
        text_add(t, LOOK_PLAIN, "  ");
        print_bar(t, now, most, t->style.width - 26);
        text_add(t, LOOK_PLAIN, "\n");
    }
}

/* ------------------------------------------------------------------ tables */

static void print_site(struct text *t, const struct result *sites, size_t at, bool by_stack)
{
    const struct result *site = result_at(sites, at);
    struct strbuf words = {0};
    text_right(t, LOOK_STRONG, human_bytes(text_number(site, "waste_bytes")).text, BYTES);
    text_right(t, LOOK_PLAIN, human_bytes(text_number(site, "hole_bytes")).text, BYTES + 1);
    text_right(t, LOOK_PLAIN, human_bytes(text_number(site, "sole_pinner_bytes")).text, BYTES + 1);
    text_right(t, LOOK_PLAIN, human_bytes(text_number(site, "slack_bytes")).text, BYTES + 1);
    text_right(t, LOOK_PLAIN, human_bytes(text_number(site, "pinned_bytes")).text, BYTES + 1);
    text_right(t, LOOK_PLAIN, human_count(text_number(site, "blocks")).text, BYTES + 2);
    text_add(t, LOOK_PLAIN, "\n");
    text_pad(t, INDENT);
    text_site_line(t, site, INDENT, by_stack);
    if (by_stack)
        text_site_difference(t, sites, at, INDENT);
    double outlives = text_real(site, "outlives");
    if (outlives >= 10) {
        strbuf_addf(&words,
                    TEXT_WARN "outlives its neighbours" TEXT_OFF
                              ": its blocks are %s old, what lay beside them lived %s",
                    human_ns(text_number(site, "age_ns")).text,
                    human_ns(text_number(site, "neighbour_ns")).text);
        text_paragraph(t, words.text, INDENT, INDENT);
    }
    strbuf_release(&words);
}

static void print_hidden(struct text *t, const struct result *hidden)
{
    if (!text_number(hidden, "sites"))
        return;
    text_right(t, LOOK_DIM, human_bytes(text_number(hidden, "bytes")).text, BYTES);
    text_addf(t, LOOK_DIM, "  %s more (--top)\n", human_count(text_number(hidden, "sites")).text);
}

static void print_blame(struct text *t, const struct result *r)
{
    const struct result *sites = field(r, "blame");
    bool by_stack = strcmp(text_text(r, "by"), "stack") == 0;
    if (!result_length(sites))
        return;
    text_add(t, LOOK_HEAD,
             "\n    waste     holes      sole     slack    pinned     "
             "blocks  by call site\n");
    for (size_t i = 0; i < result_length(sites); i++)
        print_site(t, sites, i, by_stack);
    print_hidden(t, field(r, "hidden"));
}

static void print_left(struct text *t, const struct result *r)
{
    const struct result *sites = field(r, "left");
    bool by_stack = strcmp(text_text(r, "by"), "stack") == 0;
    if (!result_length(sites))
        return;
    text_add(t, LOOK_HEAD, "\n    free  pages whose last block was from\n");
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        text_right(t, LOOK_PLAIN, human_bytes(text_number(site, "left_bytes")).text, BYTES);
        text_add(t, LOOK_PLAIN, "  ");
        text_site_line(t, site, BYTES + 2, by_stack);
        if (by_stack)
            text_site_difference(t, sites, i, BYTES + 2);
    }
    print_hidden(t, field(r, "hidden_left"));
}

static void print_sizes(struct text *t, const struct result *r)
{
    const struct result *sizes = field(r, "sizes");
    if (!result_length(sizes))
        return;
    text_add(t, LOOK_HEAD, "\n    slack    blocks  sizes\n");
    for (size_t i = 0; i < result_length(sizes); i++) {
        const struct result *s = result_at(sizes, i);
        text_right(t, LOOK_PLAIN, human_bytes(text_number(s, "slack_bytes")).text, BYTES);
        text_right(t, LOOK_PLAIN, human_count(text_number(s, "blocks")).text, BYTES + 1);
        text_addf(t, LOOK_PLAIN, "  %s bytes asked for get %s: %s wasted\n",
                  human_count(text_number(s, "size_bytes")).text,
                  human_count(text_number(s, "usable_bytes")).text,
                  human_percent(text_real(s, "slack_percent")).text);
    }
}

static void print_metrics(struct text *t, const struct result *r)
{
    const struct result *m = field(r, "metrics"), *retention = field(m, "retention");
    struct strbuf words = {0};
    if (!text_number(m, "live_pages"))
        return;
    strbuf_addf(
        &words,
        "Pages of 4 KiB with live blocks are %s full, of 2 MiB %s; slack is %s of what "
        "blocks have. The heap was at most %.0f %% beyond what was live then (Johnstone and "
        "Wilson's #3), %.0f %% beyond the most that ever was (#4).",
        human_percent(text_real(m, "page_occupancy_percent")).text,
        human_percent(text_real(m, "huge_page_occupancy_percent")).text,
        human_percent(text_real(m, "internal_percent")).text, text_real(m, "johnstone_wilson_3"),
        text_real(m, "johnstone_wilson_4"));
    if (retention && retention->type == RESULT_OBJECT)
        strbuf_addf(&words, " After the peak, at %s, %s of heap were kept for %s asked for.",
                    human_ns(text_number(retention, "trough_ns")).text,
                    human_bytes(text_number(retention, "heap_bytes")).text,
                    human_bytes(text_number(retention, "requested_bytes")).text);
    text_add(t, LOOK_PLAIN, "\n");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

/* ------------------------------------------------------------------ the map */

static void print_cell(struct text *t, const struct result *cell)
{
    static const char *const blocks[] = {"·", "░", "▒", "▓", "█"};
    static const char *const letters[] = {".", "-", "+", "*", "#"};
    uint64_t resident = text_number(cell, "resident_bytes"), used = text_number(cell, "used_bytes");
    size_t shade = resident ? (size_t)(4. * (double)used / (double)resident + 0.5) : 0;
    shade = shade > 4 ? 4 : shade;
    text_add(t, LOOK_NAME, t->style.utf8 ? blocks[shade] : letters[shade]);
}

static void print_map(struct text *t, const struct result *r)
{
    const struct result *cells = field(r, "map");
    size_t columns = t->style.width - 20, count = result_length(cells), lines = 0;
    uint64_t end = 0;
    if (!count)
        return;
    text_addf(t, LOOK_HEAD, "\nthe heap by address");
    text_addf(t, LOOK_DIM,
              "  a cell is 2 MiB or more of it, the darker the fuller its resident "
              "pages\n");
    for (size_t i = 0, column = 0; i < count; i++) {
        const struct result *cell = result_at(cells, i);
        uint64_t start = text_number(cell, "start");
        if (i == 0 || start != end || column == columns) {
            if (i)
                text_add(t, LOOK_PLAIN, "\n");
            if (++lines > MAP_LINES) {
                text_addf(t, LOOK_DIM, "    %zu cells more (--format=json has all)\n", count - i);
                return;
            }
            text_addf(t, LOOK_DIM, "%16" PRIx64 "  ", start);
            column = 0;
        }
        print_cell(t, cell);
        column++;
        end = text_number(cell, "end");
    }
    text_add(t, LOOK_PLAIN, "\n");
}

/* ------------------------------------------------------------------ the whole */

static void print_advice(struct text *t, const struct result *r)
{
    const struct result *advice = field(field(r, "verdict"), "advice");
    if (result_length(advice))
        text_add(t, LOOK_HEAD, "\nwhat to do\n");
    for (size_t i = 0; i < result_length(advice); i++) {
        text_add(t, LOOK_PLAIN, "  - ");
        text_flow(t, result_at(advice, i)->u.text, 4, 4);
    }
}

/* Whose doing the waste is, the heavier first. The tables below name all, however little it is. */
static void print_who(struct text *t, const struct result *r, const struct result *now)
{
    if (waste_of(now) < text_number(now, "rss_bytes") / LEAST_WASTE)
        return;
    uint64_t left = text_number(result_at(field(r, "left"), 0), "left_bytes");
    bool leaver_first = left > text_number(result_at(field(r, "blame"), 0), "waste_bytes");
    if (leaver_first)
        print_leaver(t, r);
    print_culprit(t, r, now);
    if (!leaver_first)
        print_leaver(t, r);
}

void text_frag(struct text *t, const struct result *r, const struct result *completeness)
{
    text_completeness(t, completeness);
    if (!text_has(r, "shown")) {
        text_paragraph(
            t,
            "No picture of the pages was recorded in this time: seep run takes them, and "
            "seep_memory() in the program.",
            0, 0);
        return;
    }
    const struct result *now = result_at(field(r, "instants"), (size_t)text_number(r, "shown"));
    print_verdict(t, r, now);
    print_who(t, r, now);
    print_what_if(t, r);
    print_waterfall(t, r, now);
    print_over_time(t, r);
    print_blame(t, r);
    print_left(t, r);
    print_sizes(t, r);
    print_metrics(t, r);
    print_map(t, r);
    print_advice(t, r);
}
