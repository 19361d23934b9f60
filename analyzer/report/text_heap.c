/* SPDX-License-Identifier: MIT
 *
 * `seep heap` for people: who keeps memory alive, and the way to a block. */
#include "report/text_frames.h"

#include "util/human.h"
#include "util/utf8.h"

#include <string.h>

#define NAME_COLUMNS 60
#define INDENT 4

static const struct result *field(const struct result *object, const char *name)
{
    return result_get(object, name);
}

/* ------------------------------------------------------------------ names */

/* "cache.c:12", or the module's base name where the source is not known; nothing where neither is.
 */
static void add_place(struct strbuf *out, const struct result *r)
{
    const char *path = text_has(r, "file") ? text_text(r, "file") : text_text(r, "module");
    const char *slash = strrchr(path, '/');
    if (!path[0])
        return;
    strbuf_adds(out, " (");
    text_words_foreign(out, slash && slash[1] ? slash + 1 : path);
    if (text_has(r, "file") && text_has(r, "line"))
        strbuf_addf(out, ":%d", (int)text_number(r, "line"));
    strbuf_adds(out, ")");
}

/* "g_cache (cache.c:12)" */
static void add_name(struct strbuf *words, const struct result *r)
{
    struct strbuf shown = {0};
    text_frame_function(&shown, text_text(r, "name"), NAME_COLUMNS, true);
    strbuf_adds(words, TEXT_NAME);
    text_words_ours(words, shown.text ? shown.text : "");
    strbuf_adds(words, TEXT_OFF);
    add_place(words, r);
    strbuf_release(&shown);
}

static void add_amount(struct strbuf *words, uint64_t bytes, uint64_t blocks)
{
    strbuf_addf(words, "%s in ", human_bytes(bytes).text);
    text_plural(words, blocks, "block", "blocks");
}

/* ------------------------------------------------------------------ the answer */

static void print_answer(struct text *t, const struct result *r)
{
    const struct result *total = field(r, "total"), *first = result_at(field(r, "keepers"), 0);
    const struct result *graph = field(r, "graph");
    struct strbuf words = {0};
    if (!text_has(r, "graph")) {
        strbuf_addf(&words, "There is no heap graph: %s. ", text_text(r, "no_graph"));
        text_words_ours(&words, "seep run --snapshot=exit");
        strbuf_adds(&words, " records one.");
    } else if (!first) {
        strbuf_adds(&words, "Nothing was live.");
    } else {
        add_amount(&words, text_number(total, "bytes"), text_number(total, "blocks"));
        strbuf_addf(&words, " %s live ", text_number(total, "blocks") == 1 ? "was" : "were");
        if (strcmp(text_text(graph, "trigger"), "exit") == 0)
            strbuf_adds(&words, "at exit");
        else
            strbuf_addf(&words, "at %s", human_ns(text_number(graph, "time_ns")).text);
        strbuf_adds(&words, "; ");
        add_name(&words, first);
        strbuf_addf(&words, " keeps %s.", human_percent(text_real(first, "share_percent")).text);
    }
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
}

/* ------------------------------------------------------------------ lists */

enum { RETAINED, SHARE, BLOCKS, OWN, COLUMNS };

struct list {
    const struct result *rows;
    const char *bytes, *blocks, *own; /* names of the fields; own may be NULL */
    const char *heads[COLUMNS];
};

static struct human cell(const struct list *l, const struct result *row, int column)
{
    switch (column) {
    case RETAINED: return human_bytes(text_number(row, l->bytes));
    case SHARE: return human_percent(text_real(row, "share_percent"));
    case BLOCKS: return human_count(text_number(row, l->blocks));
    default: return human_bytes(text_number(row, l->own));
    }
}

static int columns_of(const struct list *l)
{
    return l->own ? COLUMNS : OWN;
}

static void measure(const struct list *l, size_t width[COLUMNS])
{
    for (int c = 0; c < columns_of(l); c++) {
        width[c] = strlen(l->heads[c]);
        for (size_t i = 0; i < result_length(l->rows); i++) {
            struct human text = cell(l, result_at(l->rows, i), c);
            size_t has = utf8_width(text.text, strlen(text.text));
            width[c] = has > width[c] ? has : width[c];
        }
    }
}

