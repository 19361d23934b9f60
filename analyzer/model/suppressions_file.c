/* SPDX-License-Identifier: MIT
 *
 * Reads files of suppressions, line by line, whichever syntax each piece is in. */
#include "model/suppressions_file.h"

#include "util/mem.h"
#include "util/strbuf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT (16u << 20)

/* Where parsing stands. */
struct parser {
    struct suppressions *s;
    const char *file;
    uint32_t line;
    uint64_t offset;
    bool in_braces;
    uint32_t brace_line;
    size_t lines; /* taken behind the brace */
    struct valgrind_rule rule;
    struct err *err;
};

static void add_block(struct parser *p)
{
    if (p->rule.leak)
        suppressions_add_block(p->s, &p->rule, p->file, p->brace_line);
    else
        valgrind_rule_release(&p->rule);
    p->rule = (struct valgrind_rule){0};
    p->in_braces = false;
}

static enum seep_err parse_in_braces(struct parser *p, const char *line, size_t length)
{
    if (length == 1 && *line == '}') {
        if (p->lines < 2 || (p->rule.leak && !p->rule.count))
            return err_set(p->err, SEEP_ERR_USAGE, p->offset,
                           "%s:%u: a name, TOOL:KIND and frames are expected before }", p->file,
                           p->line);
        add_block(p);
        return SEEP_OK;
    }
    const char *problem = valgrind_rule_line(&p->rule, p->lines++, line, length);
    return problem ? err_set(p->err, SEEP_ERR_USAGE, p->offset, "%s:%u: %s: %.*s", p->file, p->line,
                             problem, (int)(length > 200 ? 200 : length), line)
                   : SEEP_OK;
}

static enum seep_err parse_line(struct parser *p, const char *line, size_t length)
{
    while (length && isspace((unsigned char)*line)) {
        line++;
        length--;
    }
    while (length && isspace((unsigned char)line[length - 1]))
        length--;
    if (!length || *line == '#')
        return SEEP_OK;
    if (memchr(line, '\0', length))
        return err_set(p->err, SEEP_ERR_USAGE, p->offset, "%s:%u: not a text", p->file, p->line);
    if (p->in_braces)
        return parse_in_braces(p, line, length);
    if (length == 1 && *line == '{') {
        p->in_braces = true;
        p->brace_line = p->line;
        p->lines = 0;
        return SEEP_OK;
    }
    static const char prefix[] = "leak:";
    size_t skip = sizeof prefix - 1;
    if (length < skip || memcmp(line, prefix, skip) != 0)
        return err_set(p->err, SEEP_ERR_USAGE, p->offset,
                       "%s:%u: neither leak:PATTERN nor a block in braces: %.*s", p->file, p->line,
                       (int)(length > 200 ? 200 : length), line);
    if (length == skip) /* LeakSanitizer would hide every leak */
        return err_set(p->err, SEEP_ERR_USAGE, p->offset,
                       "%s:%u: a pattern is missing after leak: (leak:* stands for everything)",
                       p->file, p->line);
    suppressions_add_pattern(p->s, line + skip, length - skip, p->file, p->line);
    return SEEP_OK;
}

enum seep_err suppressions_parse(struct suppressions *s, const char *text, size_t length,
                                 const char *name, struct err *err)
{
    struct parser p = {.s = s, .file = suppressions_keep(s, mem_strdup(name)), .err = err};
    enum seep_err code = SEEP_OK;
    for (size_t at = 0; at < length && !code;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t line = end ? (size_t)(end - (text + at)) : length - at;
        p.line++;
        p.offset = at;
        code = parse_line(&p, text + at, line);
        at += line + 1;
    }
    if (!code && p.in_braces)
        code = err_set(err, SEEP_ERR_USAGE, length, "%s:%u: the block that begins here has no end",
                       p.file, p.brace_line);
    valgrind_rule_release(&p.rule);
    return code;
}

enum seep_err suppressions_load(struct suppressions *s, const char *path, struct err *err)
{
    struct strbuf text = {0};
    enum seep_err code = SEEP_OK;
    FILE *f = fopen(path, "re");
    if (!f)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", path, strerror(errno));
    char buffer[16384];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, f)) > 0) {
        strbuf_add(&text, buffer, n);
        if (text.length > FILE_LIMIT) {
            code = err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                           "%s: too large for a suppressions file", path);
            goto done;
        }
    }
    if (ferror(f)) {
        code = err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", path, strerror(errno));
        goto done;
    }
    code = suppressions_parse(s, text.text ? text.text : "", text.length, path, err);
done:
    fclose(f);
    strbuf_release(&text);
    return code;
}
