/* SPDX-License-Identifier: MIT
 *
 * `seep check` for people, and for the logs of test machines: a verdict a trace that did not pass,
 * a line a root cause, the next command. */
#include "report/text_frames.h"

#include "util/human.h"
#include "util/utf8.h"

#include <string.h>

#define CALLERS 3       /* named behind the allocating function */
#define NAME_COLUMNS 60 /* for a function's name in a pipe */
#define SITES_SHOWN 20

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

static bool is(const struct result *object, const char *name, const char *value)
{
    return strcmp(text_text(object, name), value) == 0;
}

static uint64_t with_indirect(const struct result *site, const char *what)
{
    const struct result *indirect = field(site, "indirect");
    return text_number(site, what) + (indirect ? text_number(indirect, what) : 0);
}

/* ------------------------------------------------------------------ a root cause */

/* "parse_header (http.c:42)" */
static void add_frame(struct strbuf *words, const struct result *frame)
{
    struct strbuf name = {0}, place = {0};
    text_frame_function(&name, text_text(frame, "function"), NAME_COLUMNS, false);
    strbuf_adds(words, name.text ? name.text : "");
    text_frame_place(&place, frame);
    if (place.length) {
        const char *slash = strrchr(place.text, '/');
        strbuf_addf(words, " (%s)", slash && slash[1] ? slash + 1 : place.text);
    }
    strbuf_release(&name);
    strbuf_release(&place);
}

/* The allocating function, which stands behind what merely wraps malloc, and who called it. */
static void add_frames(struct strbuf *words, const struct result *site)
{
    const struct result *frames = field(site, "frames");
    size_t count = result_length(frames), at = 0;
    while (at < count && !is(result_at(frames, at), "function", text_text(site, "name")))
        at++;
    if (at == count)
        at = 0;
    for (size_t i = at; i < count && i <= at + CALLERS; i++) {
        strbuf_adds(words, i > at ? " ← " : "");
        add_frame(words, result_at(frames, i));
        if (is(result_at(frames, i), "function", "main"))
            break;
    }
}

/* Columns of the rows: bytes, blocks, and the kind where there are several. */
struct widths {
    size_t bytes, blocks, kind;
};

static size_t longer(size_t width, const char *text)
{
    size_t has = strlen(text);
    return has > width ? has : width;
}

static void print_site(struct text *t, const struct result *site, const struct widths *width)
{
    struct strbuf words = {0};
    uint64_t blocks = with_indirect(site, "blocks");
    text_pad(t, 2);
    text_right(t, LOOK_STRONG, human_bytes(with_indirect(site, "bytes")).text, width->bytes);
    text_add(t, LOOK_PLAIN, " in ");
    text_right(t, LOOK_PLAIN, human_count(blocks).text, width->blocks);
    text_add(t, LOOK_PLAIN, blocks == 1 ? " block   " : " blocks  ");
    if (width->kind) {
        text_left(t, LOOK_DIM, text_text(site, "kind"), width->kind);
        text_pad(t, 2);
    }
    add_frames(&words, site);
    size_t used = width->bytes + width->blocks + width->kind + 17;
    size_t room = t->style.width > used + 20 ? t->style.width - used : 20;
    if (t->style.cut && words.text && utf8_width(words.text, words.length) > room) {
        words.length = utf8_fit(words.text, words.length, room - 1);
        words.text[words.length] = '\0';
        strbuf_adds(&words, "…");
    }
    text_add(t, LOOK_NAME, words.text ? words.text : "");
    strbuf_addc(t->out, '\n');
    strbuf_release(&words);
}

static void print_sites(struct text *t, const struct result *leaks)
{
    const struct result *sites = field(leaks, "sites");
    size_t count = result_length(sites), shown = count < SITES_SHOWN ? count : SITES_SHOWN;
    struct widths width = {0};
    bool kinds = result_length(field(leaks, "kinds")) > 1;
    for (size_t i = 0; i < shown; i++) {
        const struct result *site = result_at(sites, i);
        width.bytes = longer(width.bytes, human_bytes(with_indirect(site, "bytes")).text);
        width.blocks = longer(width.blocks, human_count(with_indirect(site, "blocks")).text);
        width.kind = kinds ? longer(width.kind, text_text(site, "kind")) : 0;
    }
    for (size_t i = 0; i < shown; i++)
        print_site(t, result_at(sites, i), &width);
    uint64_t more_bytes = 0;
    for (size_t i = shown; i < count; i++)
        more_bytes += with_indirect(result_at(sites, i), "bytes");
    if (count > shown) {
        struct strbuf words = {0};
        strbuf_adds(&words, "and ");
        text_plural(&words, count - shown, "more call site", "more call sites");
        strbuf_addf(&words, ", %s", human_bytes(more_bytes).text);
        text_paragraph(t, words.text, 2, 2);
        strbuf_release(&words);
    }
}

/* ------------------------------------------------------------------ a trace */

