/* SPDX-License-Identifier: MIT */
#include "report/json.h"

#include "util/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_add_text(struct strbuf *out, const char *text, size_t length)
{
    strbuf_addc(out, '"');
    while (length > 0) {
        /* the plain stretch first: most texts are nothing else */
        size_t plain = 0;
        while (plain < length && (unsigned char)text[plain] >= 0x20 &&
               (unsigned char)text[plain] < 0x7f && text[plain] != '"' && text[plain] != '\\')
            plain++;
        strbuf_add(out, text, plain);
        text += plain;
        length -= plain;
        if (length == 0)
            break;
        uint32_t c;
        size_t bytes = utf8_decode(text, length, &c);
        if (!bytes) {
            strbuf_adds(out, "\xef\xbf\xbd");
            bytes = 1;
        } else if (c == '"' || c == '\\') {
            strbuf_addc(out, '\\');
            strbuf_addc(out, (char)c);
        } else if (c == '\n') {
            strbuf_adds(out, "\\n");
        } else if (c == '\t') {
            strbuf_adds(out, "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_addf(out, "\\u%04x", c);
        } else {
            strbuf_add(out, text, bytes);
        }
        text += bytes;
        length -= bytes;
    }
    strbuf_addc(out, '"');
}

/* The shortest digits that read back as the same number. */
static void add_real(struct strbuf *out, double value)
{
    if (!isfinite(value)) {
        strbuf_adds(out, "null");
        return;
    }
    char digits[32];
    for (int precision = 6; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) /* NOLINT: exactly equal is what is wanted */
            break;
    }
    strbuf_adds(out, digits);
}

static void add_leaf(struct strbuf *out, const struct result *r)
{
    switch (r->type) {
    case RESULT_INTEGER:
        if (r->unit == UNIT_ADDRESS)
            strbuf_addf(out, "\"0x%" PRIx64 "\"", r->u.count);
        else if (r->unit == UNIT_NONE)
            strbuf_addf(out, "%" PRId64, r->u.integer);
        else
            strbuf_addf(out, "%" PRIu64, r->u.count);
        break;
    case RESULT_REAL: add_real(out, r->u.real); break;
    case RESULT_TEXT: json_add_text(out, r->u.text, strlen(r->u.text)); break;
    case RESULT_BOOL: strbuf_adds(out, r->u.boolean ? "true" : "false"); break;
    default: strbuf_adds(out, "null"); break;
    }
}

static bool is_leaf(const struct result *r)
{
    return r->type != RESULT_OBJECT && r->type != RESULT_ARRAY;
}

/* Arrays of leaves stand on one line, and so do small objects within arrays and objects: a frame of
 * a stack is a line. */
static bool on_one_line(const struct result *r, unsigned depth)
{
    if (r->type == RESULT_OBJECT && (depth < 2 || result_length(r) > 10))
        return result_length(r) == 0;
    for (size_t i = 0; i < result_length(r); i++)
        if (!is_leaf(result_at(r, i)))
            return false;
    return true;
}

static void new_line(struct strbuf *out, unsigned depth)
{
    strbuf_addc(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        strbuf_adds(out, "  ");
}

static void add_value(struct strbuf *out, const struct result *r, unsigned depth)
{
    if (!r || is_leaf(r)) {
        if (r)
            add_leaf(out, r);
        else
            strbuf_adds(out, "null");
        return;
    }
    bool object = r->type == RESULT_OBJECT, one_line = on_one_line(r, depth);
    strbuf_addc(out, object ? '{' : '[');
    for (size_t i = 0; i < result_length(r); i++) {
        const struct result *child = result_at(r, i);
        if (i > 0)
            strbuf_adds(out, one_line ? ", " : ",");
        if (!one_line)
            new_line(out, depth + 1);
        if (object) {
            json_add_text(out, child->name, strlen(child->name));
            strbuf_adds(out, ": ");
        }
        add_value(out, child, depth + 1);
    }
    if (!one_line)
        new_line(out, depth);
    strbuf_addc(out, object ? '}' : ']');
}

void json_report(struct strbuf *out, const struct report *report)
{
    strbuf_adds(out, "{\n  \"schema\": ");
    json_add_text(out, report->schema, strlen(report->schema));
    strbuf_addf(out, ",\n  \"version\": %u,\n  \"completeness\": ", report->version);
    add_value(out, report->completeness, 1);
    strbuf_adds(out, ",\n  \"result\": ");
    add_value(out, report->result, 1);
    strbuf_adds(out, "\n}\n");
}
