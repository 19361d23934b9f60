/* SPDX-License-Identifier: MIT
 *
 * Names are compared once per address: what a frame matches is remembered per symbol_address, and
 * from there per stack node, so that a stack costs a walk over an array of numbers. */
#include "model/suppressions.h"

#include "model/pattern.h"
#include "model/suppressions_builtin.h"
#include "model/suppressions_file.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* In memos: 0 = not looked at, 1 = matches nothing, 2 + i = matches rule i. */
enum { MEMO_UNKNOWN = 0, MEMO_NONE = 1, MEMO_RULE = 2 };

/* What the program's own rules are told to stand in. */
#define PROGRAM_FILE "__lsan_default_suppressions()"

struct address_memo {
    const struct symbol_address *address;
    uint32_t memo;
};

struct suppressions {
    struct suppression **rules; /* files' rules, then built-in ones; each owned */
    size_t count, capacity;
    size_t file_rules; /* how many of them are files' */
    char **texts;      /* patterns and file names; owned */
    size_t text_count, text_capacity;
    size_t program_rules;               /* the last so many of them are the recorded program's */
    bool patterns;                      /* some rule of a file is no block in braces */
    const struct symbol_frame **frames; /* of the stack looked at; owned */
    size_t frame_capacity;
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

static void free_rule(struct suppression *rule)
{
    struct valgrind_rule *frames = (struct valgrind_rule *)rule->frames;
    if (frames)
        valgrind_rule_release(frames);
    free(frames);
    free(rule);
}

static void drop_program_rules(struct suppressions *s)
{
    size_t from = s->file_rules - s->program_rules;
    for (size_t i = from; i < s->file_rules; i++)
        free_rule(s->rules[i]);
    memmove(s->rules + from, s->rules + s->file_rules,
            (s->count - s->file_rules) * sizeof(struct suppression *));
    s->count -= s->program_rules;
    s->file_rules = from;
    s->program_rules = 0;
}

static void unbind(struct suppressions *s)
{
    drop_program_rules(s);
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
        free_rule(s->rules[i]);
    for (size_t i = 0; i < s->text_count; i++)
        free(s->texts[i]);
    free(s->rules);
    free(s->texts);
    free(s->frames);
    free(s);
}

/* ------------------------------------------------------------------ what files hold */

const char *suppressions_keep(struct suppressions *s, char *text)
{
    MEM_GROW(s->texts, s->text_capacity, s->text_count + 1);
    s->texts[s->text_count++] = text;
    return text;
}

void suppressions_add_pattern(struct suppressions *s, const char *text, size_t length,
                              const char *file, uint32_t line)
{
    add_rule(s, s->file_rules++,
             (struct suppression){.pattern = suppressions_keep(s, mem_strndup(text, length)),
                                  .file = file,
                                  .line = line});
    s->patterns = true;
}

void suppressions_add_block(struct suppressions *s, struct valgrind_rule *block, const char *file,
                            uint32_t line)
{
    struct valgrind_rule *frames = mem_alloc(sizeof *frames);
    *frames = *block;
    add_rule(s, s->file_rules++,
             (struct suppression){
                 .pattern = frames->name, .file = file, .line = line, .frames = frames});
}

/* ------------------------------------------------------------------ matching */

void suppressions_bind(struct suppressions *s, const struct trace_dict *dict,
                       struct symbols *symbols)
{
    unbind(s);
    size_t of_files = s->file_rules;
    if (dict->suppressions)
        suppressions_parse(s, dict->suppressions, strlen(dict->suppressions), PROGRAM_FILE, NULL);
    s->program_rules = s->file_rules - of_files;
    for (size_t i = of_files; i < s->file_rules; i++)
        s->rules[i]->of_program = true;
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
        if (!s->rules[i]->frames && pattern_matches(s->rules[i]->pattern, module))
            return MEMO_RULE + (uint32_t)i;
    for (uint32_t k = 0; k < a->count; k++)
        for (size_t i = 0; i < s->file_rules; i++)
            if (!s->rules[i]->frames &&
                (pattern_matches(s->rules[i]->pattern, a->frames[k].function) ||
                 pattern_matches(s->rules[i]->pattern, a->frames[k].file)))
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

static struct suppression *match_patterns(struct suppressions *s, uint32_t stack)
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

/* The frames of a stack, inlined ones too, in s->frames; returns how many. */
static size_t list_frames(struct suppressions *s, uint32_t stack)
{
    const struct trace_stack_node *nodes = s->dict->stacks;
    size_t count = 0;
    for (uint32_t node = stack; node && !(nodes[node].flags & SEEP_ROW_ROOT);
         node = nodes[node].parent) {
        const struct symbol_address *a = symbols_of_node(s->symbols, node);
        MEM_GROW(s->frames, s->frame_capacity, count + a->count);
        for (uint32_t k = 0; k < a->count; k++)
            s->frames[count++] = &a->frames[k];
    }
    return count;
}

static struct suppression *match_blocks(struct suppressions *s, uint32_t stack, unsigned kinds)
{
    size_t count = list_frames(s, stack);
    for (size_t i = 0; i < s->file_rules; i++) {
        const struct valgrind_rule *frames = s->rules[i]->frames;
        if (frames && frames->kinds & kinds && valgrind_rule_matches(frames, s->frames, count))
            return s->rules[i];
    }
    return NULL;
}

static struct suppression *match_files(struct suppressions *s, uint32_t stack, unsigned kinds)
{
    struct suppression *rule = s->patterns ? match_patterns(s, stack) : NULL;
    return rule ? rule : match_blocks(s, stack, kinds);
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

struct suppression *suppressions_match(struct suppressions *s, uint32_t stack, unsigned kinds)
{
    if (!stack || stack > s->dict->stack_count)
        return NULL;
    struct suppression *rule = s->file_rules ? match_files(s, stack, kinds) : NULL;
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