/* "  → hashtable_new (hash.c:30) 9.8 MiB" for each site that most is retained through */
static void print_through(struct text *t, const struct result *row)
{
    const struct result *steps = field(row, "through");
    struct strbuf words = {0};
    for (size_t i = 0; i < result_length(steps); i++) {
        const struct result *step = result_at(steps, i);
        strbuf_adds(&words, i ? " → " : "→ ");
        add_name(&words, step);
        strbuf_adds(&words, TEXT_FAINT " ");
        text_words_ours(&words, human_bytes(text_number(step, "bytes")).text);
        strbuf_adds(&words, TEXT_OFF);
    }
    if (words.length) {
        text_pad(t, INDENT);
        text_flow(t, words.text, INDENT, INDENT + 2);
    }
    strbuf_release(&words);
}

static const char *kind_note(const struct result *row)
{
    return strcmp(text_text(row, "kind"), "shared") == 0 ? ", held by several" : "";
}

static void print_list(struct text *t, const struct list *l, const char *title, uint64_t hidden)
{
    size_t width[COLUMNS], column = 0;
    if (result_length(l->rows) == 0)
        return;
    measure(l, width);
    strbuf_addc(t->out, '\n');
    for (int c = 0; c < columns_of(l); c++) {
        text_pad(t, c ? 3 : 0);
        text_right(t, LOOK_DIM, l->heads[c], width[c]);
        column += width[c] + (c ? 3 : 0);
    }
    text_pad(t, 3);
    text_add(t, LOOK_DIM, title);
    strbuf_addc(t->out, '\n');
    for (size_t i = 0; i < result_length(l->rows); i++) {
        const struct result *row = result_at(l->rows, i);
        struct strbuf words = {0};
        for (int c = 0; c < columns_of(l); c++) {
            text_pad(t, c ? 3 : 0);
            text_right(t, c == RETAINED ? LOOK_STRONG : LOOK_PLAIN, cell(l, row, c).text, width[c]);
        }
        text_pad(t, 3);
        add_name(&words, row);
        strbuf_adds(&words, kind_note(row));
        text_flow(t, words.text, column + 3, column + 5);
        strbuf_release(&words);
        print_through(t, row);
    }
    if (hidden) {
        struct strbuf words = {0};
        strbuf_addf(&words, TEXT_FAINT "%s more; --top=all shows them" TEXT_OFF,
                    human_count(hidden).text);
        text_paragraph(t, words.text, 0, 0);
        strbuf_release(&words);
    }
}

static void print_lists(struct text *t, const struct result *r)
{
    const struct list keepers = {
        field(r, "keepers"), "bytes", "blocks", NULL, {"keeps", "share", "blocks", NULL}};
    const struct list sites = {field(r, "sites"),
                               "retained_bytes",
                               "retained_blocks",
                               "bytes",
                               {"keeps", "share", "blocks", "own"}};
    const struct list classes = {field(r, "classes"),
                                 "retained_bytes",
                                 "retained_blocks",
                                 "bytes",
                                 {"keeps", "share", "blocks", "own"}};
    print_list(t, &keepers, "who", text_number(r, "keepers_hidden"));
    print_list(t, &sites, "blocks made by", text_number(r, "sites_hidden"));
    print_list(t, &classes, "objects of", text_number(r, "classes_hidden"));
}

/* ------------------------------------------------------------------ the path */

static void print_path(struct text *t, const struct result *r)
{
    const struct result *path = field(r, "path"), *steps = field(path, "steps");
    struct strbuf words = {0};
    if (!text_has(r, "path"))
        return;
    strbuf_addc(t->out, '\n');
    for (size_t i = 0; i < result_length(steps); i++) {
        const struct result *step = result_at(steps, i);
        if (i)
            strbuf_adds(&words, text_bool(step, "interior") ? " ⇢ " : " → ");
        add_name(&words, step);
        if (i) {
            strbuf_addf(&words, TEXT_FAINT " 0x%llx, %s",
                        (unsigned long long)text_number(step, "address"),
                        human_bytes(text_number(step, "bytes")).text);
            if (text_has(step, "class")) {
                strbuf_adds(&words, ", ");
                text_words_foreign(&words, text_text(step, "class"));
            }
            strbuf_adds(&words, TEXT_OFF);
        }
    }
    text_paragraph(t, words.text, 0, 2);
    strbuf_reset(&words);
    if (text_bool(path, "interior")) {
        strbuf_adds(&words, TEXT_FAINT "⇢ points inside a block" TEXT_OFF);
        text_paragraph(t, words.text, 0, 0);
    }
    strbuf_release(&words);
}

void text_heap(struct text *t, const struct result *result, const struct result *completeness)
{
    text_completeness(t, completeness);
    print_answer(t, result);
    if (text_has(result, "path"))
        print_path(t, result);
    else
        print_lists(t, result);
}
