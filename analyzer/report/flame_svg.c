/* SPDX-License-Identifier: MIT
 *
 * Each frame is an <svg> of its own with a place in percent: so the picture is as wide as its
 * window, and a name that is too long is cut at the frame's edge, without a script. */
#include "report/flame_svg.h"

#include "report/function_name.h"
#include "util/human.h"
#include "util/mem.h"
#include "util/utf8.h"
#include "web_flame.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROW 18    /* height of a frame */
#define TOP 116   /* of the first row */
#define LEGEND 72 /* of the modules */
#define WIDTH 1200
#define NAME_COLUMNS 120
#define LEGEND_MAX 8
#define NARROW 0.018 /* share that is too narrow for a name, where no script can tell */

struct module_share {
    const char *module;
    uint64_t self;
};

struct svg {
    struct strbuf *out;
    double total;
    bool bytes;
    unsigned depth;               /* of the deepest row */
    struct module_share *modules; /* owned */
    size_t module_count, module_capacity;
};

static uint64_t number(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_INTEGER ? r->u.count : 0;
}

static const char *text(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_TEXT ? r->u.text : "";
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Foreign text: bytes that are no UTF-8 and control characters never reach the file. */
static void add_text(struct strbuf *out, const char *s)
{
    struct strbuf shown = {0};
    utf8_add_visible(&shown, s, strlen(s));
    for (size_t i = 0; i < shown.length; i++) {
        switch (shown.text[i]) {
        case '<': strbuf_adds(out, "&lt;"); break;
        case '>': strbuf_adds(out, "&gt;"); break;
        case '&': strbuf_adds(out, "&amp;"); break;
        case '"': strbuf_adds(out, "&quot;"); break;
        default: strbuf_addc(out, shown.text[i]);
        }
    }
    strbuf_release(&shown);
}

static struct human value_of(const struct svg *s, uint64_t value)
{
    return s->bytes ? human_bytes(value) : human_count(value);
}

/* ------------------------------------------------------------------ colours */

static uint32_t hash_of(const char *name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 16777619u;
    return h ^ h >> 15;
}

/* A hue for the module; functions differ a little in lightness, so that neighbours can be told
 * apart. */
static void add_colour(struct strbuf *out, const char *module, const char *function)
{
    if (module[0])
        strbuf_addf(out, "hsl(%u 62%% %u%%)", hash_of(base_name(module)) % 360,
                    70 + hash_of(function) % 10);
    else
        strbuf_adds(out, "#bbb");
}

static void count_module(struct svg *s, const char *module, uint64_t self)
{
    for (size_t i = 0; i < s->module_count; i++)
        if (strcmp(s->modules[i].module, module) == 0) {
            s->modules[i].self += self;
            return;
        }
    MEM_GROW(s->modules, s->module_capacity, s->module_count + 1);
    s->modules[s->module_count++] = (struct module_share){module, self};
}

/* ------------------------------------------------------------------ frames */

static void add_title(struct svg *s, const struct result *frame, const char *function)
{
    const char *module = text(frame, "module"), *file = text(frame, "file");
    uint64_t total = number(frame, "total"), self = number(frame, "self");
    add_text(s->out, function);
    strbuf_addf(s->out, " — %s, ", value_of(s, total).text);
    add_text(s->out, human_percent(s->total > 0 ? 100 * (double)total / s->total : 0).text);
    if (self && self < total)
        strbuf_addf(s->out, " (%s by itself)", value_of(s, self).text);
    if (file[0]) {
        strbuf_adds(s->out, " — ");
        add_text(s->out, file);
        if (number(frame, "line"))
            strbuf_addf(s->out, ":%" PRIu64, number(frame, "line"));
    }
    if (module[0]) {
        strbuf_adds(s->out, " — ");
        add_text(s->out, base_name(module));
    }
}

static void add_frame(struct svg *s, const struct result *frame, unsigned depth, double x)
{
    const char *function = text(frame, "function"), *module = text(frame, "module");
    double width = s->total > 0 ? (double)number(frame, "total") / s->total : 1;
    struct strbuf name = {0};
    function_name_fit(&name, function, NAME_COLUMNS);
    strbuf_addf(s->out,
                "<svg class=\"%s\" x=\"%.6g%%\" y=\"%u\" width=\"%.6g%%\" height=\"%u\" "
                "data-x=\"%.8g\" data-w=\"%.8g\" data-d=\"%u\" data-m=\"",
                width < NARROW ? "f narrow" : "f", 100 * x, TOP + depth * ROW, 100 * width, ROW - 1,
                x, width, depth);
    add_text(s->out, base_name(module));
    strbuf_adds(s->out, "\" data-n=\"");
    add_text(s->out, function);
    strbuf_adds(s->out, "\"><title>");
    add_title(s, frame, function);
    strbuf_adds(s->out, "</title><rect width=\"100%\" height=\"100%\" fill=\"");
    add_colour(s->out, module, function);
    strbuf_adds(s->out, "\"/><text x=\"4\" y=\"13\">");
    add_text(s->out, name.text ? name.text : "");
    strbuf_adds(s->out, "</text></svg>\n");
    strbuf_release(&name);
    count_module(s, module, number(frame, "self"));
    if (depth > s->depth)
        s->depth = depth;
}

/* The deepest stacks have some hundred frames. */
static void add_frames(struct svg *s, const struct result *frame, unsigned depth, double x)
{
    add_frame(s, frame, depth, x);
    const struct result *children = result_get(frame, "children");
    for (size_t i = 0; i < result_length(children); i++) {
        const struct result *child = result_at(children, i);
        add_frames(s, child, depth + 1, x);
        x += s->total > 0 ? (double)number(child, "total") / s->total : 0;
    }
}

/* ------------------------------------------------------------------ what stands around them */

static void add_heading(struct svg *s, const struct result *r, const struct result *completeness)
{
    const struct result *window = result_get(r, "window");
    struct strbuf *out = s->out;
    strbuf_adds(out, "<text class=\"page title\" x=\"10\" y=\"22\">");
    add_text(out, base_name(text(r, "exe")));
    strbuf_addf(out, ": %s</text>\n<text class=\"dim\" x=\"10\" y=\"40\">%s", text(r, "words"),
                value_of(s, number(r, "total")).text);
    if (strcmp(text(r, "cost"), "peak") == 0 || strcmp(text(r, "cost"), "live") == 0)
        strbuf_addf(out, " at %s", human_ns(number(r, "moment_ns")).text);
    if (window && window->type == RESULT_OBJECT)
        strbuf_addf(out, ", window %s – %s", human_ns(number(window, "from_ns")).text,
                    human_ns(number(window, "to_ns")).text);
    if (number(r, "left_out"))
        strbuf_addf(out, "; frames too narrow to see are left out, %s of it",
                    value_of(s, number(r, "left_out")).text);
    const struct result *complete = completeness ? result_get(completeness, "complete") : NULL;
    if (complete && !complete->u.boolean)
        strbuf_adds(out, "; the recording is incomplete");
    strbuf_adds(out, "</text>\n");
    strbuf_adds(
        out, "<text id=\"search\" class=\"button\" x=\"10\" y=\"60\" tabindex=\"0\">Search</text>"
             "<text id=\"reset\" class=\"button\" x=\"70\" y=\"60\" tabindex=\"0\" "
             "style=\"display:none\">Reset zoom</text>"
             "<text id=\"found\" class=\"page\" x=\"160\" y=\"60\"></text>\n"
             "<text id=\"line\" class=\"page\" x=\"10\" y=\"104\"></text>\n");
}

static int heaviest_first(const void *a, const void *b)
{
    const struct module_share *x = a, *y = b;
    return x->self != y->self ? (x->self > y->self ? -1 : 1) : strcmp(x->module, y->module);
}

/* Modules by what they allocate themselves. */
static void add_legend(struct svg *s, unsigned y)
{
    if (s->module_count)
        qsort(s->modules, s->module_count, sizeof *s->modules, heaviest_first);
    unsigned x = 10;
    for (size_t i = 0; i < s->module_count && i < LEGEND_MAX && s->modules[i].self; i++) {
        const char *name = s->modules[i].module[0] ? base_name(s->modules[i].module) : "unknown";
        struct human share = human_percent(100 * (double)s->modules[i].self / s->total);
        unsigned columns = (unsigned)(strlen(name) + strlen(share.text)) + 1;
        if (x + 24 + columns * 7 > WIDTH)
            break;
        strbuf_addf(s->out, "<g class=\"legend button\" data-m=\"");
        add_text(s->out, base_name(s->modules[i].module));
        strbuf_addf(s->out, "\"><rect x=\"%u\" y=\"%u\" width=\"11\" height=\"11\" fill=\"", x, y);
        add_colour(s->out, s->modules[i].module, "");
        strbuf_addf(s->out, "\"/><text x=\"%u\" y=\"%u\">", x + 16, y + 10);
        add_text(s->out, name);
        strbuf_addc(s->out, ' ');
        add_text(s->out, share.text);
        strbuf_adds(s->out, "</text></g>\n");
        x += 32 + columns * 7;
    }
}

void flame_svg(struct strbuf *out, const struct report *report)
{
    const struct result *r = report->result;
    struct strbuf body = {0};
    struct svg s = {.out = &body,
                    .total = (double)number(r, "total"),
                    .bytes = strcmp(text(r, "unit"), "bytes") == 0};
    add_heading(&s, r, report->completeness);
    add_frames(&s, result_get(r, "root"), 0, 0);
    unsigned height = TOP + (s.depth + 1) * ROW + 12;
    add_legend(&s, LEGEND);
    strbuf_addf(out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%%\" height=\"%u\" "
                "style=\"min-width:%upx\">\n<style>\n%s</style>\n",
                height, WIDTH / 2, web_flame_css);
    strbuf_add(out, body.text, body.length);
    strbuf_adds(out, "<script><![CDATA[\n");
    strbuf_adds(out, web_flame_js);
    strbuf_adds(out, "]]></script>\n</svg>\n");
    strbuf_release(&body);
    free(s.modules);
}
