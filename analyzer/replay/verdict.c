/* SPDX-License-Identifier: MIT */
#include "replay/verdict.h"

#include "util/human.h"
#include "util/strbuf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WORTH_PERCENT 5.0       /* a smaller saving is not worth a change */
#define SMALL_HEAP_PERCENT 10.0 /* of the RSS: no allocator can save more than that */

static double number(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    if (!r || r->type == RESULT_NULL)
        return 0;
    return r->type == RESULT_REAL ? r->u.real : (double)r->u.count;
}

static const char *text(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_TEXT ? r->u.text : "";
}

static bool is_recorded(const struct result *candidate)
{
    const struct result *r = result_get(candidate, "recorded");
    return r && r->u.boolean;
}

static bool is_null(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return !r || r->type == RESULT_NULL;
}

static struct human bytes(const struct result *object, const char *name)
{
    return human_bytes((uint64_t)number(object, name));
}

/* The candidate with the least of something; the recording allocator's where nothing has less. */
static const struct result *least(const struct result *candidates, const char *name)
{
    const struct result *best = NULL;
    for (size_t i = 0; i < result_length(candidates); i++) {
        const struct result *c = result_at(candidates, i);
        if (!best || number(c, name) < number(best, name))
            best = c;
    }
    return best;
}

static void add_name(struct strbuf *b, const struct result *c)
{
    strbuf_adds(b, text(c, "name"));
    if (text(c, "settings")[0])
        strbuf_addf(b, " with %s", text(c, "settings"));
}

/* "processor time in the allocator's replay 1.2 s instead of 1.0 s, malloc's P99 90 ns instead of
 * 60 ns" */
static void add_cost(struct strbuf *b, const struct result *c, const struct result *self)
{
    if (!self)
        return;
    const struct result *mine = result_get(c, "malloc_ns"), *its = result_get(self, "malloc_ns");
    strbuf_addf(b, "; its replay takes %s of processor time instead of %s",
                human_ns((uint64_t)number(c, "cpu_ns")).text,
                human_ns((uint64_t)number(self, "cpu_ns")).text);
    if (!mine || !its || mine->type != RESULT_OBJECT || its->type != RESULT_OBJECT)
        return;
    struct human then = human_ns((uint64_t)number(mine, "p99")),
                 now = human_ns((uint64_t)number(its, "p99"));
    strbuf_addf(b, ", 99 %% of its mallocs at most %s", then.text);
    if (strcmp(then.text, now.text) != 0)
        strbuf_addf(b, " instead of %s", now.text);
    else
        strbuf_adds(b, ", as now");
}

static void add_saving(struct result *sentences, const struct result *c,
                       const struct result *recorded, const struct result *self, const char *field,
                       const char *what)
{
    struct strbuf b = {0};
    double now = number(recorded, field), then = number(c, field);
    add_name(&b, c);
    strbuf_addf(&b, " would bring %s from %s to %s (%.0f %% less", what,
                bytes(recorded, field).text, bytes(c, field).text, 100 * (now - then) / now);
    if (number(c, "runs") > 1)
        strbuf_addf(&b, ", give or take %.1f", number(c, "error_percent"));
    strbuf_addc(&b, ')');
    add_cost(&b, c, self);
    strbuf_addc(&b, '.');
    result_text(sentences, NULL, b.text);
    strbuf_release(&b);
}

/* A program that brings an allocator of its own has the C library's where that stands first. */
static void add_lines(struct result *lines, const struct result *c, const struct result *recorded)
{
    struct strbuf b = {0};
    const char *settings = text(c, "settings");
    if (text(c, "library")[0])
        strbuf_addf(&b, "LD_PRELOAD=%s ", text(c, "library"));
    else if (strcmp(text(recorded, "allocator"), text(c, "name")) != 0)
        strbuf_adds(&b, "LD_PRELOAD=libc.so.6 ");
    if (settings[0])
        strbuf_addf(&b, "%s ", settings);
    strbuf_adds(&b, "PROGRAM");
    result_text(lines, NULL, b.text);
    strbuf_reset(&b);
    const char *arenas = strstr(settings, "MALLOC_ARENA_MAX=");
    const char *threshold = strstr(settings, "MALLOC_MMAP_THRESHOLD_=");
    if (arenas)
        strbuf_addf(&b, "mallopt(M_ARENA_MAX, %d);",
                    (int)strtol(arenas + strlen("MALLOC_ARENA_MAX="), NULL, 10));
    if (threshold)
        strbuf_addf(&b, "%smallopt(M_MMAP_THRESHOLD, %d);", arenas ? " " : "",
                    (int)strtol(threshold + strlen("MALLOC_MMAP_THRESHOLD_="), NULL, 10));
    if (b.length)
        result_text(lines, NULL, b.text);
    strbuf_release(&b);
}

/* Whether it is enough less than what was recorded to be worth a word. */
static bool saves(const struct result *c, const struct result *recorded, const char *field)
{
    double now = number(recorded, field);
    double percent = now > 0 ? 100 * (now - number(c, field)) / now : 0;
    return c && !is_recorded(c) && percent >= fmax(WORTH_PERCENT, number(c, "error_percent"));
}

/* What the saving costs elsewhere: `c` needs more there than now. */
static void add_price(struct result *sentences, const struct result *c,
                      const struct result *recorded, const char *field, const char *where)
{
    struct strbuf b = {0};
    double now = number(recorded, field), more = number(c, field) - now;
    if (now <= 0 || 100 * more < WORTH_PERCENT * now)
        return;
    strbuf_addf(&b, "But %s ", where);
    add_name(&b, c);
    strbuf_addf(&b, " would need %.0f %% more than now: %s.", 100 * more / now,
                bytes(c, field).text);
    result_text(sentences, NULL, b.text);
    strbuf_release(&b);
}

