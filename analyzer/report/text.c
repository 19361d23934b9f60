/* SPDX-License-Identifier: MIT */
#include "report/text.h"

#include "util/human.h"
#include "util/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAGRAPH 100 /* wider lines are hard to read */

static const struct {
    const char *schema;
    void (*print)(struct text *t, const struct result *result, const struct result *completeness);
} layouts[] = {
    /* one a line */
    /* clang-format off */
    {"seep.info", text_info},
    {"seep.leaks", text_leaks},
    {"seep.growth", text_growth},
    {"seep.sites", text_sites},
    {"seep.calls", text_calls},
    {"seep.diff", text_diff},
    {"seep.frag", text_frag},
    {"seep.check", text_check},
    {"seep.compare", text_compare},
    {"seep.heap", text_heap},
    /* clang-format on */
};

/* ------------------------------------------------------------------ pieces */

/* Codes of 4-bit colours only: they follow the terminal's own palette, light or dark. */
static const char *const look_on[] = {
    [LOOK_PLAIN] = "",          [LOOK_STRONG] = "\033[1m",  [LOOK_DIM] = "\033[2m",
    [LOOK_WARN] = "\033[1;33m", [LOOK_NAME] = "\033[1;36m", [LOOK_HEAD] = "\033[1;4m",
};

static void begin(struct text *t, enum text_look look)
{
    if (t->style.colour)
        strbuf_adds(t->out, look_on[look]);
}

static void end(struct text *t, enum text_look look)
{
    if (t->style.colour && look != LOOK_PLAIN)
        strbuf_adds(t->out, "\033[0m");
}

void text_add(struct text *t, enum text_look look, const char *s)
{
    if (!s[0])
        return;
    begin(t, look);
    strbuf_adds(t->out, s);
    end(t, look);
}

void text_addf(struct text *t, enum text_look look, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    text_add(t, look, line);
}

size_t text_add_foreign(struct text *t, enum text_look look, const char *s, size_t columns)
{
    struct strbuf shown = {0};
    utf8_add_visible(&shown, s, strlen(s));
    size_t width = shown.text ? utf8_width(shown.text, shown.length) : 0;
    begin(t, look);
    if (columns == 0 || width <= columns) {
        strbuf_add(t->out, shown.text ? shown.text : "", shown.length);
    } else {
        size_t bytes = utf8_fit(shown.text, shown.length, columns - 1);
        width = utf8_width(shown.text, bytes) + 1;
        strbuf_add(t->out, shown.text, bytes);
        strbuf_adds(t->out, "…");
    }
    end(t, look);
    strbuf_release(&shown);
    return width;
}

void text_pad(struct text *t, size_t columns)
{
    while (columns-- > 0)
        strbuf_addc(t->out, ' ');
}

void text_right(struct text *t, enum text_look look, const char *s, size_t width)
{
    size_t has = utf8_width(s, strlen(s));
    text_pad(t, has < width ? width - has : 0);
    text_add(t, look, s);
}

void text_left(struct text *t, enum text_look look, const char *s, size_t width)
{
    size_t has = utf8_width(s, strlen(s));
    text_add(t, look, s);
    text_pad(t, has < width ? width - has : 0);
}

/* ------------------------------------------------------------------ paragraphs */

/* By the codes \001 .. \005 of TEXT_STRONG .. TEXT_OFF; \006 is a space that does not break. */
static const enum text_look look_of[] = {0,         LOOK_STRONG, LOOK_DIM,
                                         LOOK_WARN, LOOK_NAME,   LOOK_PLAIN};
#define NO_BREAK '\006'

static bool is_code(char c)
{
    return c >= 1 && c <= 5;
}

/* Columns of a word without its codes. */
static size_t word_width(const char *word, size_t length)
{
    size_t columns = 0;
    while (length > 0) {
        size_t plain = 0;
        while (plain < length && !is_code(word[plain]))
            plain++;
        columns += utf8_width(word, plain);
        word += plain;
        length -= plain;
        if (length > 0) {
            word++;
            length--;
        }
    }
    return columns;
}

