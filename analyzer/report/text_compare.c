/* SPDX-License-Identifier: MIT
 *
 * `seep compare` for people: what is wrong with it first, the verdict, then the table. */
#include "report/text.h"

#include "report/text_chart.h"
#include "util/human.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARK 24
#define SPARK_MIN 8

enum column { NAME, PEAK, BAND, END, MEAN, FREE, CPU, RATE, P50, P99, FREE99, COLUMNS };
static const char *const heads[COLUMNS] = {"allocator", "peak", "+-",      "end",
                                           "mean",      "free", "CPU",     "calls/s",
                                           "malloc",    "P99",  "free P99"};

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

/* ------------------------------------------------------------------ what is wrong */

static void print_self_check(struct text *t, const struct result *r)
{
    const struct result *check = field(r, "self_check");
    struct strbuf words = {0};
    if (!check || check->type == RESULT_NULL) {
        strbuf_adds(&words, TEXT_WARN "The recording allocator cannot be replayed" TEXT_OFF ": ");
        text_words_foreign(&words, text_text(r, "self_missing"));
        strbuf_adds(&words, ". What a replay gets wrong is not taken off the predictions.");
    } else if (!text_has(check, "peak_miss_percent")) {
        strbuf_adds(&words, TEXT_WARN "The replay could not be checked" TEXT_OFF
                                      " against the recording, which tells no mappings.");
    } else if (!text_bool(check, "sound")) {
        strbuf_addf(&words,
                    TEXT_WARN "The replay misses its own recording" TEXT_OFF
                              " by %+.1f %% at the peak and %+.1f %% in the end (%+.1f and %+.1f "
                              "MiB): the predictions below may be as far off.",
                    text_real(check, "peak_miss_percent"), text_real(check, "final_miss_percent"),
                    text_real(check, "peak_miss_bytes") / 0x1p20,
                    text_real(check, "final_miss_bytes") / 0x1p20);
    }
    if (words.length) {
        text_paragraph(t, words.text, 0, 0);
        strbuf_addc(t->out, '\n');
    }
    strbuf_release(&words);
}

static void print_verdict(struct text *t, const struct result *r)
{
    const struct result *verdict = field(r, "verdict");
    const struct result *sentences = field(verdict, "sentences"), *lines = field(verdict, "lines");
    for (size_t i = 0; i < result_length(sentences); i++) {
        struct strbuf words = {0};
        const char *sentence = result_at(sentences, i)->u.text; /* with settings from the trace */
        strbuf_adds(&words, i == 0 ? TEXT_STRONG : "");
        utf8_add_visible(&words, sentence, strlen(sentence));
        strbuf_adds(&words, i == 0 ? TEXT_OFF : "");
        text_paragraph(t, words.text, 0, 0);
        strbuf_release(&words);
    }
    for (size_t i = 0; i < result_length(lines); i++) {
        text_pad(t, 4);
        text_add_foreign(t, LOOK_NAME, result_at(lines, i)->u.text, 0);
        strbuf_addc(t->out, '\n');
    }
}

/* ------------------------------------------------------------------ the table */

struct cells {
    char text[COLUMNS][128];
};

static void put(struct cells *c, enum column column, const char *text)
{
    snprintf(c->text[column], sizeof c->text[column], "%s", text);
}

static void put_quantile(struct cells *c, enum column column, const struct result *quantiles,
                         const char *name)
{
    bool known = quantiles && quantiles->type == RESULT_OBJECT;
    put(c, column, known ? human_ns(text_number(quantiles, name)).text : "-");
}

static struct cells cells_of(const struct result *c)
{
    struct cells cells;
    struct strbuf name = {0}, shown = {0};
    strbuf_addf(&name, "%s %s%s%s%s", text_text(c, "name"), text_text(c, "version"),
                text_text(c, "settings")[0] ? " " : "", text_text(c, "settings"),
                text_bool(c, "recorded") ? " *" : "");
    utf8_add_visible(&shown, name.text, name.length);
    put(&cells, NAME, shown.text);
    strbuf_release(&name);
    strbuf_release(&shown);
    put(&cells, PEAK, human_bytes(text_number(c, "peak_rss_bytes")).text);
    if (text_number(c, "runs") > 1)
        snprintf(cells.text[BAND], sizeof cells.text[BAND], "%.1f %%",
                 text_real(c, "error_percent"));
    else
        put(&cells, BAND, "-"); /* of one replay nothing is known of it */
    put(&cells, END, human_bytes(text_number(c, "final_rss_bytes")).text);
    put(&cells, MEAN, human_bytes(text_number(c, "mean_rss_bytes")).text);
    put(&cells, FREE, human_bytes(text_number(c, "resident_free_bytes")).text);
    put(&cells, CPU, human_ns(text_number(c, "cpu_ns")).text);
    snprintf(cells.text[RATE], sizeof cells.text[RATE], "%.1f M",
             text_real(c, "calls_per_second") / 1e6);
    put_quantile(&cells, P50, field(c, "malloc_ns"), "p50");
    put_quantile(&cells, P99, field(c, "malloc_ns"), "p99");
    put_quantile(&cells, FREE99, field(c, "free_ns"), "p99");
    return cells;
}

static size_t wider(size_t width, const char *text)
{
    size_t has = utf8_width(text, strlen(text));
    return has > width ? has : width;
}

static double most_of(const struct result *list)
{
    double most = 0;
    for (size_t i = 0; i < result_length(list); i++)
        most = fmax(most, (double)result_at(list, i)->u.count);
    return most;
}

