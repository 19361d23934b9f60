/* SPDX-License-Identifier: MIT */
#include "report/massif.h"

#include "util/utf8.h"

#include <inttypes.h>
#include <string.h>

/* A field of a line, on one line. */
static void add_text(struct strbuf *out, const struct result *text, const char *missing)
{
    const char *s = text && text->type == RESULT_TEXT ? text->u.text : missing;
    utf8_add_visible(out, s, strlen(s));
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* "push(char const*) (list.c:5)", "push (in /usr/lib/libx.so)" */
static void add_function(struct strbuf *out, const struct result *frame)
{
    const struct result *file = result_get(frame, "file"), *module = result_get(frame, "module");
    const struct result *line = result_get(frame, "line");
    add_text(out, result_get(frame, "function"), "???");
    if (file->type == RESULT_TEXT) {
        strbuf_adds(out, " (");
        utf8_add_visible(out, base_name(file->u.text), strlen(base_name(file->u.text)));
        if (line->type == RESULT_INTEGER)
            strbuf_addf(out, ":%" PRIu64, line->u.count);
        strbuf_addc(out, ')');
    } else if (module->type == RESULT_TEXT) {
        strbuf_adds(out, " (in ");
        add_text(out, module, "");
        strbuf_addc(out, ')');
    }
}

static void add_indent(struct strbuf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        strbuf_addc(out, ' ');
}

/* Each line says how many lines stand one deeper below it; what is too small is one of them. */
static void add_frames(struct strbuf *out, const struct result *frame, double min_share,
                       unsigned depth)
{
    const struct result *callers = result_get(frame, "callers"),
                        *small = result_get(frame, "small");
    uint64_t places = result_get(small, "places")->u.count;
    add_indent(out, depth);
    strbuf_addf(out, "n%zu: %" PRIu64 " ", result_length(callers) + (places > 0),
                result_get(frame, "total")->u.count);
    if (depth)
        add_function(out, frame);
    else
        strbuf_adds(out, "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.");
    strbuf_addc(out, '\n');
    for (size_t i = 0; i < result_length(callers); i++)
        add_frames(out, result_at(callers, i), min_share, depth + 1);
    if (!places)
        return;
    add_indent(out, depth + 1);
    strbuf_addf(out,
                "n0: %" PRIu64 " in %" PRIu64 " place%s, %sbelow massif's threshold (%.2f%%)\n",
                result_get(small, "bytes")->u.count, places, places == 1 ? "" : "s",
                places == 1 ? "" : "all ", 100 * min_share);
}

static void add_command(struct strbuf *out, const struct result *r)
{
    const struct result *words = result_get(r, "command");
    strbuf_adds(out, "desc: recorded by seep\ncmd:");
    for (size_t i = 0; i < result_length(words); i++) {
        strbuf_addc(out, ' ');
        add_text(out, result_at(words, i), "");
    }
    if (!result_length(words)) {
        strbuf_addc(out, ' ');
        add_text(out, result_get(r, "exe"), "unknown");
    }
    strbuf_adds(out, "\ntime_unit: ms\n");
}

void massif_report(struct strbuf *out, const struct report *report)
{
    const struct result *moments = result_get(report->result, "moments");
    double min_share = result_get(report->result, "min_share")->u.real;
    add_command(out, report->result);
    for (size_t i = 0; i < result_length(moments); i++) {
        const struct result *m = result_at(moments, i), *tree = result_get(m, "tree");
        bool detailed = tree->type == RESULT_OBJECT;
        strbuf_addf(out,
                    "#-----------\nsnapshot=%zu\n#-----------\ntime=%" PRIu64
                    "\nmem_heap_B=%" PRIu64 "\nmem_heap_extra_B=%" PRIu64
                    "\nmem_stacks_B=0\nheap_tree=%s\n",
                    i, result_get(m, "time_ns")->u.count / 1000000, result_get(m, "bytes")->u.count,
                    result_get(m, "extra_bytes")->u.count,
                    !detailed                          ? "empty"
                    : result_get(m, "peak")->u.boolean ? "peak"
                                                       : "detailed");
        if (detailed)
            add_frames(out, tree, min_share, 0);
    }
}
