/* SPDX-License-Identifier: MIT
 *
 * Stacks as people read them: the allocating function first and strong, where it stands beside it,
 * the C library's start-up frames folded into one line. */
#include "report/text_frames.h"

#include "util/utf8.h"

#include <inttypes.h>
#include <string.h>

#define MARK_WIDTH 2 /* "? " in front of a frame */
#define GAP 2        /* between a function and its place */

/* Frames that every stack ends with and that say nothing. */
static bool is_runtime(const struct result *frame)
{
    static const char *const names[] = {
        "_start", "__libc_start_main", "__libc_start_call_main", "start_thread", "clone", "clone3",
        "__clone", "__clone3", "thread_start", "_dl_start", "_dl_start_user", "_dl_start_final",
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

/* The name without what can best be spared: first the parameters of a C++ function, then what
 * stands in angle brackets. `level` 0: whole. */
static void add_function(struct strbuf *out, const char *name, int level)
{
    int angle = 0, round = 0;
    const char *op = strstr(name, "operator"); /* operator<, operator(): no brackets */
    for (const char *p = name; *p; p++) {
        if (op && p >= op && p < op + strlen("operator") + 2) {
            strbuf_addc(out, *p);
            continue;
        }
        bool open_angle = level >= 2 && *p == '<', close_angle = level >= 2 && *p == '>';
        bool open_round = level >= 1 && *p == '(', close_round = level >= 1 && *p == ')';
        if ((close_angle && angle > 0 && --angle == 0 && round == 0) ||
            (close_round && round > 0 && --round == 0 && angle == 0)) {
            strbuf_addc(out, *p);
            continue;
        }
        if (angle == 0 && round == 0)
            strbuf_addc(out, *p);
        if ((open_angle && angle++ == 0 && round == 0) ||
            (open_round && round++ == 0 && angle == 0 && strncmp(p, "()", 2) != 0))
            strbuf_adds(out, "…");
    }
}

/* The function's name in at most `columns` if that can be done by leaving parameters or template
 * arguments out; else the shortest form, for text_add_foreign to cut. */
static void shorten_function(struct strbuf *out, const char *name, size_t columns)
{
    for (int level = 0; level <= 2; level++) {
        strbuf_reset(out);
        add_function(out, name, level);
        if (out->length == 0 || utf8_width(out->text, out->length) <= columns)
            return;
    }
}

static size_t width_of(const char *s)
{
    return utf8_width(s, strlen(s));
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
    text_addf(t, LOOK_DIM, "…%s", from);
}

static size_t fold_from(const struct result *frames)
{
    size_t count = result_length(frames), from = count;
    while (from > 1 && is_runtime(result_at(frames, from - 1)))
        from--;
    return from;
}

static void print_folded(struct text *t, const struct result *frames, size_t from, size_t indent)
{
    struct strbuf words = {0};
    strbuf_adds(&words, TEXT_FAINT);
    for (size_t i = from; i < result_length(frames); i++) {
        const char *function = text_text(result_at(frames, i), "function");
        if (i > from)
            strbuf_adds(&words, ", ");
        text_words_foreign(&words, function);
    }
    strbuf_adds(&words, TEXT_OFF);
    text_paragraph(t, words.text, indent, indent);
    strbuf_release(&words);
}

/* Columns where the places stand: behind the longest function, but not beyond the middle. */
static size_t place_column(const struct text *t, const struct result *frames, size_t end,
                           size_t room)
{
    size_t column = 0, limit = room * 11 / 20;
    for (size_t i = 0; i < end; i++) {
        size_t width = width_of(text_text(result_at(frames, i), "function"));
        if (width > column && (width <= limit || t->style.cut))
            column = width < limit ? width : limit;
    }
    return column;
}

static void print_frame(struct text *t, const struct result *frame, enum text_look look,
                        size_t indent, size_t column, size_t room)
{
    struct strbuf place = {0}, name = {0};
    text_frame_place(&place, frame);
    const char *inlined = text_bool(frame, "inlined") ? "  inlined" : "";
    text_pad(t, indent);
    text_left(t, LOOK_WARN,
              text_bool(frame, "suspect") ? "?" : text_bool(frame, "guessed") ? "~" : "",
              MARK_WIDTH);

    const char *function = text_text(frame, "function");
    size_t place_width = place.text ? width_of(place.text) : 0, used;
    if (t->style.cut) {
        /* the place keeps what is right of its column, the function what the place leaves */
        size_t place_room = room - column - GAP - strlen(inlined);
        size_t place_takes = place_width < place_room ? place_width : place_room;
        size_t space = room - strlen(inlined) - (place_takes ? place_takes + GAP : 0);
        shorten_function(&name, function, space);
        used = text_add_foreign(t, look, name.text ? name.text : "", space);
        if (place_width) {
            text_pad(t, used < column ? column - used + GAP : GAP);
            add_place(t, place.text, place_room);
        }
    } else {
        used = text_add_foreign(t, look, function, 0);
        if (place_width) {
            text_pad(t, used < column ? column - used + GAP : GAP);
            add_place(t, place.text, 0);
        }
    }
    text_add(t, LOOK_DIM, inlined);
    strbuf_addc(t->out, '\n');
    strbuf_release(&place);
    strbuf_release(&name);
}

void text_frames(struct text *t, const struct result *site, size_t indent)
{
    const struct result *frames = result_get(site, "frames");
    const char *own = text_text(site, "name");
    size_t end = fold_from(frames), count = result_length(frames);
    if (count - end < 2 && end > 0)
        end = count; /* one line is one line */
    size_t room = t->style.width > indent + MARK_WIDTH + 30 ? t->style.width - indent - MARK_WIDTH
                                                            : 30;
    size_t column = place_column(t, frames, end, room);
    bool met = false, named = false;
    for (size_t i = 0; i < end && !named; i++)
        named = strcmp(text_text(result_at(frames, i), "function"), own) == 0;
    for (size_t i = 0; i < end; i++) {
        const struct result *frame = result_at(frames, i);
        bool is_own = !met && (!named || strcmp(text_text(frame, "function"), own) == 0);
        enum text_look look = is_own                          ? LOOK_STRONG
                              : !met || is_runtime(frame)     ? LOOK_DIM /* wrappers of malloc */
                              : text_bool(frame, "named")     ? LOOK_PLAIN
                                                              : LOOK_DIM;
        met = met || is_own;
        print_frame(t, frame, look, indent, column, room);
    }
    if (end < count)
        print_folded(t, frames, end, indent + MARK_WIDTH);
    uint64_t hidden = text_number(site, "hidden_frames");
    if (hidden) {
        text_pad(t, indent + MARK_WIDTH);
        text_addf(t, LOOK_DIM, "… %" PRIu64 " more frame%s\n", hidden, hidden == 1 ? "" : "s");
    } else if (text_bool(site, "cut")) {
        text_pad(t, indent + MARK_WIDTH);
        text_add(t, LOOK_DIM, "… older frames are not known\n");
    }
}