/* "37.8 MiB, 32 % more than now" */
static void add_against_now(struct strbuf *b, const struct result *c, const struct result *recorded,
                            const char *field)
{
    double now = number(recorded, field), more = 100 * (number(c, field) - now) / now;
    strbuf_adds(b, bytes(c, field).text);
    if (fabs(more) >= WORTH_PERCENT)
        strbuf_addf(b, ", %.0f %% %s than now", fabs(more), more > 0 ? "more" : "less");
    else
        strbuf_adds(b, ", much as now");
}

/* Where another is best at the peak than in the end, and each is better than now in its own. */
static void add_choice(struct result *sentences, const struct result *peak,
                       const struct result *end, const struct result *recorded)
{
    struct strbuf b = {0};
    strbuf_adds(&b, "None is best in both: in the end ");
    add_name(&b, peak);
    strbuf_adds(&b, " would have ");
    add_against_now(&b, peak, recorded, "final_rss_bytes");
    strbuf_adds(&b, ", and at the peak ");
    add_name(&b, end);
    strbuf_adds(&b, " ");
    add_against_now(&b, end, recorded, "peak_rss_bytes");
    strbuf_adds(&b, ".");
    result_text(sentences, NULL, b.text);
    strbuf_release(&b);
}

/* A program that may allocate differently from what is replayed. */
static void add_asker(struct result *sentences, const struct result *candidates,
                      const struct result *recorded)
{
    struct strbuf b = {0};
    bool others = false;
    for (size_t i = 0; i < result_length(candidates); i++)
        others = others ||
                 strcmp(text(result_at(candidates, i), "name"), text(recorded, "allocator")) != 0;
    if (!others || !text(recorded, "sizes_asked_by")[0])
        return;
    strbuf_addf(&b,
                "The program asks how large its blocks really are (malloc_usable_size or the like, "
                "in %s). If it fills what it gets, it asks for other sizes with another allocator: "
                "predictions for others than %s may be some 10 %% off.",
                text(recorded, "sizes_asked_by"), text(recorded, "allocator"));
    result_text(sentences, NULL, b.text);
    strbuf_release(&b);
}

static void add_none(struct result *sentences, const struct result *candidates,
                     const struct result *recorded)
{
    struct strbuf b = {0};
    double now = number(recorded, "peak_rss_bytes"), worst = 0;
    const struct result *last = NULL;
    for (size_t i = 0; i < result_length(candidates); i++) {
        const struct result *c = result_at(candidates, i);
        if (!is_recorded(c) && number(c, "peak_rss_bytes") - now > worst) {
            worst = number(c, "peak_rss_bytes") - now;
            last = c;
        }
    }
    strbuf_addf(&b,
                "Swapping will not help: nothing here saves %.0f %% of the peak or of what is "
                "left in the end",
                WORTH_PERCENT);
    if (last && now > 0) {
        strbuf_adds(&b, ", and ");
        add_name(&b, last);
        strbuf_addf(&b, " would need %.0f %% more at the peak", 100 * worst / now);
    }
    strbuf_addc(&b, '.');
    result_text(sentences, NULL, b.text);
    strbuf_release(&b);
}

void verdict_add(struct result *tree)
{
    const struct result *recorded = result_get(tree, "recorded");
    const struct result *candidates = result_get(tree, "candidates"), *self = NULL;
    struct result *verdict = result_object(tree, "verdict");
    struct result *sentences = result_array(verdict, "sentences");
    struct result *lines = result_array(verdict, "lines");
    if (result_length(candidates) && is_recorded(result_at(candidates, 0)))
        self = result_at(candidates, 0);
    if (is_null(recorded, "peak_rss_bytes")) {
        result_text(sentences, NULL,
                    "The program's resident memory was not recorded: figures are of the heap "
                    "alone. `seep run` records it.");
        return;
    }
    double share = number(recorded, "heap_rss_percent");
    if (!is_null(recorded, "heap_rss_percent") && share < SMALL_HEAP_PERCENT) {
        struct strbuf b = {0};
        strbuf_addf(&b, "Swapping will not help: the heap is %s of the RSS.",
                    human_percent(share).text);
        result_text(sentences, NULL, b.text);
        strbuf_release(&b);
        return;
    }
    const struct result *peak = least(candidates, "peak_rss_bytes");
    const struct result *end = least(candidates, "final_rss_bytes");
    bool at_peak = saves(peak, recorded, "peak_rss_bytes");
    bool in_end = saves(end, recorded, "final_rss_bytes");
    if (at_peak)
        add_saving(sentences, peak, recorded, self, "peak_rss_bytes", "the peak");
    if (in_end)
        add_saving(sentences, end, recorded, at_peak && end == peak ? NULL : self,
                   "final_rss_bytes", "what is resident in the end");
    if (at_peak)
        add_lines(lines, peak, recorded);
    if (in_end && (!at_peak || end != peak))
        add_lines(lines, end, recorded);
    if (at_peak && in_end && peak != end)
        add_choice(sentences, peak, end, recorded);
    else if (at_peak && !in_end)
        add_price(sentences, peak, recorded, "final_rss_bytes", "in the end");
    else if (in_end && !at_peak)
        add_price(sentences, end, recorded, "peak_rss_bytes", "at the peak");
    else if (!at_peak)
        add_none(sentences, candidates, recorded);
    add_asker(sentences, candidates, recorded);
}
