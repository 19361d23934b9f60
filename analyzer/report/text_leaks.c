/* SPDX-License-Identifier: MIT
 *
 * `seep leaks` for people: the answer in words, the call sites, and what is not shown. */
#include "report/text_frames.h"
#include "report/text_leaks_graph.h"
#include "report/text_site.h"

#include "util/human.h"
#include "util/utf8.h"

#include <string.h>

#define HEAVIEST 48 /* columns for a name in the answer; it stands below in full */
#define INDENT 4    /* of what stands below a site's row */

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

/* ------------------------------------------------------------------ the answer */

/* "cache_insert (cache.c:88)" */
static void add_heaviest(struct strbuf *words, const struct result *site)
{
    const char *name = text_text(site, "name");
    struct strbuf shown = {0};
    text_frame_function(&shown, name, HEAVIEST, true);
    strbuf_adds(words, TEXT_NAME);
    text_words_ours(words, shown.text ? shown.text : "");
    strbuf_adds(words, TEXT_OFF);
    strbuf_release(&shown);
    const struct result *frames = field(site, "frames");
    for (size_t i = 0; i < result_length(frames); i++) {
        const struct result *frame = result_at(frames, i);
        if (strcmp(text_text(frame, "function"), name) != 0)
            continue;
        struct strbuf place = {0};
        text_frame_place(&place, frame);
        if (place.length) {
            const char *slash = strrchr(place.text, '/');
            strbuf_adds(words, " (");
            text_words_foreign(words, slash && slash[1] ? slash + 1 : place.text);
            strbuf_adds(words, ")");
        }
        strbuf_release(&place);
        return;
    }
}

static void add_window(struct strbuf *words, const struct result *window)
{
    if (!window || window->type == RESULT_NULL)
        return;
    const char *from = text_text(window, "from");
    if (from[0]) {
        strbuf_adds(words, " and made since ");
        text_words_foreign(words, from);
    }
}

static bool shows_pools(const struct result *r)
{
    return text_has(r, "pools") && text_bool(field(r, "pools"), "shown");
}

static void add_no_pool_block(struct strbuf *words, const struct result *r, bool complete)
{
    if (text_number(field(r, "pools"), "allocated_blocks") == 0) {
        strbuf_adds(words, "The program told of no pool block; seep_pool_allocated() does.");
        return;
    }
    strbuf_addf(words, complete ? "No pool block was %s" : "No pool block is known to have been %s",
                text_text(r, "word"));
    add_window(words, field(r, "window"));
    strbuf_adds(words, ".");
}

/* What is live, without a graph, up to where the call sites are told of. False where nothing
 * matches: the answer is whole then. */
static bool add_live_answer(struct strbuf *words, const struct result *r, bool complete)
{
    const struct result *total = field(r, "total"), *matched = field(r, "matched");
    uint64_t blocks = text_number(matched, "blocks");
    bool filters = text_number(field(r, "filtered_out"), "blocks") > 0;
    bool pools = shows_pools(r);
    if (pools && text_number(total, "blocks") == 0) {
        add_no_pool_block(words, r, complete);
    } else if (text_number(total, "blocks") == 0) {
        strbuf_addf(words, complete ? "Nothing was %s" : "Nothing is known to have been %s",
                    text_text(r, "word"));
        add_window(words, field(r, "window"));
        strbuf_adds(words,
                    complete && !text_has(r, "window") ? ": every block had been freed." : ".");
    } else if (blocks == 0 && !filters && text_has(r, "inherited") &&
               !text_bool(field(r, "inherited"), "shown")) {
        strbuf_addf(words, "Nothing that the process made itself was %s.", text_text(r, "word"));
    } else if (blocks == 0 && !filters && text_number(field(r, "suppressed"), "sites") == 0) {
        strbuf_addf(words, "Nothing but what libraries keep from their start-up was %s.",
                    text_text(r, "word"));
    } else if (blocks == 0) {
        bool made = filters && text_bool(field(r, "filtered_out"), "by_window");
        strbuf_addf(words, "Nothing %s", text_text(r, "word"));
        if (made) {
            strbuf_adds(words, " was made since ");
            text_words_foreign(words, text_text(field(r, "window"), "from"));
        } else {
            add_window(words, field(r, "window"));
            strbuf_adds(words, filters ? " matches the filters" : " is left by your rules");
        }
        strbuf_adds(words, "; what is left out stands below.");
    } else {
        strbuf_addf(words, TEXT_STRONG "%s" TEXT_OFF " in " TEXT_STRONG,
                    human_bytes(text_number(matched, "bytes")).text);
        text_plural(words, blocks, pools ? "pool block" : "block",
                    pools ? "pool blocks" : "blocks");
        strbuf_addf(words, TEXT_OFF " %s %s", blocks == 1 ? "was" : "were", text_text(r, "word"));
    }
    return blocks > 0;
}