static void print_verdict(struct text *t, const struct result *trace)
{
    static const struct {
        const char *verdict, *shown;
        enum text_look look;
    } known[] = {{"passed", "PASSED", LOOK_STRONG},
                 {"failed", "FAILED", LOOK_WARN},
                 {"undecided", "UNDECIDED", LOOK_WARN},
                 {"skipped", "SKIPPED", LOOK_DIM}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (is(trace, "verdict", known[i].verdict))
            text_add(t, known[i].look, known[i].shown);
    text_add(t, LOOK_PLAIN, "  ");
    text_add_foreign(t, LOOK_PLAIN, text_text(trace, "trace"), 0);
    text_add(t, LOOK_PLAIN, ": ");
}

/* "1.2 KiB in 12 blocks are definitely lost, from 3 call sites" */
static void add_found(struct strbuf *words, const struct result *trace)
{
    const struct result *found = field(trace, "found"), *leaks = field(trace, "leaks");
    uint64_t blocks = text_number(found, "blocks"),
             indirect = text_number(found, "indirect_blocks");
    if (!blocks) {
        strbuf_addf(words, "nothing is %s", text_text(leaks, "word"));
        return;
    }
    strbuf_addf(words, "%s in ", human_bytes(text_number(found, "bytes")).text);
    text_plural(words, blocks, "block", "blocks");
    strbuf_addf(words, " %s %s", blocks == 1 ? "is" : "are", text_text(leaks, "word"));
    if (indirect)
        strbuf_addf(words, " (%s of them through others)", human_count(indirect).text);
    strbuf_adds(words, ", from ");
    text_plural(words, text_number(found, "sites"), "call site", "call sites");
}

static void print_trace(struct text *t, const struct result *trace)
{
    const struct result *leaks = field(trace, "leaks"), *reasons = field(trace, "reasons");
    struct strbuf words = {0};
    for (size_t i = 0; i < result_length(reasons); i++)
        strbuf_addf(&words, "%s%s", i ? "; " : "", result_at(reasons, i)->u.text);
    bool undecided = is(trace, "verdict", "undecided");
    if (leaks) {
        strbuf_adds(&words, undecided ? ". As far as is known, " : "");
        add_found(&words, trace);
        const struct result *suppressed = field(leaks, "suppressed");
        if (text_number(suppressed, "blocks")) {
            strbuf_adds(&words, "; ");
            text_plural(&words, text_number(suppressed, "blocks"), "block", "blocks");
            strbuf_adds(&words, " suppressed by ");
            text_rules(&words, field(suppressed, "rules"));
        }
    }
    size_t column = t->out->length;
    print_verdict(t, trace);
    text_flow(t, words.text ? words.text : "", t->out->length - column, 2);
    strbuf_release(&words);
    if (leaks)
        print_sites(t, leaks);
}

/* ------------------------------------------------------------------ the whole */

static void print_unused(struct text *t, const struct result *unused)
{
    if (!result_length(unused))
        return;
    struct strbuf words = {0};
    text_plural(&words, result_length(unused), "rule matched", "rules matched");
    strbuf_adds(&words, " nothing: ");
    text_rules(&words, unused);
    text_paragraph(t, words.text, 0, 2);
    strbuf_release(&words);
}

/* The command that shows the first that failed in full. */
static void print_next(struct text *t, const struct result *traces)
{
    for (size_t i = 0; i < result_length(traces); i++) {
        const struct result *trace = result_at(traces, i), *leaks = field(trace, "leaks");
        if (is(trace, "verdict", "passed") || !leaks || !result_length(field(leaks, "sites")))
            continue;
        text_add(t, LOOK_DIM, "next: ");
        text_add(t, LOOK_PLAIN, "seep leaks ");
        text_add_foreign(t, LOOK_PLAIN, text_text(trace, "trace"), 0);
        strbuf_addc(t->out, '\n');
        return;
    }
}

/* "12 traces passed, 5 are of processes that executed another program" */
static void print_others(struct text *t, const struct result *result)
{
    uint64_t passed = text_number(result, "passed"), skipped = text_number(result, "skipped");
    struct strbuf words = {0};
    if (passed) {
        text_plural(&words, passed, "trace", "traces");
        strbuf_adds(&words, " passed");
    }
    if (skipped) {
        strbuf_adds(&words, passed ? ", " : "");
        text_plural(&words, skipped, "trace", "traces");
        strbuf_addf(&words, " %s of what a process was before it executed another program",
                    skipped == 1 ? "is" : "are");
    }
    if (words.length)
        text_paragraph(t, words.text, 0, 2);
    strbuf_release(&words);
}

void text_check(struct text *t, const struct result *result, const struct result *completeness)
{
    const struct result *traces = field(result, "traces");
    (void)completeness; /* stands with each trace */
    bool one = result_length(traces) == 1;
    for (size_t i = 0; i < result_length(traces); i++) {
        const struct result *trace = result_at(traces, i);
        if (one || is(trace, "verdict", "failed") || is(trace, "verdict", "undecided"))
            print_trace(t, trace);
    }
    if (!one)
        print_others(t, result);
    print_unused(t, field(result, "unused"));
    print_next(t, traces);
}
