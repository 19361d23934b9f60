/* SPDX-License-Identifier: MIT
 *
 * Names are compared once per address: what a frame matches is remembered per symbol_address, and
 * from there per stack node, so that a stack costs a walk over an array of numbers. */
#include "model/suppressions.h"

#include "model/pattern.h"
#include "model/suppressions_builtin.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In memos: 0 = not looked at, 1 = matches nothing, 2 + i = matches rule i. */
enum { MEMO_UNKNOWN = 0, MEMO_NONE = 1, MEMO_RULE = 2 };

struct address_memo {
    const struct symbol_address *address;
    uint32_t memo;
};

#define FILE_LIMIT (16u << 20)

struct suppressions {
    struct suppression **rules; /* files' rules, then built-in ones; each owned */
    size_t count, capacity;
    size_t file_rules; /* how many of them are files' */
    char **texts;      /* patterns and file names; owned */
    size_t text_count, text_capacity;
    const struct trace_dict *dict;  /* not owned */
    struct symbols *symbols;        /* not owned */
    uint32_t *node_memo;            /* per stack node: the files' rule its own frames match */
    uint32_t *builtin_memo;         /* per stack node: the built-in rule the stack matches */
    uint8_t *module_kinds;          /* per module of the dictionary */
    struct address_memo *addresses; /* open addressing, capacity a power of two */
    size_t address_count, address_capacity;
};

static struct suppression *add_rule(struct suppressions *s, size_t at, struct suppression rule)
{
    MEM_GROW(s->rules, s->capacity, s->count + 1);
    memmove(s->rules + at + 1, s->rules + at, (s->count - at) * sizeof(struct suppression *));
    s->rules[at] = mem_alloc(sizeof rule);
    *s->rules[at] = rule;
    s->count++;
    return s->rules[at];
}

struct suppressions *suppressions_new(void)
{
    struct suppressions *s = mem_zalloc(1, sizeof *s);
    for (const struct builtin_rule *b = builtin_rules; b->what; b++)
        add_rule(s, s->count, (struct suppression){.pattern = b->what, .reason = b->reason});
    return s;
}

static void unbind(struct suppressions *s)
{
    free(s->node_memo);
    free(s->builtin_memo);
    free(s->module_kinds);
    free(s->addresses);
    s->node_memo = s->builtin_memo = NULL;
    s->module_kinds = NULL;
    s->addresses = NULL;
    s->address_count = s->address_capacity = 0;
}

void suppressions_free(struct suppressions *s)
{
    if (!s)
        return;
    unbind(s);
    for (size_t i = 0; i < s->count; i++)
        free(s->rules[i]);
    for (size_t i = 0; i < s->text_count; i++)
        free(s->texts[i]);
    free(s->rules);
    free(s->texts);
    free(s);
}

/* ------------------------------------------------------------------ reading files */

/* Keeps `text` (owned) for the set's life. */
static const char *keep(struct suppressions *s, char *text)
{
    MEM_GROW(s->texts, s->text_capacity, s->text_count + 1);
    s->texts[s->text_count++] = text;
    return text;
}

static enum seep_err parse_line(struct suppressions *s, const char *line, size_t length,
                                const char *file, uint32_t number, uint64_t offset, struct err *err)
{
    while (length && isspace((unsigned char)*line)) {
        line++;
        length--;
    }
    while (length && isspace((unsigned char)line[length - 1]))
        length--;
    if (!length || *line == '#')
        return SEEP_OK;
    static const char prefix[] = "leak:";
    size_t skip = sizeof prefix - 1;
    if (length < skip || memcmp(line, prefix, skip) != 0 || memchr(line, '\0', length))
        return err_set(err, SEEP_ERR_USAGE, offset, "%s:%u: not of the form leak:PATTERN: %.*s",
                       file, number, (int)(length > 200 ? 200 : length), line);
    if (length == skip) /* LeakSanitizer would hide every leak */
        return err_set(err, SEEP_ERR_USAGE, offset,
                       "%s:%u: a pattern is missing after leak: (leak:* stands for everything)",
                       file, number);
    add_rule(s, s->file_rules++,
             (struct suppression){.pattern = keep(s, mem_strndup(line + skip, length - skip)),
                                  .file = file,
                                  .line = number});
    return SEEP_OK;
}

enum seep_err suppressions_parse(struct suppressions *s, const char *text, size_t length,
                                 const char *name, struct err *err)
{
    const char *file = keep(s, mem_strdup(name));
    uint32_t number = 0;
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t line = end ? (size_t)(end - (text + at)) : length - at;
        enum seep_err code = parse_line(s, text + at, line, file, ++number, at, err);
        if (code)
            return code;
        at += line + 1;
    }
    return SEEP_OK;
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

/* ------------------------------------------------------------------ matching */

void suppressions_bind(struct suppressions *s, const struct trace_dict *dict,
                       struct symbols *symbols)
{
    unbind(s);
    s->dict = dict;
    s->symbols = symbols;
    size_t nodes = (size_t)dict->stack_count + 1;
    if (s->file_rules)
        s->node_memo = mem_zalloc(nodes, sizeof *s->node_memo);
    s->builtin_memo = mem_zalloc(nodes, sizeof *s->builtin_memo);
    s->module_kinds = mem_zalloc(dict->module_count + 1, 1);
    for (size_t i = 0; i < dict->module_count; i++)
        s->module_kinds[i] = (uint8_t)module_kind(dict->modules[i].path);
    for (size_t i = 0; i < s->count; i++)
        s->rules[i]->blocks = s->rules[i]->bytes = s->rules[i]->stacks = 0;
}

