/* SPDX-License-Identifier: MIT */
#include "report/text_site.h"

#include "report/text_frames.h"

#include "util/human.h"
#include "util/utf8.h"

#include <string.h>

#define NAME 48   /* columns for a name in a sentence; it stands elsewhere in full */
#define LEAST 20  /* for a name in a line */
#define CALLERS 3 /* named beside a call site */
#define FAR 256   /* lines apart: who sees both at once? */
#define LEFT 4    /* columns before what tells two lines apart, at least */

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

static bool same_text(const struct result *a, const struct result *b, const char *name)
{
    return strcmp(text_text(a, name), text_text(b, name)) == 0;
}

static bool same_code(const struct result *a, const struct result *b)
{
    return same_text(a, b, "function") && same_text(a, b, "file") &&
           text_number(a, "line") == text_number(b, "line");
}

/* What text_site_line() can show of either: the own frame in full, of callers their functions. */
static bool looks_same(const struct result *a, const struct result *b)
{
    size_t own_a = 0, own_b = 0;
    if (!same_text(a, b, "name"))
        return false;
    const struct result *frames_a = result_get(a, "frames"), *frames_b = result_get(b, "frames");
    const struct result *own = own_frame(a, &own_a), *other = own_frame(b, &own_b);
    if (!own || !other || !same_code(own, other))
        return false;
    for (size_t i = 1; i <= CALLERS; i++) {
        const struct result *x = result_at(frames_a, own_a + i);
        const struct result *y = result_at(frames_b, own_b + i);
        if (!x && !y)
            break;
        if (!x || !y || !same_text(x, y, "function"))
            return false;
    }
    return true;
}

/* The frame of `site` that tells it from one whose line looks the same, or NULL: the first that
 * differs on the way from the own frame to the allocator, else on the way out. Of what std::map and
 * std::vector do inside, much is alike. *inner: the own frame called it. */
static const struct result *differing(const struct result *site, const struct result *other,
                                      bool *inner)
{
    size_t own = 0, own_other = 0;
    own_frame(site, &own);
    own_frame(other, &own_other);
    const struct result *mine = result_get(site, "frames"), *theirs = result_get(other, "frames");
    *inner = true;
    for (size_t i = 1; i <= own; i++)
        if (i > own_other || !same_code(result_at(mine, own - i), result_at(theirs, own_other - i)))
            return result_at(mine, own - i);
    *inner = false;
    for (size_t i = own + 1; i < result_length(mine); i++) {
        const struct result *fellow = result_at(theirs, own_other + i - own);
        if (!fellow || !same_code(result_at(mine, i), fellow))
            return result_at(mine, i);
    }
    return NULL;
}

void text_site_difference(struct text *t, const struct result *sites, size_t at, size_t indent)
{
    const struct result *site = result_at(sites, at), *frame = NULL;
    bool inner = false;
    for (size_t away = 1; !frame && away < result_length(sites) && away < FAR; away++)
        for (int side = 0; !frame && side < 2; side++) {
            size_t i = side ? at + away : at - away; /* wraps around below the first */
            if (i < result_length(sites) && looks_same(site, result_at(sites, i)))
                frame = differing(site, result_at(sites, i), &inner);
        }
    if (!frame)
        return;
    struct strbuf words = {0};
    strbuf_adds(&words, inner ? "… → " : "… ← ");
    text_frame_function(&words, text_text(frame, "function"), NAME, true);
    strbuf_adds(&words, "  ");
    add_base_place(&words, frame);
    size_t width = utf8_width(words.text, words.length), room = t->style.width;
    text_pad(t, indent + width <= room ? indent : width + LEFT <= room ? room - width : LEFT);
    text_add(t, LOOK_DIM, words.text);
    text_add(t, LOOK_DIM, "\n");
    strbuf_release(&words);
}

void text_site_by_way_of(struct text *t, const struct result *result)
{
    const struct result *way = result_get(result, "by_way_of");
    if (!text_has(result, "by_way_of"))
        return;
    struct strbuf words = {0}, place = {0};
    double share = text_real(way, "share_percent");
    strbuf_addf(&words, "%s of it, %s, comes by way of " TEXT_NAME,
                share >= 90 ? "Almost all" : "Most", human_percent(share).text);
    text_words_foreign(&words, text_text(way, "function"));
    strbuf_adds(&words, TEXT_OFF);
    add_base_place(&place, way);
    if (place.length) {
        strbuf_adds(&words, " (");
        text_words_ours(&words, place.text);
        strbuf_adds(&words, ")");
    }
    strbuf_addf(&words, ", which %s functions call" TEXT_FAINT "; --alloc-fn",
                human_count(text_number(way, "callers")).text);
    /* to be pasted into a shell, which a name from a trace must not speak to */
    if (!strchr(text_text(way, "function"), '\'')) {
        strbuf_adds(&words, "='^");
        text_words_foreign(&words, text_text(way, "function"));
        strbuf_adds(&words, "$'");
    }
    strbuf_adds(&words, " looks behind it" TEXT_OFF ".");
    text_paragraph(t, words.text, 0, 0);
    strbuf_release(&words);
    strbuf_release(&place);
}
