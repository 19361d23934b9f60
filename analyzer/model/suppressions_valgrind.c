/* SPDX-License-Identifier: MIT */
#include "model/suppressions_valgrind.h"

#include "model/suppressions.h"
#include "util/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void valgrind_rule_release(struct valgrind_rule *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->frames[i].text);
    free(r->frames);
    free(r->name);
    *r = (struct valgrind_rule){0};
}

/* ------------------------------------------------------------------ reading */

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

/* Takes the next item of a list, up to `end` or the character `stop`, blanks taken off. */
static bool next_item(const char **at, const char *end, char stop, const char **item,
                      size_t *length)
{
    if (*at > end)
        return false;
    const char *from = *at, *to = memchr(from, stop, (size_t)(end - from));
    to = to ? to : end;
    *at = to + 1;
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    *item = from;
    *length = (size_t)(to - from);
    return true;
}

/* "Memcheck,Addrcheck:Leak" */
static const char *take_tool(struct valgrind_rule *r, const char *line, size_t length)
{
    const char *end = line + length, *colon = memchr(line, ':', length), *item;
    size_t item_length;
    if (!colon)
        return "TOOL:KIND is expected, as in Memcheck:Leak";
    bool memcheck = false;
    for (const char *at = line; next_item(&at, colon, ',', &item, &item_length);)
        memcheck |= is_word(item, item_length, "Memcheck");
    r->leak = memcheck && is_word(colon + 1, (size_t)(end - colon - 1), "Leak");
    return NULL;
}

static const char *take_kinds(struct valgrind_rule *r, const char *list, const char *end)
{
    static const struct {
        const char *name;
        unsigned kinds;
    } known[] = {
        {"definite", SUPPRESSION_DEFINITE}, {"indirect", SUPPRESSION_INDIRECT},
        {"possible", SUPPRESSION_POSSIBLE}, {"reachable", SUPPRESSION_REACHABLE},
        {"all", SUPPRESSION_ALL},           {"none", 0},
    };
    const char *item;
    size_t length;
    r->kinds = 0;
    while (next_item(&list, end, ',', &item, &length)) {
        size_t i = 0;
        while (i < sizeof known / sizeof known[0] && !is_word(item, length, known[i].name))
            i++;
        if (i == sizeof known / sizeof known[0])
            return "match-leak-kinds: definite, indirect, possible, reachable, all or none are "
                   "expected";
        r->kinds |= known[i].kinds;
    }
    return NULL;
}

static const char *take_frame(struct valgrind_rule *r, const char *line, size_t length)
{
    static const struct {
        const char *prefix;
        enum frame_rule_kind kind;
    } known[] = {{"fun:", FRAME_FUNCTION}, {"obj:", FRAME_OBJECT}, {"src:", FRAME_SOURCE}};
    struct frame_rule f = {.kind = FRAME_ANY_NUMBER};
    if (!is_word(line, length, "...")) {
        size_t i = 0;
        while (i < 3 && (length < 4 || memcmp(line, known[i].prefix, 4) != 0))
            i++;
        if (i == 3)
            return "a frame is expected: fun:NAME, obj:PATH, src:FILE[:LINE] or ...";
        f.kind = known[i].kind;
        f.text = mem_strndup(line + 4, length - 4);
        char *colon = f.kind == FRAME_SOURCE ? strrchr(f.text, ':') : NULL;
        char *end;
        unsigned long number =
            colon && isdigit((unsigned char)colon[1]) ? strtoul(colon + 1, &end, 10) : 0;
        if (number && *end == '\0') {
            f.line = (uint32_t)number;
            *colon = '\0';
        }
    }
    MEM_GROW(r->frames, r->capacity, r->count + 1);
    r->frames[r->count++] = f;
    return NULL;
}