static uint32_t match_names(const struct suppressions *s, const struct symbol_address *a)
{
    /* as LeakSanitizer: the module first, then each function and source file, inline ones too */
    const char *module = a->frames[a->count - 1].module;
    for (size_t i = 0; i < s->file_rules; i++)
        if (pattern_matches(s->rules[i]->pattern, module))
            return MEMO_RULE + (uint32_t)i;
    for (uint32_t k = 0; k < a->count; k++)
        for (size_t i = 0; i < s->file_rules; i++)
            if (pattern_matches(s->rules[i]->pattern, a->frames[k].function) ||
                pattern_matches(s->rules[i]->pattern, a->frames[k].file))
                return MEMO_RULE + (uint32_t)i;
    return MEMO_NONE;
}

static struct address_memo *find_address(struct suppressions *s, const struct symbol_address *a)
{
    size_t mask = s->address_capacity - 1;
    size_t at = ((uintptr_t)a >> 4) * 0x9e3779b97f4a7c15ull >> 20 & mask;
    while (s->addresses[at].address && s->addresses[at].address != a)
        at = (at + 1) & mask;
    return &s->addresses[at];
}

/* The rule that this address matches, as a memo. */
static uint32_t match_address(struct suppressions *s, const struct symbol_address *a)
{
    if ((s->address_count + 1) * 2 > s->address_capacity) {
        struct address_memo *old = s->addresses;
        size_t n = s->address_capacity;
        s->address_capacity = n ? n * 2 : 1024;
        s->addresses = mem_zalloc(s->address_capacity, sizeof *s->addresses);
        for (size_t i = 0; i < n; i++)
            if (old[i].address)
                *find_address(s, old[i].address) = old[i];
        free(old);
    }
    struct address_memo *m = find_address(s, a);
    if (!m->address) {
        m->address = a;
        m->memo = match_names(s, a);
        s->address_count++;
    }
    return m->memo;
}

static struct suppression *match_files(struct suppressions *s, uint32_t stack)
{
    const struct trace_stack_node *nodes = s->dict->stacks;
    for (uint32_t node = stack; node && !(nodes[node].flags & SEEP_ROW_ROOT);
         node = nodes[node].parent) {
        if (s->node_memo[node] == MEMO_UNKNOWN)
            s->node_memo[node] = match_address(s, symbols_of_node(s->symbols, node));
        if (s->node_memo[node] >= MEMO_RULE)
            return s->rules[s->node_memo[node] - MEMO_RULE];
    }
    return NULL;
}

static enum module_kind kind_of_node(const struct suppressions *s, uint32_t node)
{
    const struct trace_module *m = symbols_module_of_node(s->symbols, node);
    return m ? (enum module_kind)s->module_kinds[m - s->dict->modules] : MODULE_OTHER;
}

/* True if one of the node's frames is one of the rule's functions. */
static bool has_function(struct suppressions *s, const struct builtin_rule *rule, uint32_t node)
{
    const struct symbol_address *a = symbols_of_node(s->symbols, node);
    for (uint32_t k = 0; k < a->count; k++)
        for (const char *const *f = rule->functions; *f; f++)
            if (pattern_matches(*f, builtin_name(a->frames[k].function)))
                return true;
    return false;
}

static bool match_builtin_rule(struct suppressions *s, const struct builtin_rule *rule,
                               uint32_t stack, enum module_kind kind)
{
    const struct trace_stack_node *nodes = s->dict->stacks;
    if (rule->run != kind)
        return false;
    bool found = !rule->functions[0];
    uint32_t node = stack;
    while (node && !(nodes[node].flags & SEEP_ROW_ROOT) && kind_of_node(s, node) == kind) {
        found = found || has_function(s, rule, node);
        node = nodes[node].parent;
    }
    if (rule->caller == MODULE_OTHER)
        return found;
    return found && node && !(nodes[node].flags & SEEP_ROW_ROOT) &&
           kind_of_node(s, node) == rule->caller;
}

static uint32_t match_builtin(struct suppressions *s, uint32_t stack)
{
    if (s->dict->stacks[stack].flags & SEEP_ROW_ROOT)
        return MEMO_NONE;
    enum module_kind kind = kind_of_node(s, stack);
    if (kind == MODULE_OTHER)
        return MEMO_NONE;
    for (uint32_t i = 0; builtin_rules[i].what; i++)
        if (match_builtin_rule(s, &builtin_rules[i], stack, kind))
            return MEMO_RULE + (uint32_t)s->file_rules + i;
    return MEMO_NONE;
}

struct suppression *suppressions_match(struct suppressions *s, uint32_t stack)
{
    if (!stack || stack > s->dict->stack_count)
        return NULL;
    struct suppression *rule = s->file_rules ? match_files(s, stack) : NULL;
    if (rule)
        return rule;
    if (s->builtin_memo[stack] == MEMO_UNKNOWN)
        s->builtin_memo[stack] = match_builtin(s, stack);
    uint32_t memo = s->builtin_memo[stack];
    return memo >= MEMO_RULE ? s->rules[memo - MEMO_RULE] : NULL;
}

void suppressions_count(struct suppression *rule, uint64_t blocks, uint64_t bytes)
{
    rule->blocks += blocks;
    rule->bytes += bytes;
    rule->stacks++;
}

bool suppressions_need_names(const struct suppressions *s)
{
    return s->file_rules != 0;
}

const struct suppression *suppressions_at(const struct suppressions *s, size_t index)
{
    return index < s->count ? s->rules[index] : NULL;
}
