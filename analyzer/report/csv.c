/* SPDX-License-Identifier: MIT */
#include "report/csv.h"

#include "util/utf8.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/* Quoted, for names have commas. Spreadsheets take what begins with one of =+-@ for a formula, in
 * quotes, too: an apostrophe in front makes it a text. */
static void add_text(struct strbuf *out, const char *text)
{
    struct strbuf shown = {0};
    utf8_add_visible(&shown, text, strlen(text));
    strbuf_addc(out, '"');
    if (shown.length && strchr("=+-@", shown.text[0]))
        strbuf_addc(out, '\'');
    for (size_t i = 0; i < shown.length; i++) {
        if (shown.text[i] == '"')
            strbuf_addc(out, '"');
        strbuf_addc(out, shown.text[i]);
    }
    strbuf_addc(out, '"');
    strbuf_release(&shown);
}

static void add_value(struct strbuf *out, const struct result *v)
{
    if (!v || v->type == RESULT_NULL)
        return;
    if (v->type == RESULT_REAL)
        strbuf_addf(out, "%.6g", v->u.real);
    else if (v->type == RESULT_INTEGER)
        strbuf_addf(out, "%" PRIu64, v->u.count);
    else if (v->type == RESULT_TEXT)
        add_text(out, v->u.text);
}

/* "push (list.c:5) < lose (list.c:6) < main (list.c:7)" */
static void add_stack(struct strbuf *out, const struct result *frames)
{
    struct strbuf line = {0};
    for (size_t i = 0; i < result_length(frames); i++) {
        const struct result *frame = result_at(frames, i), *file = result_get(frame, "file");
        const struct result *number = result_get(frame, "line");
        strbuf_adds(&line, i ? " < " : "");
        strbuf_adds(&line, result_get(frame, "function")->u.text);
        if (file->type == RESULT_TEXT) {
            strbuf_addf(&line, " (%s", file->u.text);
            if (number->type == RESULT_INTEGER)
                strbuf_addf(&line, ":%" PRIu64, number->u.count);
            strbuf_addc(&line, ')');
        }
    }
    add_text(out, line.text ? line.text : "");
    strbuf_release(&line);
}

void csv_report(struct strbuf *out, const struct report *report)
{
    const struct result *columns = result_get(report->result, "columns");
    const struct result *sites = result_get(report->result, "sites");
    strbuf_adds(out, "name,module");
    for (size_t c = 0; c < result_length(columns); c++)
        strbuf_addf(out, ",%s", result_get(result_at(columns, c), "field")->u.text);
    strbuf_adds(out, ",stack\r\n");
    for (size_t i = 0; i < result_length(sites); i++) {
        const struct result *site = result_at(sites, i);
        add_value(out, result_get(site, "name"));
        strbuf_addc(out, ',');
        add_value(out, result_get(site, "module"));
        for (size_t c = 0; c < result_length(columns); c++) {
            strbuf_addc(out, ',');
            add_value(out, result_get(site, result_get(result_at(columns, c), "field")->u.text));
        }
        strbuf_addc(out, ',');
        add_stack(out, result_get(site, "frames"));
        strbuf_adds(out, "\r\n");
    }
}
