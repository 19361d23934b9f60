/* SPDX-License-Identifier: MIT */
#include "report/suppressions_text.h"

#include <string.h>

#define FRAMES_MAX 24 /* of a block: valgrind takes no more (manual, section 2.5) */

static const char *text_of(const struct result *object, const char *name)
{
    const struct result *r = result_get(object, name);
    return r && r->type == RESULT_TEXT && r->u.text[0] ? r->u.text : NULL;
}

static bool is_named(const struct result *frame)
{
    const struct result *r = result_get(frame, "named");
    return r && r->u.boolean && text_of(frame, "function");
}

/* What valgrind calls the function that was called, by the name of the call. */
static const char *allocation_function(const struct result *site)
{
    static const struct {
        const char *call, *function;
    } known[] = {{"new", "_Znw*"}, {"new[]", "_Zna*"}};
    const struct result *calls = result_get(site, "calls");
    const char *call = result_length(calls) == 1 ? result_at(calls, 0)->u.text : NULL;
    if (!call)
        return "*";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].call, call) == 0)
            return known[i].function;
    return call;
}

static void add_frame(struct strbuf *out, const struct result *frame)
{
    const char *module = text_of(frame, "module"), *symbol = text_of(frame, "symbol");
    if (is_named(frame))
        strbuf_addf(out, "   fun:%s\n", symbol ? symbol : text_of(frame, "function"));
    else if (module)
        strbuf_addf(out, "   obj:%s\n", module);
    else
        strbuf_adds(out, "   obj:*\n");
}

static void add_block(struct strbuf *out, const struct result *site)
{
    const char *kind = text_of(site, "kind"), *name = text_of(site, "name");
    const struct result *frames = result_get(site, "frames");
    strbuf_addf(out, "{\n   %s\n   Memcheck:Leak\n", name ? name : "unknown");
    if (kind)
        strbuf_addf(out, "   match-leak-kinds: %s\n", kind);
    strbuf_addf(out, "   fun:%s\n", allocation_function(site));
    for (size_t i = 0; i < result_length(frames) && i + 1 < FRAMES_MAX; i++) {
        add_frame(out, result_at(frames, i));
        const char *function = text_of(result_at(frames, i), "function");
        if (function && strcmp(function, "main") == 0)
            break; /* so do valgrind's stacks */
    }
    strbuf_adds(out, "}\n");
}

static void add_line(struct strbuf *out, const struct result *site)
{
    const char *name = text_of(site, "name");
    const struct result *frames = result_get(site, "frames");
    const struct result *first = result_at(frames, 0);
    if (first && !is_named(first) && text_of(first, "module"))
        strbuf_addf(out, "leak:%s\n", text_of(first, "module"));
    else
        strbuf_addf(out, "leak:^%s$\n", name ? name : "unknown");
}

void suppressions_text(struct strbuf *out, const struct result *leaks, bool lsan)
{
    const struct result *sites = result_get(leaks, "sites");
    for (size_t i = 0; i < result_length(sites); i++)
        (lsan ? add_line : add_block)(out, result_at(sites, i));
}
