/* SPDX-License-Identifier: MIT */
#include "report/text_site.h"

#include "report/text_frames.h"

#include "util/human.h"
#include "util/utf8.h"

#include <string.h>

#define NAME 48   /* columns for a name in a sentence; it stands elsewhere in full */
#define LEAST 20  /* for a name in a line */
#define CALLERS 3 /* named beside a call site */

/* The frame that a site is named by, or NULL: that of another kind of site. Its place among the
 * frames in *at. */
static const struct result *own_frame(const struct result *site, size_t *at)
{
    const struct result *frames = result_get(site, "frames");
    for (size_t i = 0; i < result_length(frames); i++)
        if (strcmp(text_text(result_at(frames, i), "function"), text_text(site, "name")) == 0) {
            *at = i;
            return result_at(frames, i);
        }
    return NULL;
}

/* "cache.c:88" */
static void add_base_place(struct strbuf *words, const struct result *frame)
{
    struct strbuf place = {0};
    text_frame_place(&place, frame);
    if (place.length) {
        const char *slash = strrchr(place.text, '/');
        strbuf_adds(words, slash && slash[1] ? slash + 1 : place.text);
    }
    strbuf_release(&place);
}

void text_site_name(struct strbuf *words, const struct result *site)
{
    struct strbuf shown = {0}, place = {0};
    size_t at;
    text_frame_function(&shown, text_text(site, "name"), NAME, true);
    strbuf_adds(words, TEXT_NAME);
    text_words_ours(words, shown.text ? shown.text : "");
    strbuf_adds(words, TEXT_OFF);
    const struct result *frame = own_frame(site, &at);
    if (frame)
        add_base_place(&place, frame);
    if (place.length) {
        strbuf_adds(words, " (");
        text_words_ours(words, place.text);
        strbuf_adds(words, ")");
    }
    strbuf_release(&shown);
    strbuf_release(&place);
}

void text_site_count(struct strbuf *words, const char *by, uint64_t count)
{
    if (strcmp(by, "stack") == 0)
        text_plural(words, count, "call site", "call sites");
    else
        strbuf_addf(words, "%s %s%s", human_count(count).text,
                    strcmp(by, "source") == 0 ? "source file" : by, count == 1 ? "" : "s");
}

void text_site_line(struct text *t, const struct result *site, size_t column, bool callers)
{
    size_t left = t->style.width > column + LEAST ? t->style.width - column : LEAST;
    size_t room = t->style.cut ? left : SIZE_MAX, at = 0;
    struct strbuf name = {0}, place = {0}, others = {0};
    const struct result *frames = result_get(site, "frames"), *own = own_frame(site, &at);
    if (own)
        add_base_place(&place, own);
    size_t place_width = place.length ? utf8_width(place.text, place.length) + 2 : 0;
    size_t columns = t->style.full_names          ? SIZE_MAX
                     : !t->style.cut              ? 64
                     : room > place_width + LEAST ? room - place_width
                                                  : LEAST;
    text_frame_function(&name, text_text(site, "name"), columns, t->style.cut);
    size_t used = (name.length ? utf8_width(name.text, name.length) : 0) + place_width;
    for (size_t i = at + 1, told = 0; own && callers && i < result_length(frames) && told < CALLERS;
         i++, told++) {
        if (text_frame_is_runtime(result_at(frames, i)))
            break;
        struct strbuf caller = {0};
        strbuf_adds(&caller, told ? " ← " : "  ← ");
        text_frame_function(&caller, text_text(result_at(frames, i), "function"), 32, true);
        size_t width = utf8_width(caller.text, caller.length);
        bool fits = used + width <= room;
        if (fits)
            strbuf_adds(&others, caller.text);
        used += width;
        strbuf_release(&caller);
        if (!fits)
            break;
    }
    text_add(t, LOOK_STRONG, name.text ? name.text : "");
    if (place.length) {
        text_pad(t, 2);
        text_add(t, LOOK_DIM, place.text);
    }
    text_add(t, LOOK_DIM, others.text ? others.text : "");
    strbuf_addc(t->out, '\n');
    strbuf_release(&name);
    strbuf_release(&place);
    strbuf_release(&others);
}