const char *valgrind_rule_line(struct valgrind_rule *r, size_t n, const char *line, size_t length)
{
    static const char kinds[] = "match-leak-kinds:";
    size_t prefix = sizeof kinds - 1;
    if (n == 0) {
        r->name = mem_strndup(line, length);
        r->kinds = SUPPRESSION_ALL;
        return NULL;
    }
    if (n == 1)
        return take_tool(r, line, length);
    if (!r->leak)
        return NULL; /* of other tools, whatever they write */
    if (n == 2 && length >= prefix && memcmp(line, kinds, prefix) == 0)
        return take_kinds(r, line + prefix, line + length);
    return take_frame(r, line, length);
}

/* ------------------------------------------------------------------ matching */

/* `*` and `?`; the whole of `text`. */
static bool glob(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* Rules name the function that was called first: whichever it was, for a call site calls one. */
static bool matches_allocation(const struct frame_rule *rule)
{
    static const char *const functions[] = {
        "malloc",
        "calloc",
        "realloc",
        "reallocarray",
        "memalign",
        "posix_memalign",
        "aligned_alloc",
        "valloc",
        "pvalloc",
        "_Znwm",
        "_Znam",
        "_ZnwmRKSt9nothrow_t",
        "_ZnamRKSt9nothrow_t",
        "_ZnwmSt11align_val_t",
        "_ZnamSt11align_val_t",
        "operator new(unsigned long)",
        "operator new[](unsigned long)",
    };
    if (rule->kind == FRAME_OBJECT)
        return strstr(rule->text, "vgpreload") || glob(rule->text, "libseep.so");
    for (size_t i = 0; rule->kind == FRAME_FUNCTION && i < sizeof functions / sizeof *functions;
         i++)
        if (glob(rule->text, functions[i]))
            return true;
    return false;
}

/* "cache::insert" of "cache::insert(int)" */
static bool matches_bare_name(const char *pattern, const char *function)
{
    const char *paren = strchr(function, '(');
    if (!paren || paren == function)
        return false;
    char *bare = mem_strndup(function, (size_t)(paren - function));
    bool matches = glob(pattern, bare);
    free(bare);
    return matches;
}

static bool matches_source(const struct frame_rule *rule, const struct symbol_frame *frame)
{
    if (!frame->file || (rule->line && rule->line != frame->line))
        return false;
    const char *slash = strrchr(frame->file, '/');
    return glob(rule->text, frame->file) || (slash && glob(rule->text, slash + 1));
}

static bool matches_frame(const struct frame_rule *rule, const struct symbol_frame *frame)
{
    switch (rule->kind) {
    case FRAME_FUNCTION:
        return frame->named && ((frame->symbol && glob(rule->text, frame->symbol)) ||
                                glob(rule->text, frame->function) ||
                                matches_bare_name(rule->text, frame->function));
    case FRAME_OBJECT: return frame->module && glob(rule->text, frame->module);
    case FRAME_SOURCE: return matches_source(rule, frame);
    case FRAME_ANY_NUMBER: return true;
    }
    return false;
}

/* Frame 0 is the allocation function. */
static bool matches_at(const struct frame_rule *rule, const struct symbol_frame *const *frames,
                       size_t at)
{
    return at == 0 ? matches_allocation(rule) : matches_frame(rule, frames[at - 1]);
}

bool valgrind_rule_matches(const struct valgrind_rule *r, const struct symbol_frame *const *frames,
                           size_t count)
{
    /* as glob(), over frames: back to the last "..." where one does not match */
    size_t at = 0, rule = 0, dots = SIZE_MAX, retry = 0;
    while (rule < r->count) {
        if (r->frames[rule].kind == FRAME_ANY_NUMBER) {
            dots = ++rule;
            retry = at;
        } else if (at <= count && matches_at(&r->frames[rule], frames, at)) {
            rule++;
            at++;
        } else if (dots != SIZE_MAX && retry < count) {
            rule = dots;
            at = ++retry;
        } else {
            return false;
        }
    }
    return true;
}
