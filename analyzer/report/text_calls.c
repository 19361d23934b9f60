/* SPDX-License-Identifier: MIT
 *
 * A tree of calls (analysis/flame.h) for people: callees below callers, or the other way round.
 * What is called from one place alone stands right below it; only where ways part the lines are
 * indented, so that deep stacks stay readable. */
#include "report/text_frames.h"

#include "util/human.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>

#define GAP 2
#define LEAST 20 /* columns for a name */
#define INDENT 2 /* where ways part */

struct calls {
    struct text *t;
    bool bytes, outward;
    uint64_t total;
    size_t total_width, self_width;
    struct strbuf guide; /* in front of the lines of the way in hand */
};

static struct human value_of(const struct calls *c, uint64_t value)
{
    return c->bytes ? human_bytes(value) : human_count(value);
}

static void measure(struct calls *c, const struct result *frame)
{
    size_t total = strlen(value_of(c, text_number(frame, "total")).text);
    size_t self = strlen(value_of(c, text_number(frame, "self")).text);
    c->total_width = total > c->total_width ? total : c->total_width;
    c->self_width = self > c->self_width ? self : c->self_width;
    const struct result *children = result_get(frame, "children");
    for (size_t i = 0; i < result_length(children); i++)
        measure(c, result_at(children, i));
}

static void print_frame(struct calls *c, const struct result *frame, const char *branch)
{
    struct text *t = c->t;
    uint64_t total = text_number(frame, "total"), self = text_number(frame, "self");
    double share = c->total ? 100. * (double)total / (double)c->total : 0;
    struct strbuf name = {0}, place = {0};
    text_right(t, LOOK_PLAIN, human_percent(share).text, strlen("<0.1 %"));
    text_pad(t, GAP);
    text_right(t, LOOK_STRONG, value_of(c, total).text, c->total_width);
    if (!c->outward) {
        text_pad(t, GAP);
        text_right(t, LOOK_PLAIN, self ? value_of(c, self).text : "", c->self_width);
    }
    text_pad(t, GAP);
    text_add(t, LOOK_DIM, c->guide.text ? c->guide.text : "");
    text_add(t, LOOK_DIM, branch);
    size_t column = strlen("<0.1 %") + c->total_width + 2 * (size_t)GAP +
                    (c->outward ? 0 : c->self_width + GAP) +
                    (c->guide.length ? utf8_width(c->guide.text, c->guide.length) : 0) +
                    utf8_width(branch, strlen(branch));
    size_t room = t->style.width > column + LEAST ? t->style.width - column : LEAST;
    text_frame_place(&place, frame);
    const char *slash = place.text ? strrchr(place.text, '/') : NULL;
    const char *base = slash && slash[1] ? slash + 1 : place.text ? place.text : "";
    size_t place_width = base[0] ? utf8_width(base, strlen(base)) + GAP : 0;
    bool placed = place_width && (!t->style.cut || room >= place_width + LEAST);
    size_t columns = t->style.full_names ? SIZE_MAX
                     : !t->style.cut     ? 64
                     : placed            ? room - place_width
                                         : room;
    text_frame_function(&name, text_text(frame, "function"), columns, t->style.cut);
    text_add(t, self && !c->outward ? LOOK_NAME : LOOK_PLAIN, name.text ? name.text : "");
    if (placed) {
        text_pad(t, GAP);
        text_add(t, LOOK_DIM, base);
    }
    strbuf_addc(t->out, '\n');
    strbuf_release(&name);
    strbuf_release(&place);
}

/* What is below `frame`; the deepest stacks have some hundred frames. */
static void print_below(struct calls *c, const struct result *frame)
{
    const struct result *children = result_get(frame, "children");
    size_t count = result_length(children), length = c->guide.length;
    bool utf8 = c->t->style.utf8, alone = count == 1;
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        const char *branch = alone ? "" : utf8 ? (last ? "└ " : "├ ") : (last ? "` " : "+ ");
        if (c->outward && text_frame_is_runtime(result_at(children, i)))
            continue; /* says nothing, and nor does what calls it */
        print_frame(c, result_at(children, i), branch);
        if (!alone)
            strbuf_adds(&c->guide, last ? "  " : utf8 ? "│ " : "| ");
        print_below(c, result_at(children, i));
        c->guide.length = length;
        if (c->guide.text)
            c->guide.text[length] = '\0';
    }
}

static void print_answer(struct text *t, const struct result *r, const struct calls *c)
{
    struct strbuf words = {0};
    const char *function = text_text(r, "function");
    strbuf_addf(&words, TEXT_STRONG "%s" TEXT_OFF "%s %s, ", value_of(c, c->total).text,
                c->bytes ? " of" : "", text_text(r, "words"));
    if (function[0]) {
        strbuf_adds(&words, c->outward ? "by who calls " : "by what is called from ");
        strbuf_adds(&words, TEXT_NAME);
        text_words_foreign(&words, function);
        strbuf_adds(&words, TEXT_OFF ".");
    } else {
        strbuf_adds(&words, c->outward ? "from the allocating functions up to their callers."
                                       : "from the outermost functions down to what they call.");
    }
    uint64_t left = text_number(r, "left_out");
    if (left)
        strbuf_addf(
            &words,
            " Left out are ways with less than the smallest share shown, %s in all" TEXT_FAINT
            "; --min-share=0 shows them" TEXT_OFF ".",
            value_of(c, left).text);
    text_paragraph(t, words.text, 0, 0);
    strbuf_addc(t->out, '\n');
    strbuf_release(&words);
}

void text_calls(struct text *t, const struct result *r, const struct result *completeness)
{
    struct calls c = {.t = t,
                      .bytes = strcmp(text_text(r, "unit"), "bytes") == 0,
                      .outward = strcmp(text_text(r, "path"), "outward") == 0,
                      .total = text_number(r, "total"),
                      .total_width = strlen("total"),
                      .self_width = strlen("self")};
    text_completeness(t, completeness);
    if (!c.total) {
        struct strbuf words = {0};
        strbuf_addf(&words, "There are no %s", text_text(r, "words"));
        if (text_has(r, "function")) {
            strbuf_adds(&words, " through a function that matches ");
            text_words_foreign(&words, text_text(r, "function"));
        }
        strbuf_adds(&words, ", as far as was asked for.");
        text_paragraph(t, words.text, 0, 0);
        strbuf_release(&words);
        return;
    }
    print_answer(t, r, &c);
    const struct result *root = result_get(r, "root");
    measure(&c, root);
    text_right(t, LOOK_DIM, "share", strlen("<0.1 %"));
    text_pad(t, GAP);
    text_right(t, LOOK_DIM, "total", c.total_width);
    if (!c.outward) {
        text_pad(t, GAP);
        text_right(t, LOOK_DIM, "self", c.self_width);
    }
    strbuf_addc(t->out, '\n');
    print_below(&c, root);
    strbuf_release(&c.guide);
}
