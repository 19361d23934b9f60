/* SPDX-License-Identifier: MIT
 *
 * Stacks as people read them: the allocating function first and strong, where it stands beside it,
 * the C library's start-up frames folded into one line. */
#include "report/text_frames.h"

#include "report/function_name.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MARK_WIDTH 2 /* "? " in front of a frame */
#define GAP 2        /* between a function and its place */
#define PIPE_NAME 64 /* columns beyond which names are shortened even where lines need not fit */

bool text_frame_is_runtime(const struct result *frame)
{
    static const char *const names[] = {
        "_start",
        "__libc_start_main",
        "__libc_start_call_main",
        "start_thread",
        "clone",
        "clone3",
        "__clone",
        "__clone3",
        "thread_start",
        "_dl_start",
        "_dl_start_user",
        "_dl_start_final",
    };
    const char *function = text_text(frame, "function");
    size_t length = strcspn(function, "@"); /* __libc_start_main@@GLIBC_2.34 */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if ((n == length || (n < length && strncmp(function + n, "_impl", 5) == 0)) &&
            strncmp(function, names[i], n) == 0)
            return true;
    }
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

void text_frame_place(struct strbuf *out, const struct result *frame)
{
    if (text_has(frame, "file")) {
        const char *file = text_text(frame, "file");
        utf8_add_visible(out, file, strlen(file));
        if (text_number(frame, "line"))
            strbuf_addf(out, ":%" PRIu64, text_number(frame, "line"));
    } else if (text_bool(frame, "named") && text_has(frame, "module")) {
        const char *module = base_name(text_text(frame, "module"));
        utf8_add_visible(out, module, strlen(module));
    }
}

static size_t width_of(const char *s)
{
    return utf8_width(s, strlen(s));
}

void text_frame_function(struct strbuf *out, const char *name, size_t columns, bool cut)
{
    struct strbuf shown = {0}, form = {0};
    utf8_add_visible(&shown, name, strlen(name));
    function_name_fit(&form, shown.text ? shown.text : "", columns);
    if (cut && form.length && utf8_width(form.text, form.length) > columns) {
        strbuf_add(out, form.text, utf8_fit(form.text, form.length, columns > 0 ? columns - 1 : 0));
        strbuf_adds(out, "…");
    } else {
        strbuf_add(out, form.text ? form.text : "", form.length);
    }
    strbuf_release(&form);
    strbuf_release(&shown);
}

/* Cuts a path at its beginning: "…/src/cache.c:88". */
static void add_place(struct text *t, const char *place, size_t columns)
{
    size_t width = width_of(place);
    if (columns == 0 || width <= columns) {
        text_add(t, LOOK_DIM, place);
        return;
    }
    const char *from = place;
    while (width_of(from) + 1 > columns && *from) {
        const char *slash = strchr(from + 1, '/');
        if (!slash)
            break;
        from = slash;
    }
    struct strbuf shown = {0};
    strbuf_adds(&shown, "…");
    strbuf_add(&shown, from, utf8_fit(from, strlen(from), columns - 1));
    text_add(t, LOOK_DIM, shown.text);
    strbuf_release(&shown);
}

static size_t fold_from(const struct result *frames)
{
    size_t count = result_length(frames), from = count;
    while (from > 1 && text_frame_is_runtime(result_at(frames, from - 1)))
        from--;
    return from;
}

static void print_folded(struct text *t, const struct result *frames, size_t from, uint64_t hidden,
                         size_t indent)
{
    struct strbuf words = {0};
    strbuf_adds(&words, TEXT_FAINT);
    for (size_t i = from; i < result_length(frames); i++) {
        const char *function = text_text(result_at(frames, i), "function");
        if (i > from)
            strbuf_adds(&words, ", ");
        text_words_foreign(&words, function);
    }
    if (hidden)
        strbuf_addf(&words, " and %" PRIu64 " more", hidden);
    strbuf_adds(&words, TEXT_OFF);
    text_paragraph(t, words.text, indent, indent);
    strbuf_release(&words);
}

/* One frame as it will stand there. */
struct line {
    struct strbuf name, place;
    const char *inlined;
    size_t name_width, place_width; /* as they are shown */
};

static void release_lines(struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_release(&lines[i].name);
        strbuf_release(&lines[i].place);
    }
    free(lines);
}