/* True if `word` is a unit: it stays on the line of its number. */
static bool is_unit(const char *word, size_t length)
{
    static const char *const units[] = {"B",  "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "%",
                                        "ns", "µs",  "ms",  "s",   "min", "h",   "d"};
    while (length > 0 && (is_code(word[length - 1]) || strchr(".,;:)", word[length - 1])))
        length--;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i]) == length && memcmp(units[i], word, length) == 0)
            return true;
    return false;
}

/* Bytes up to where a line may be broken. */
static size_t word_length(const char *words)
{
    size_t length = strcspn(words, " ");
    while (length > 0 && words[length] == ' ' && words[length - 1] >= '0' &&
           words[length - 1] <= '9') {
        size_t next = strcspn(words + length + 1, " ");
        if (!is_unit(words + length + 1, next))
            break;
        length += 1 + next;
    }
    return length;
}

void text_flow(struct text *t, const char *words, size_t column, size_t indent)
{
    size_t margin = t->style.width < PARAGRAPH ? t->style.width : PARAGRAPH;
    enum text_look look = LOOK_PLAIN;
    bool fresh = true;
    while (*words) {
        size_t length = word_length(words);
        size_t width = word_width(words, length);
        if (!fresh && column + 1 + width > margin) {
            end(t, look); /* looks do not run over the margin */
            strbuf_addc(t->out, '\n');
            text_pad(t, indent);
            begin(t, look);
            column = indent;
        } else if (!fresh) {
            strbuf_addc(t->out, ' ');
            column++;
        }
        for (size_t i = 0; i < length; i++) {
            if (is_code(words[i])) {
                end(t, look);
                look = look_of[(int)words[i]];
                begin(t, look);
            } else {
                strbuf_addc(t->out, words[i] == NO_BREAK ? ' ' : words[i]);
            }
        }
        column += width;
        fresh = false;
        words += length;
        words += *words == ' ';
    }
    end(t, look);
    strbuf_addc(t->out, '\n');
}

void text_paragraph(struct text *t, const char *words, size_t first_indent, size_t indent)
{
    text_pad(t, first_indent);
    text_flow(t, words, first_indent, indent);
}

void text_words_ours(struct strbuf *words, const char *s)
{
    for (; *s; s++)
        strbuf_addc(words, *s == ' ' ? NO_BREAK : *s);
}

void text_words_foreign(struct strbuf *words, const char *s)
{
    struct strbuf shown = {0};
    utf8_add_visible(&shown, s, strlen(s));
    text_words_ours(words, shown.text ? shown.text : "");
    strbuf_release(&shown);
}

void text_plural(struct strbuf *words, uint64_t count, const char *one, const char *many)
{
    strbuf_addf(words, "%s %s", human_count(count).text, count == 1 ? one : many);
}

/* ------------------------------------------------------------------ fields */

uint64_t text_number(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_INTEGER ? r->u.count : 0;
}

const char *text_text(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_TEXT ? r->u.text : "";
}

bool text_bool(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_BOOL && r->u.boolean;
}

double text_real(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_REAL ? r->u.real : 0;
}

bool text_has(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type != RESULT_NULL;
}

#define RULES_SHOWN 3

void text_rules(struct strbuf *words, const struct result *rules)
{
    size_t count = result_length(rules), shown = count < RULES_SHOWN ? count : RULES_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        const struct result *rule = result_at(rules, i);
        strbuf_adds(words, i ? ", " : "");
        text_words_foreign(words, text_text(rule, "pattern"));
        strbuf_adds(words, " (");
        text_words_foreign(words, text_text(rule, "file"));
        strbuf_addf(words, ":%s)", human_count(text_number(rule, "line")).text);
    }
    if (count > shown)
        strbuf_addf(words, " and %zu more", count - shown);
}

/* ------------------------------------------------------------------ reports */

/* A paragraph of its own: `heading` and the texts of `array`. */
static void print_sentence(struct text *t, const char *heading, const struct result *array)
{
    struct strbuf words = {0};
    strbuf_addf(&words, TEXT_WARN "%s:" TEXT_OFF, heading);
    for (size_t i = 0; i < result_length(array); i++)
        strbuf_addf(&words, "%s %s", i ? ";" : "", result_at(array, i)->u.text);
    strbuf_adds(&words, ".");
    text_paragraph(t, words.text, 0, 0);
    strbuf_addc(t->out, '\n');
    strbuf_release(&words);
}

