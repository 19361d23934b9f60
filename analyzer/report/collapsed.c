/* SPDX-License-Identifier: MIT */
#include "report/collapsed.h"

#include "util/utf8.h"

#include <inttypes.h>
#include <string.h>

/* A name with what separates names replaced. */
static void add_name(struct strbuf *path, const char *function)
{
    size_t from = path->length;
    utf8_add_visible(path, function, strlen(function));
    for (size_t i = from; i < path->length; i++)
        if (path->text[i] == ';' || path->text[i] == '\n')
            path->text[i] = ':';
}

/* `path` is that of the callers; it is as it was afterwards. */
static void add_stacks(struct strbuf *out, struct strbuf *path, const struct result *frame)
{
    const struct result *children = result_get(frame, "children");
    uint64_t self = result_get(frame, "self")->u.count;
    if (self)
        strbuf_addf(out, "%s %" PRIu64 "\n", path->length ? path->text : "all", self);
    for (size_t i = 0; i < result_length(children); i++) {
        const struct result *child = result_at(children, i);
        size_t length = path->length;
        if (length)
            strbuf_addc(path, ';');
        add_name(path, result_get(child, "function")->u.text);
        add_stacks(out, path, child);
        path->length = length;
        path->text[length] = '\0';
    }
}

void collapsed_report(struct strbuf *out, const struct report *report)
{
    struct strbuf path = {0};
    add_stacks(out, &path, result_get(report->result, "root"));
    strbuf_release(&path);
}
