/* SPDX-License-Identifier: MIT */
#include "report/text_leaks_graph.h"

#include "util/human.h"

#include <string.h>

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

bool text_leaks_has_graph(const struct result *r)
{
    return text_has(r, "graph");
}

uint64_t text_leaks_bytes(const struct result *site)
{
    return text_number(site, "bytes") + text_number(field(site, "indirect"), "bytes");
}

uint64_t text_leaks_blocks(const struct result *site)
{
    return text_number(site, "blocks") + text_number(field(site, "indirect"), "blocks");
}

/* "at exit", "at 1.5 s" */
static void add_moment(struct strbuf *words, const struct result *r)
{
    const struct result *graph = field(r, "graph");
    if (strcmp(text_text(graph, "trigger"), "exit") == 0)
        strbuf_adds(words, "at exit");
    else
        strbuf_addf(words, "at %s", human_ns(text_number(graph, "time_ns")).text);
}

static void add_figures(struct strbuf *words, uint64_t bytes, uint64_t blocks)
{
    strbuf_addf(words, "%s in ", human_bytes(bytes).text);
    text_plural(words, blocks, "block", "blocks");
}

static void add_amount(struct strbuf *words, const struct result *amount)
{
    add_figures(words, text_number(amount, "bytes"), text_number(amount, "blocks"));
}

static void add_nothing(struct strbuf *words, const struct result *r)
{
    const struct result *total = field(r, "total");
    bool rules = text_number(field(r, "suppressed"), "sites") > 0;
    bool known = text_number(field(r, "builtin"), "sites") > 0;
    if (text_number(field(r, "filtered_out"), "blocks") > 0)
        strbuf_addf(words, "Nothing that matches the filters is %s.", text_text(r, "word"));
    else if (rules)
        strbuf_addf(words, "Nothing %s is left by your rules.", text_text(r, "word"));
    else if (known)
        strbuf_addf(words, "Nothing but what libraries keep from their start-up is %s.",
                    text_text(r, "word"));
    else
        strbuf_addf(words, "Nothing is %s.", text_text(r, "word"));
    if (text_number(total, "blocks") == 0)
        strbuf_adds(words, " Every block had been freed.");
}

bool text_leaks_graph_answer(struct strbuf *words, const struct result *r)
{
    const struct result *matched = field(r, "matched");
    uint64_t blocks = text_number(matched, "blocks");
    uint64_t indirect = text_number(matched, "indirect_blocks");
    if (blocks == 0) {
        add_nothing(words, r);
        return false;
    }
    strbuf_adds(words, TEXT_STRONG);
    strbuf_addf(words, "%s" TEXT_OFF " in " TEXT_STRONG,
                human_bytes(text_number(matched, "bytes")).text);
    text_plural(words, blocks, "block", "blocks");
    strbuf_addf(words, TEXT_OFF " %s %s", blocks == 1 ? "is" : "are", text_text(r, "word"));
    if (indirect > 0) {
        strbuf_addf(words, ", and with %s " TEXT_STRONG "%s" TEXT_OFF " in ",
                    blocks == 1 ? "it" : "them",
                    human_bytes(text_number(matched, "indirect_bytes")).text);
        text_plural(words, indirect, "block", "blocks");
        strbuf_adds(words, " that nothing else leads to");
    }
    return true;
}

/* ------------------------------------------------------------------ what else was live */

static bool shows(const struct result *r, const char *kind)
{
    const struct result *kinds = field(r, "kinds");
    for (size_t i = 0; i < result_length(kinds); i++)
        if (strcmp(result_at(kinds, i)->u.text, kind) == 0)
            return true;
    return false;
}

/* One of the kinds that are not shown: "46.9 KiB in 1,000 blocks are still reachable". */
static void add_other(struct strbuf *others, const struct result *r, const char *kind,
                      const char *word)
{
    const struct result *amount = field(field(r, "total"), kind);
    if (shows(r, kind) || text_number(amount, "blocks") == 0)
        return;
    strbuf_adds(others, others->length ? ", " : "");
    add_amount(others, amount);
    strbuf_addf(others, " %s %s", text_number(amount, "blocks") == 1 ? "is" : "are", word);
}

static void print_others(struct text *t, const struct result *r)
{
    static const char *const kinds[] = {"definite", "indirect", "possible", "reachable"};
    struct strbuf words = {0}, others = {0};
    uint64_t blocks = 0, bytes = 0; /* of what the sites are about: inherited ones, or all others */
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct result *amount = field(field(r, "total"), kinds[i]);
        blocks += text_number(amount, "blocks");
        bytes += text_number(amount, "bytes");
    }
    if (blocks == 0)
        return;
    add_other(&others, r, "definite", "definitely lost");
    add_other(&others, r, "possible", "possibly lost");
    add_other(&others, r, "reachable", "still reachable");
    strbuf_adds(&words, others.length ? TEXT_FAINT "Of " : TEXT_FAINT);
    add_figures(&words, bytes, blocks);
    if (!others.length)
        strbuf_adds(&words, blocks == 1 ? " was" : " were");
    strbuf_adds(&words, " live ");
    add_moment(&words, r);
    if (others.length)
        strbuf_addf(&words, ", %s; --show=all lists all", others.text);
    strbuf_adds(&words, "." TEXT_OFF);
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&others);
    strbuf_release(&words);
}

static void print_missed(struct text *t, const struct result *r)
{
    uint64_t missed = text_number(field(r, "graph"), "missed_threads");
    struct strbuf words = {0};
    if (missed == 0)
        return;
    text_plural(&words, missed, "thread", "threads");
    strbuf_addf(
        &words,
        " did not stop in time for the graph: whatever %s stack%s held counts as a pointer.",
        missed == 1 ? "its" : "their", missed == 1 ? "" : "s");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

static void print_no_graph(struct text *t, const struct result *r)
{
    const char *why = text_text(r, "no_graph");
    struct strbuf words = {0};
    if (!why[0] || text_number(field(r, "total"), "blocks") == 0)
        return;
    strbuf_addf(&words, TEXT_FAINT "Which of these are leaks only a heap graph tells (%s): ", why);
    text_words_ours(&words, "seep run --snapshot=exit");
    strbuf_adds(&words, " records one." TEXT_OFF);
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

void text_leaks_graph_context(struct text *t, const struct result *r)
{
    if (!text_leaks_has_graph(r)) {
        print_no_graph(t, r);
        return;
    }
    print_others(t, r);
    print_missed(t, r);
}

/* ------------------------------------------------------------------ a site */

static const char *kind_words(const char *kind)
{
    return strcmp(kind, "definite") == 0   ? "definitely lost"
           : strcmp(kind, "possible") == 0 ? "possibly lost"
                                           : "still reachable";
}

void text_leaks_graph_facts(struct strbuf *words, const struct result *r, const struct result *site)
{
    uint64_t blocks = text_number(site, "blocks");
    uint64_t indirect = text_number(field(site, "indirect"), "blocks");
    uint64_t ignored = text_number(site, "ignored_blocks");
    if (!text_has(site, "kind"))
        return;
    if (result_length(field(r, "kinds")) > 1)
        strbuf_adds(words, kind_words(text_text(site, "kind")));
    if (indirect > 0) {
        strbuf_addf(words, "%s%s lost, and with %s %s that nothing else leads to",
                    words->length ? ", " : "", human_count(blocks).text,
                    blocks == 1 ? "it" : "them", human_count(indirect).text);
    }
    if (ignored > 0)
        strbuf_addf(words, "%s%s of them on purpose", words->length ? ", " : "",
                    human_count(ignored).text);
}