void text_completeness(struct text *t, const struct result *completeness)
{
    if (!completeness)
        return;
    if (!text_bool(completeness, "complete"))
        print_sentence(t, "Incomplete recording", result_get(completeness, "reasons"));
    const struct result *unseen = result_get(completeness, "unseen");
    if (unseen && result_length(unseen))
        print_sentence(t, "Not recorded", unseen);
}

static void print_tree(struct text *t, const struct result *r, size_t indent)
{
    if (r->name || indent)
        text_pad(t, indent * 2);
    if (r->name)
        text_addf(t, LOOK_NAME, "%s", r->name);
    if (r->type == RESULT_OBJECT || r->type == RESULT_ARRAY) {
        strbuf_addc(t->out, '\n');
        for (size_t i = 0; i < result_length(r); i++)
            print_tree(t, result_at(r, i), indent + 1);
        return;
    }
    text_pad(t, r->name ? 2 : 0);
    switch (r->type) {
    case RESULT_TEXT: text_add_foreign(t, LOOK_PLAIN, r->u.text, 0); break;
    case RESULT_BOOL: text_add(t, LOOK_PLAIN, r->u.boolean ? "yes" : "no"); break;
    case RESULT_REAL:
        if (r->unit == UNIT_PERCENT)
            text_add(t, LOOK_PLAIN, human_percent(r->u.real).text);
        else
            text_addf(t, LOOK_PLAIN, "%.6g", r->u.real);
        break;
    case RESULT_INTEGER:
        if (r->unit == UNIT_BYTES)
            text_add(t, LOOK_PLAIN, human_bytes(r->u.count).text);
        else if (r->unit == UNIT_NS)
            text_add(t, LOOK_PLAIN, human_ns(r->u.count).text);
        else if (r->unit == UNIT_COUNT)
            text_add(t, LOOK_PLAIN, human_count(r->u.count).text);
        else if (r->unit == UNIT_ADDRESS)
            text_addf(t, LOOK_PLAIN, "0x%" PRIx64, r->u.count);
        else
            text_addf(t, LOOK_PLAIN, "%" PRId64, r->u.integer);
        break;
    default: text_add(t, LOOK_DIM, "-"); break;
    }
    strbuf_addc(t->out, '\n');
}

/* What our own texts use beyond ASCII, for terminals that have nothing else. */
static const char *ascii_for(uint32_t c)
{
    switch (c) {
    case 0xb2: return "2";   /* squared */
    case 0xb5: return "u";   /* micro sign */
    case 0xd7: return "x";   /* times */
    case 0x2013: return "-"; /* en dash */
    case 0x2026: return "...";
    case 0xb7: return "-"; /* middle dot */
    case 0x2192: return "->";
    case 0x2190: return "<-";
    default: return "?";
    }
}

static void add_ascii(struct strbuf *out, const struct strbuf *text)
{
    for (size_t i = 0; i < text->length;) {
        uint32_t c;
        size_t bytes = utf8_decode(text->text + i, text->length - i, &c);
        if (bytes > 1)
            strbuf_adds(out, ascii_for(c));
        else
            strbuf_addc(out, text->text[i]);
        i += bytes ? bytes : 1;
    }
}

void text_report(struct strbuf *out, const struct report *report, const struct text_style *style)
{
    struct strbuf body = {0};
    struct text t = {.out = &body, .style = *style};
    if (t.style.width < 40)
        t.style.width = 40;
    bool printed = false;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0] && !printed; i++) {
        if (strcmp(layouts[i].schema, report->schema) == 0) {
            layouts[i].print(&t, report->result, report->completeness);
            printed = true;
        }
    }
    if (!printed) {
        text_completeness(&t, report->completeness);
        for (size_t i = 0; i < result_length(report->result); i++)
            print_tree(&t, result_at(report->result, i), 0);
    }
    if (style->utf8)
        strbuf_add(out, body.text ? body.text : "", body.length);
    else
        add_ascii(out, &body);
    strbuf_release(&body);
}