/* Makes the places first: on a terminal they may take 45 % of the room, and the names what the
 * widest of them leaves, so that both stand in columns. Returns the columns of the names. */
static size_t make_lines(const struct text *t, struct line *lines, const struct result *frames,
                         size_t count, size_t room)
{
    size_t widest = 0, column = 0, limit = room * 45 / 100;
    for (size_t i = 0; i < count; i++) {
        const struct result *frame = result_at(frames, i);
        struct line *line = &lines[i];
        line->inlined = text_bool(frame, "inlined") ? "  inlined" : "";
        text_frame_place(&line->place, frame);
        size_t width = line->place.length ? width_of(line->place.text) : 0;
        size_t most = limit - strlen(line->inlined);
        line->place_width = t->style.cut && width > most ? most : width;
        width = line->place_width + strlen(line->inlined);
        widest = width > widest ? width : widest;
    }
    size_t names = t->style.cut ? room - widest - GAP : t->style.full_names ? SIZE_MAX : PIPE_NAME;
    for (size_t i = 0; i < count; i++) {
        struct line *line = &lines[i];
        size_t columns = t->style.cut && !line->place_width ? room : names;
        text_frame_function(&line->name, text_text(result_at(frames, i), "function"), columns,
                            t->style.cut);
        line->name_width = line->name.length ? width_of(line->name.text) : 0;
        bool counts = line->place_width && (t->style.cut || line->name_width <= PIPE_NAME);
        if (counts && line->name_width > column)
            column = line->name_width;
    }
    return column;
}

static void print_line(struct text *t, const struct line *line, const struct result *frame,
                       enum text_look look, size_t indent, size_t column)
{
    const char *mark = text_bool(frame, "suspect") ? "?" : text_bool(frame, "guessed") ? "~" : "";
    text_pad(t, indent);
    text_left(t, LOOK_WARN, mark, MARK_WIDTH);
    text_add(t, look, line->name.text ? line->name.text : "");
    if (line->place_width) {
        text_pad(t, line->name_width < column ? column - line->name_width + GAP : GAP);
        add_place(t, line->place.text, t->style.cut ? line->place_width : 0);
    }
    text_add(t, LOOK_DIM, line->inlined);
    strbuf_addc(t->out, '\n');
}

/* The allocating function is strong; wrappers before it, and what has no name, are dim. */
static enum text_look look_of(const struct result *frame, bool own, bool before)
{
    if (own)
        return LOOK_STRONG;
    return before || text_frame_is_runtime(frame) || !text_bool(frame, "named") ? LOOK_DIM
                                                                                : LOOK_PLAIN;
}

static void print_end(struct text *t, const struct result *site, size_t from, size_t indent)
{
    const struct result *frames = result_get(site, "frames");
    uint64_t hidden = text_number(site, "hidden_frames");
    if (from < result_length(frames)) {
        print_folded(t, frames, from, hidden, indent);
    } else if (hidden) {
        text_pad(t, indent);
        text_addf(t, LOOK_DIM, "… %" PRIu64 " more frame%s", hidden, hidden == 1 ? "" : "s");
        strbuf_addc(t->out, '\n');
    } else if (text_bool(site, "cut")) {
        text_pad(t, indent);
        text_add(t, LOOK_DIM, "… older frames are not known");
        strbuf_addc(t->out, '\n');
    }
}

void text_frames(struct text *t, const struct result *site, size_t indent)
{
    const struct result *frames = result_get(site, "frames");
    const char *own = text_text(site, "name");
    size_t end = fold_from(frames), count = result_length(frames), width = t->style.width;
    if (count - end < 2)
        end = count; /* one line is one line */
    size_t room = width > indent + MARK_WIDTH + 30 ? width - indent - MARK_WIDTH : 30;
    size_t own_at = 0;
    for (size_t i = 0; i < end; i++)
        if (strcmp(text_text(result_at(frames, i), "function"), own) == 0) {
            own_at = i;
            break;
        }
    struct line *lines = mem_zalloc(end + 1, sizeof *lines);
    size_t column = make_lines(t, lines, frames, end, room);
    for (size_t i = 0; i < end; i++) {
        const struct result *frame = result_at(frames, i);
        print_line(t, &lines[i], frame, look_of(frame, i == own_at, i < own_at), indent, column);
    }
    release_lines(lines, end);
    print_end(t, site, end, indent + MARK_WIDTH);
}