/* ", from 3 call sites; the heaviest, f (a.c:1), holds 60 %." */
static void add_sites_answer(struct strbuf *words, const struct result *r)
{
    const struct result *first = result_at(field(r, "sites"), 0);
    uint64_t count = text_number(field(r, "matched"), "sites");
    const struct result *out = field(r, "filtered_out");
    bool filters = text_number(out, "blocks") > 0 && !text_bool(out, "by_window");
    const char *by = text_text(r, "by");
    bool by_stack = strcmp(by, "stack") == 0;
    add_window(words, field(r, "window"));
    strbuf_addf(words, "%s, from ", filters ? " and match the filters" : "");
    if (count == 1)
        strbuf_addf(words, "one %s", by_stack ? "call site" : by);
    else
        strbuf_addf(words, "%s %s%s", human_count(count).text, by_stack ? "call sites" : by,
                    by_stack ? "" : "s");
    if (first) {
        bool heaviest = strcmp(text_text(r, "order"), "bytes") == 0;
        strbuf_adds(words, count == 1 ? ": " : heaviest ? "; the heaviest, " : ".");
        if (count == 1 || heaviest)
            add_heaviest(words, first);
        if (count > 1 && heaviest)
            strbuf_addf(words, ", holds %s", human_percent(text_real(first, "share_percent")).text);
    }
    if (words->text[words->length - 1] != '.')
        strbuf_adds(words, ".");
}