static void print_curve(struct text *t, const struct result *rss, double top, size_t columns)
{
    size_t count = result_length(rss);
    double *values = mem_zalloc(count + 1, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)result_at(rss, i)->u.count;
    if (count > 1 && top > 0 && columns > 0) {
        text_pad(t, 2);
        chart_spark(t, values, count, top, columns, LOOK_NAME);
    }
    free(values);
}

/* Which columns there is room for: the last ones of this list go first, and those without a width
 * have nothing to say. Returns what they take. */
static size_t fit(bool shown[COLUMNS], const size_t width[COLUMNS], size_t room)
{
    static const enum column by_weight[] = {NAME, PEAK, END,  CPU,  BAND,  RATE,
                                            P99,  P50,  FREE, MEAN, FREE99};
    size_t taken = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        enum column c = by_weight[i];
        size_t more = width[c] + (i ? 2 : 0);
        shown[c] = width[c] > 0 && (taken + more <= room || c <= PEAK || c == END);
        taken += shown[c] ? more : 0;
    }
    return taken;
}

/* With one replay of each nothing is known of how far they lie apart. */
static bool has_band(const struct result *candidates)
{
    for (size_t i = 0; i < result_length(candidates); i++)
        if (text_number(result_at(candidates, i), "runs") > 1)
            return true;
    return false;
}

/* `shown` is set. */
static void print_table(struct text *t, const struct result *r, bool shown[COLUMNS])
{
    const struct result *list = field(r, "candidates"), *recorded = field(r, "recorded");
    size_t width[COLUMNS], count = result_length(list);
    double top = most_of(field(r, "rss"));
    struct cells *cells = mem_zalloc(count + 2, sizeof *cells);
    put(&cells[count], NAME, "recorded");
    put(&cells[count], PEAK, human_bytes(text_number(recorded, "peak_rss_bytes")).text);
    put(&cells[count], END, human_bytes(text_number(recorded, "final_rss_bytes")).text);
    put(&cells[count], MEAN, human_bytes(text_number(recorded, "mean_rss_bytes")).text);
    for (size_t i = 0; i < count; i++) {
        cells[i] = cells_of(result_at(list, i));
        top = fmax(top, most_of(field(result_at(list, i), "rss")));
    }
    for (int c = 0; c < COLUMNS; c++) {
        width[c] = strlen(heads[c]);
        for (size_t i = 0; i <= count; i++)
            width[c] = wider(width[c], cells[i].text[c]);
    }
    if (!has_band(list))
        width[BAND] = 0;
    size_t taken = 2 + fit(shown, width, t->style.cut ? t->style.width : SIZE_MAX);
    /* what is left of the line is the curve's, where that is enough for one */
    size_t spark = t->style.width > taken + SPARK_MIN ? t->style.width - taken : 0;
    spark = spark > SPARK ? SPARK : spark;
    strbuf_addc(t->out, '\n');
    text_left(t, LOOK_DIM, heads[NAME], width[NAME]);
    for (int c = PEAK; c < COLUMNS; c++)
        if (shown[c]) {
            text_pad(t, 2);
            text_right(t, LOOK_DIM, heads[c], width[c]);
        }
    strbuf_addc(t->out, '\n');
    for (size_t n = 0; n <= count; n++) {
        size_t i = n == 0 ? count : n - 1; /* the recorded one first */
        text_left(t, LOOK_PLAIN, cells[i].text[NAME], width[NAME]);
        for (int c = PEAK; c < COLUMNS; c++)
            if (shown[c]) {
                text_pad(t, 2);
                text_right(t, c == PEAK || c == END ? LOOK_STRONG : LOOK_PLAIN, cells[i].text[c],
                           width[c]);
            }
        print_curve(t, i == count ? field(r, "rss") : field(result_at(list, i), "rss"), top, spark);
        strbuf_addc(t->out, '\n');
    }
    free(cells);
}

static void print_notes(struct text *t, const struct result *r, const bool shown[COLUMNS])
{
    const struct result *list = field(r, "candidates"), *replay = field(r, "replay");
    struct strbuf words = {0};
    strbuf_adds(&words, TEXT_FAINT "* what it was recorded with. Resident memory as predicted for "
                                   "the program, without the recorder's own");
    if (shown[BAND])
        strbuf_adds(&words, "; +-: half of what replays lie apart");
    if (shown[FREE])
        strbuf_adds(&words, "; free: resident, in no block, in the end");
    strbuf_adds(&words, ". CPU and calls of a replay without gaps");
    if (shown[P50])
        strbuf_adds(&words, "; malloc: the median of its calls");
    if (shown[P99])
        strbuf_adds(&words, "; P99: what 99 % of them take at most");
    strbuf_adds(&words, ".");
    for (size_t i = 0; i < result_length(list); i++)
        if (text_has(result_at(list, i), "note"))
            strbuf_addf(&words, " %s: %s.", text_text(result_at(list, i), "name"),
                        text_text(result_at(list, i), "note"));
    uint64_t here = text_number(replay, "here_cpus"),
             there = text_number(field(r, "recorded"), "cpus");
    if (here != there && there)
        strbuf_addf(&words,
                    " Recorded on %s processors, replayed on %s: glibc and jemalloc are given as "
                    "many arenas as there.",
                    human_count(there).text, human_count(here).text);
    if (text_number(replay, "scale") > 1)
        strbuf_addf(&words, " One in %s blocks of each size was replayed, the figures multiplied.",
                    human_count(text_number(replay, "scale")).text);
    strbuf_adds(&words, TEXT_OFF);
    strbuf_addc(t->out, '\n');
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

void text_compare(struct text *t, const struct result *result, const struct result *completeness)
{
    text_completeness(t, completeness);
    print_self_check(t, result);
    print_verdict(t, result);
    bool shown[COLUMNS];
    print_table(t, result, shown);
    print_notes(t, result, shown);
}