static void print_answer(struct text *t, const struct result *r, bool complete)
{
    struct strbuf words = {0};
    if (text_leaks_has_graph(r) ? text_leaks_graph_answer(&words, r)
                                : add_live_answer(&words, r, complete))
        add_sites_answer(&words, r);
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void print_inherited(struct text *t, const struct result *r)
{
    const struct result *inherited = field(r, "inherited");
    if (!text_has(r, "inherited"))
        return;
    struct strbuf words = {0};
    bool shown = text_bool(inherited, "shown");
    strbuf_addf(&words, "%snherited from %d at the fork: %s in ", shown ? "These are i" : "I",
                (int)text_number(inherited, "fork_parent_pid"),
                human_bytes(text_number(inherited, "bytes")).text);
    text_plural(&words, text_number(inherited, "blocks"), "block", "blocks");
    if (text_number(inherited, "held_blocks") == 0) {
        strbuf_adds(&words, ", none of them still held");
    } else {
        strbuf_addf(&words, ", of which %s in %s %s still held",
                    human_bytes(text_number(inherited, "held_bytes")).text,
                    human_count(text_number(inherited, "held_blocks")).text,
                    text_number(inherited, "held_blocks") == 1 ? "is" : "are");
        if (!shown)
            strbuf_adds(&words, TEXT_FAINT "; --inherited shows them" TEXT_OFF);
    }
    strbuf_adds(&words, ".");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void print_pools(struct text *t, const struct result *r)
{
    const struct result *pools = field(r, "pools");
    if (!text_has(r, "pools") || shows_pools(r) || text_number(pools, "blocks") == 0)
        return;
    struct strbuf words = {0};
    uint64_t blocks = text_number(pools, "blocks");
    text_plural(&words, blocks, "pool block", "pool blocks");
    strbuf_addf(&words, " of %s %s %s" TEXT_FAINT "; --pool shows them" TEXT_OFF ".",
                human_bytes(text_number(pools, "bytes")).text, blocks == 1 ? "was" : "were",
                text_text(r, "word"));
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void print_context(struct text *t, const struct result *r)
{
    const struct result *total = field(r, "total");
    if (text_leaks_has_graph(r) || text_number(total, "peak_live_bytes") == 0 ||
        text_number(total, "blocks") == 0)
        return;
    struct strbuf words = {0};
    strbuf_adds(&words, TEXT_FAINT);
    if (text_number(total, "blocks") == text_number(field(r, "matched"), "blocks")) {
        strbuf_adds(&words, "That is");
    } else {
        strbuf_addf(&words, "Everything %s%s is %s in ", shows_pools(r) ? "in pools " : "",
                    text_text(r, "word"), human_bytes(text_number(total, "bytes")).text);
        text_plural(&words, text_number(total, "blocks"), "block", "blocks");
        strbuf_addc(&words, ':');
    }
    /* what several processes left is more than there ever was at once */
    double share = text_real(total, "share_of_peak_percent");
    strbuf_addf(&words, " %s%s the peak%s %s at %s." TEXT_OFF,
                share > 100 ? "more than" : human_percent(share).text, share > 100 ? "" : " of",
                share > 100 ? " of all processes together," : ",",
                human_bytes(text_number(total, "peak_live_bytes")).text,
                human_ns(text_number(total, "peak_time_ns")).text);
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

/* ------------------------------------------------------------------ the sites */

enum { RANK, BYTES, SHARE, BLOCKS, EACH, COLUMNS };

struct cells {
    struct human text[COLUMNS];
};

static struct cells cells_of(const struct result *site, size_t rank)
{
    return (struct cells){{
        human_count(rank),
        human_bytes(text_leaks_bytes(site)),
        human_percent(text_real(site, "share_percent")),
        human_count(text_leaks_blocks(site)),
        human_bytes(text_number(field(site, "sizes"), "typical")),
    }};
}

static const char *const heads[COLUMNS] = {"#", "bytes", "share", "blocks", "each"};

static void measure(size_t width[COLUMNS], const struct result *sites)
{
    for (int c = 0; c < COLUMNS; c++)
        width[c] = strlen(heads[c]);
    for (size_t i = 0; i < result_length(sites); i++) {
        struct cells cells = cells_of(result_at(sites, i), i + 1);
        for (int c = 0; c < COLUMNS; c++) {
            size_t has = utf8_width(cells.text[c].text, strlen(cells.text[c].text));
            width[c] = has > width[c] ? has : width[c];
        }
    }
    if (width[RANK] < INDENT - 2)
        width[RANK] = INDENT - 2;
}

static void print_heads(struct text *t, const size_t width[COLUMNS], bool before)
{
    for (int c = 0; c < COLUMNS; c++) {
        text_pad(t, c == RANK ? 0 : c == BYTES ? 2 : 3);
        text_right(t, LOOK_DIM, heads[c], width[c]);
    }
    text_add(t, LOOK_DIM, before ? "   allocated, before the start" : "   allocated");
    strbuf_addc(t->out, '\n');
}

static void print_when(struct text *t, const struct result *site)
{
    struct human first = human_ns(text_number(site, "first_ns"));
    struct human last = human_ns(text_number(site, "last_ns"));
    if (strcmp(first.text, last.text) == 0)
        text_addf(t, LOOK_PLAIN, "at %s", first.text);
    else
        text_addf(t, LOOK_PLAIN, "%s – %s", first.text, last.text);
}

static void add_fact(struct strbuf *words)
{
    if (words->length)
        strbuf_adds(words, ", ");
}

static void add_threads(struct strbuf *words, const struct result *site)
{
    const struct result *threads = field(site, "threads");
    uint64_t count = text_number(site, "thread_count");
    if (count == 1 && result_length(threads) == 1 && result_at(threads, 0)->u.count == 1)
        return; /* the main thread, as one expects */
    if (result_length(threads) == 0)
        return;
    add_fact(words);
    strbuf_adds(words, count == 1 ? "thread " : "threads ");
    size_t shown = result_length(threads) < 4 ? result_length(threads) : 4;
    for (size_t i = 0; i < shown; i++)
        strbuf_addf(words, "%s%s", i ? ", " : "", human_count(result_at(threads, i)->u.count).text);
    if (count > shown)
        strbuf_addf(words, " and %s more", human_count(count - shown).text);
}

/* "calloc, 812 of 90,112 still live, 16 B to 64 KiB, threads 2, 3" */
static void print_facts(struct text *t, const struct result *r, const struct result *site)
{
    struct strbuf words = {0};
    text_leaks_graph_facts(&words, r, site);
    const struct result *calls = field(site, "calls");
    for (size_t i = 0; i < result_length(calls); i++) {
        add_fact(&words);
        strbuf_adds(&words, result_at(calls, i)->u.text);
    }
    uint64_t blocks = text_number(site, "blocks"), made = text_number(site, "allocated_blocks");
    if (made > blocks) {
        add_fact(&words);
        strbuf_addf(&words, "%s of the %s made here",
                    human_percent(100. * (double)blocks / (double)made).text,
                    human_count(made).text);
    } else if (blocks > 1 && !text_leaks_has_graph(r)) {
        add_fact(&words);
        strbuf_adds(&words, "none ever freed");
    }
    const struct result *sizes = field(site, "sizes");
    uint64_t least = text_number(sizes, "min"), most = text_number(sizes, "max");
    if (least != most) {
        add_fact(&words);
        strbuf_addf(&words, "%s to %s each", human_bytes(least).text, human_bytes(most).text);
    }
    add_threads(&words, site);
    if (text_number(site, "stacks") > 1) {
        add_fact(&words);
        strbuf_addf(&words, "%s stacks, the heaviest of which:",
                    human_count(text_number(site, "stacks")).text);
    }
    if (text_has(site, "suppressed")) {
        strbuf_adds(&words, words.length ? "; " : "");
        strbuf_adds(&words, text_bool(site, "builtin") ? "known: " : "suppressed by ");
        text_words_foreign(&words, text_text(site, "suppressed"));
    }
    if (words.length) {
        struct strbuf faint = {0};
        strbuf_addf(&faint, TEXT_FAINT "%s" TEXT_OFF, words.text);
        text_paragraph(t, faint.text, INDENT, INDENT);
        strbuf_release(&faint);
    }
    strbuf_release(&words);
}

static void print_site(struct text *t, const struct result *r, const struct result *site,
                       size_t rank, const size_t width[COLUMNS], bool with_name)
{
    struct cells cells = cells_of(site, rank);
    for (int c = 0; c < COLUMNS; c++) {
        text_pad(t, c == RANK ? 0 : c == BYTES ? 2 : 3);
        text_right(t,
                   c == BYTES  ? LOOK_STRONG
                   : c == RANK ? LOOK_DIM
                               : LOOK_PLAIN,
                   cells.text[c].text, width[c]);
    }
    text_pad(t, 3);
    print_when(t, site);
    strbuf_addc(t->out, '\n');
    if (with_name) {
        text_pad(t, INDENT);
        text_add_foreign(t, LOOK_NAME, text_text(site, "name"),
                         t->style.cut ? t->style.width - INDENT : 0);
        strbuf_addc(t->out, '\n');
    }
    print_facts(t, r, site);
    text_frames(t, site, INDENT - 2);
}

static void print_sites(struct text *t, const struct result *r)
{
    const struct result *sites = field(r, "sites");
    size_t width[COLUMNS];
    if (result_length(sites) == 0)
        return;
    const char *by = text_text(r, "by");
    bool with_name = strcmp(by, "module") == 0 || strcmp(by, "source") == 0;
    measure(width, sites);
    strbuf_addc(t->out, '\n');
    print_heads(t, width, text_has(r, "inherited") && text_bool(field(r, "inherited"), "shown"));
    for (size_t i = 0; i < result_length(sites); i++) {
        if (i)
            strbuf_addc(t->out, '\n');
        print_site(t, r, result_at(sites, i), i + 1, width, with_name);
    }
}

/* ------------------------------------------------------------------ what is not shown */

static void print_note(struct text *t, struct strbuf *words)
{
    text_paragraph(t, words->text, 0, 2);
    strbuf_reset(words);
}

static void add_how(struct strbuf *words, const char *option, const char *does)
{
    strbuf_addf(words, TEXT_FAINT "; %s %s" TEXT_OFF, option, does);
}

static void print_suppressed(struct text *t, const struct result *r, struct strbuf *words)
{
    const struct result *suppressed = field(r, "suppressed"), *builtin = field(r, "builtin");
    if (text_number(suppressed, "sites") > 0) {
        text_plural(words, text_number(suppressed, "sites"), "call site", "call sites");
        strbuf_addf(words, " suppressed by your rules, %s",
                    human_bytes(text_number(suppressed, "bytes")).text);
        add_how(words, "--show-suppressed", "lists them");
        print_note(t, words);
    }
    const struct result *unused = field(suppressed, "unused");
    if (result_length(unused) > 0) {
        text_plural(words, result_length(unused), "rule matched", "rules matched");
        strbuf_adds(words, " nothing: ");
        text_rules(words, unused);
        print_note(t, words);
    }
    if (text_number(builtin, "sites") > 0 && !text_bool(builtin, "shown")) {
        text_plural(words, text_number(builtin, "sites"), "call site", "call sites");
        strbuf_addf(words, " of known library start-up, %s",
                    human_bytes(text_number(builtin, "bytes")).text);
        add_how(words, "--show-builtin", "lists them");
        print_note(t, words);
    }
}

static void print_hidden(struct text *t, const struct result *hidden, struct strbuf *words)
{
    uint64_t sites = text_number(hidden, "sites"), small = text_number(hidden, "small_sites");
    text_plural(words, sites, "more call site", "more call sites");
    strbuf_addf(
        words, ", %s",
        human_bytes(text_number(hidden, "bytes") + text_number(hidden, "indirect_bytes")).text);
    if (small == sites)
        strbuf_adds(words, ", below --min-bytes or --min-blocks");
    else if (small > 0)
        strbuf_addf(words, ", %s of them below --min-bytes or --min-blocks",
                    human_count(small).text);
    if (small < sites)
        add_how(words, "--top=all", small ? "shows the others" : "shows them");
    print_note(t, words);
}

/* Whether a frame shown has such a flag, so that the mark before it is explained. */
static bool any_frame(const struct result *sites, const char *flag)
{
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *frames = field(result_at(sites, i), "frames");
        for (size_t j = 0; j < result_length(frames); j++)
            if (text_bool(result_at(frames, j), flag))
                return true;
    }
    return false;
}

static void print_notes(struct text *t, const struct result *r)
{
    struct strbuf words = {0};
    const struct result *hidden = field(r, "hidden"), *filtered = field(r, "filtered_out");
    const struct result *sites = field(r, "sites");
    size_t before = t->out->length;
    strbuf_addc(t->out, '\n');
    size_t start = t->out->length;
    if (text_number(hidden, "sites") > 0)
        print_hidden(t, hidden, &words);
    if (text_number(filtered, "blocks") > 0) {
        text_plural(&words, text_number(filtered, "blocks"), "block", "blocks");
        strbuf_addf(&words, " %s, %s",
                    text_bool(filtered, "by_window") ? "older than the window"
                    : text_text(field(r, "window"), "from")[0]
                        ? "older than the window or left out by the filters"
                        : "left out by the filters",
                    human_bytes(text_number(filtered, "bytes")).text);
        print_note(t, &words);
    }
    print_suppressed(t, r, &words);
    if (any_frame(sites, "suspect")) {
        strbuf_adds(&words, TEXT_WARN
                    "?" TEXT_OFF
                    " no call instruction stands before this return address: the frame may "
                    "be wrong");
        print_note(t, &words);
    }
    if (any_frame(sites, "guessed")) {
        strbuf_adds(&words,
                    TEXT_WARN "~" TEXT_OFF " found by frame pointer, for want of unwind data");
        print_note(t, &words);
    }
    if (t->out->length == start) {
        t->out->length = before; /* nothing to say, no empty line */
        t->out->text[before] = '\0';
    }
    strbuf_release(&words);
}

void text_leaks(struct text *t, const struct result *result, const struct result *completeness)
{
    text_completeness(t, completeness);
    print_answer(t, result, text_bool(completeness, "complete"));
    print_context(t, result);
    text_site_by_way_of(t, result);
    text_leaks_graph_context(t, result);
    print_inherited(t, result);
    print_pools(t, result);
    print_sites(t, result);
    print_notes(t, result);
}
