/* SPDX-License-Identifier: MIT */
#include "model/symbols.h"

#include "model/code_file.h"
#include "model/demangle.h"
#include "model/pattern.h"
#include "trace/module_map.h"
#include "model/text_pool.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBLEM_LIMIT 1000 /* lines kept; a trace may name any number of modules */
#define PROGRESS_STEP 256  /* addresses between two calls of the progress function */

/* An answer, keyed by what decides it. */
struct answer {
    uint64_t address; /* link-time; as recorded where no module is */
    uint32_t file;    /* index + 1 in files; 0: no module */
    bool exact;
    struct symbol_address *told; /* pooled; NULL: free slot */
};

struct symbols {
    const struct trace_dict *dict;
    struct symbol_options options;
    struct debug_search search;
    struct text_pool pool;
    struct module_map map;
    uint32_t *generations;   /* by stack node: its root's; owned */
    uint32_t *file_of;       /* by module: index in files; owned */
    struct code_file *files; /* one for each path and build ID; owned */
    size_t file_count;
    struct answer *answers; /* open addressing; owned */
    size_t answer_capacity, answer_count;
    const char **problems; /* pooled; NULL-ended */
    size_t problem_count;
    size_t alloc_fn_count;
    bool *alloc_fn_met; /* by pattern; owned */
};

/* Parents come before their children, so one pass finds every node's root. */
static uint32_t *list_generations(const struct trace_dict *dict)
{
    uint32_t *out = mem_zalloc((size_t)dict->stack_count + 1, sizeof *out);
    for (uint32_t id = 1; id <= dict->stack_count; id++) {
        const struct trace_stack_node *node = &dict->stacks[id];
        if (node->parent == 0)
            out[id] = (uint32_t)node->pc;
        else if (node->parent < id)
            out[id] = out[node->parent];
    }
    return out;
}

static int compare_modules(const struct trace_module *a, const struct trace_module *b)
{
    int order = strcmp(a->path, b->path);
    if (order == 0)
        order = (a->build_id_bytes > b->build_id_bytes) - (a->build_id_bytes < b->build_id_bytes);
    if (order == 0 && a->build_id_bytes > 0)
        order = memcmp(a->build_id, b->build_id, a->build_id_bytes);
    return order;
}

static int by_identity(const void *a, const void *b, void *arg)
{
    const struct trace_module *modules = arg;
    return compare_modules(&modules[*(const uint32_t *)a], &modules[*(const uint32_t *)b]);
}

/* A library loaded a hundred times is one file. */
static void list_files(struct symbols *s)
{
    const struct trace_dict *dict = s->dict;
    uint32_t *order = mem_zalloc(dict->module_count, sizeof *order);
    for (size_t i = 0; i < dict->module_count; i++)
        order[i] = (uint32_t)i;
    if (dict->module_count > 1)
        qsort_r(order, dict->module_count, sizeof *order, by_identity, dict->modules);
    s->file_of = mem_zalloc(dict->module_count, sizeof *s->file_of);
    s->files = mem_zalloc(dict->module_count, sizeof *s->files);
    for (size_t i = 0; i < dict->module_count; i++) {
        const struct trace_module *module = &dict->modules[order[i]];
        if (i == 0 || compare_modules(&dict->modules[order[i - 1]], module) != 0)
            code_file_init(&s->files[s->file_count++], module, &s->pool);
        s->file_of[order[i]] = (uint32_t)(s->file_count - 1);
    }
    free(order);
}

struct symbols *symbols_new(const struct trace_dict *dict, const struct symbol_options *options)
{
    struct symbols *s = mem_zalloc(1, sizeof *s);
    s->dict = dict;
    if (options)
        s->options = *options;
    debug_search_init(&s->search, s->options.sysroot, s->options.debug_dirs);
    module_map_init(&s->map, dict);
    s->generations = list_generations(dict);
    s->problems = mem_zalloc(PROBLEM_LIMIT + 1, sizeof *s->problems);
    list_files(s);
    while (s->options.alloc_fns && s->options.alloc_fns[s->alloc_fn_count])
        s->alloc_fn_count++;
    s->alloc_fn_met = mem_zalloc(s->alloc_fn_count + 1, sizeof *s->alloc_fn_met);
    return s;
}

void symbols_free(struct symbols *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->file_count; i++)
        code_file_release(&s->files[i]);
    free(s->files);
    free(s->file_of);
    free(s->generations);
    free(s->answers);
    free(s->problems);
    free(s->alloc_fn_met);
    module_map_release(&s->map);
    debug_search_release(&s->search);
    text_pool_release(&s->pool);
    free(s);
}

const char *symbols_problem(const struct symbols *s, size_t index)
{
    return index < s->problem_count ? s->problems[index] : NULL;
}

bool symbols_have_alloc_fns(const struct symbols *s)
{
    return s->alloc_fn_count > 0;
}

const char *symbols_unmet_alloc_fn(const struct symbols *s, size_t index)
{
    for (size_t i = 0; i < s->alloc_fn_count; i++)
        if (!s->alloc_fn_met[i] && index-- == 0)
            return s->options.alloc_fns[i];
    return NULL;
}

/* All patterns are tried, so that each that names something is known to. */
static bool is_alloc_fn(struct symbols *s, const char *function)
{
    bool any = false;
    for (size_t i = 0; i < s->alloc_fn_count; i++)
        if (pattern_matches(s->options.alloc_fns[i], function))
            any = s->alloc_fn_met[i] = true;
    return any;
}

static bool is_frame(const struct symbols *s, uint32_t stack)
{
    return stack > 0 && stack <= s->dict->stack_count && s->dict->stacks[stack].parent != 0;
}

const struct trace_module *symbols_module_of_node(struct symbols *s, uint32_t stack)
{
    if (!is_frame(s, stack))
        return NULL;
    return module_map_find(&s->map, s->generations[stack], s->dict->stacks[stack].pc);
}

/* What identifies the answer for a node. */
static struct answer key_of(struct symbols *s, uint32_t stack)
{
    const struct trace_stack_node *node = &s->dict->stacks[stack];
    const struct trace_module *module = symbols_module_of_node(s, stack);
    struct answer key = {.address = node->pc, .exact = (node->flags & SEEP_ROW_EXACT_PC) != 0};
    if (module) {
        key.address -= module->base;
        key.file = s->file_of[module - s->dict->modules] + 1;
    }
    return key;
}

static struct answer *answer_slot(struct symbols *s, const struct answer *key)
{
    if ((s->answer_count + 1) * 2 > s->answer_capacity) {
        struct answer *old = s->answers;
        size_t old_capacity = s->answer_capacity;
        s->answer_capacity = old_capacity ? old_capacity * 2 : 1024;
        s->answers = mem_zalloc(s->answer_capacity, sizeof *s->answers);
        for (size_t i = 0; i < old_capacity; i++)
            if (old[i].told)
                *answer_slot(s, &old[i]) = old[i];
        free(old);
    }
    uint64_t hash = (key->address ^ (uint64_t)key->file << 48 ^ key->exact) * 0x9e3779b97f4a7c15u;
    size_t at = (size_t)(hash >> 32) & (s->answer_capacity - 1);
    for (;; at = (at + 1) & (s->answer_capacity - 1)) {
        struct answer *slot = &s->answers[at];
        if (slot->told == NULL ||
            (slot->address == key->address && slot->file == key->file && slot->exact == key->exact))
            return slot;
    }
}

static void note_problem(struct symbols *s, struct code_file *file)
{
    if (file->problem == NULL || s->problem_count == PROBLEM_LIMIT)
        return;
    struct strbuf line = {0};
    strbuf_addf(&line, "%s: %s", file->module->path, file->problem);
    s->problems[s->problem_count++] = text_pool_add(&s->pool, line.text);
    strbuf_release(&line);
    file->problem = NULL;
}

static struct symbol_address *tell(struct symbols *s, const struct answer *key)
{
    struct symbol_frame frames[DEBUG_FRAME_LIMIT];
    struct symbol_address *told = text_pool_alloc(&s->pool, sizeof *told);
    if (key->file == 0) {
        char text[32];
        snprintf(text, sizeof text, "0x%llx", (unsigned long long)key->address);
        frames[0] = (struct symbol_frame){.function = text_pool_add(&s->pool, text)};
        told->count = 1;
        told->suspicion = key->exact ? SYMBOL_PROVED : SYMBOL_UNPROVABLE;
    } else {
        struct code_file *file = &s->files[key->file - 1];
        told->count =
            code_file_resolve(file, key->address, key->exact, &s->search, frames, &told->suspicion);
        note_problem(s, file);
    }
    struct symbol_frame *kept = text_pool_alloc(&s->pool, told->count * sizeof *kept);
    memcpy(kept, frames, told->count * sizeof *kept);
    for (uint32_t i = 0; i < told->count; i++)
        kept[i].alloc_fn = is_alloc_fn(s, kept[i].function);
    told->frames = kept;
    return told;
}

static const struct symbol_address *answer(struct symbols *s, const struct answer *key)
{
    struct answer *slot = answer_slot(s, key);
    if (slot->told == NULL) {
        *slot = *key;
        slot->told = tell(s, key);
        s->answer_count++;
    }
    return slot->told;
}

const struct symbol_address *symbols_of_node(struct symbols *s, uint32_t stack)
{
    static const struct symbol_frame unknown_frame = {.function = "unknown"};
    static const struct symbol_address unknown = {&unknown_frame, 1, SYMBOL_UNPROVABLE};
    if (!is_frame(s, stack))
        return &unknown;
    struct answer key = key_of(s, stack);
    return answer(s, &key);
}

struct wanted {
    uint32_t stack, file;
    uint64_t address;
};

static int by_place(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return (x->address > y->address) - (x->address < y->address);
}

enum seep_err symbols_resolve(struct symbols *s, const uint32_t *stacks, size_t count)
{
    struct wanted *wanted = mem_zalloc(count, sizeof *wanted);
    size_t wanted_count = 0;
    enum seep_err status = SEEP_OK;
    for (size_t i = 0; i < count; i++) {
        if (!is_frame(s, stacks[i]))
            continue;
        struct answer key = key_of(s, stacks[i]);
        wanted[wanted_count++] = (struct wanted){stacks[i], key.file, key.address};
    }
    if (wanted_count > 1)
        qsort(wanted, wanted_count, sizeof *wanted, by_place);
    for (size_t i = 0; i < wanted_count && status == SEEP_OK; i++) {
        symbols_of_node(s, wanted[i].stack);
        if (s->options.progress && (i + 1) % PROGRESS_STEP == 0 &&
            !s->options.progress(s->options.progress_arg, (double)(i + 1) / (double)wanted_count))
            status = SEEP_ERR_INTERRUPTED;
    }
    free(wanted);
    return status;
}

/* The module around an address at that time; where none is known to have been there yet, one that
 * was first seen later: not all are seen at once. */
static const struct trace_module *module_at(const struct trace_dict *dict, uint64_t address,
                                            uint64_t time_ns)
{
    const struct trace_module *found = NULL;
    for (size_t i = 0; i < dict->module_count; i++) {
        const struct trace_module *m = &dict->modules[i];
        if (address < m->start || address >= m->end || m->unload_ns <= time_ns)
            continue;
        if (!found || found->load_ns > time_ns ||
            (m->load_ns <= time_ns && m->load_ns > found->load_ns))
            found = m;
    }
    return found;
}

const struct symbol_address *symbols_of_return(struct symbols *s, uint64_t pc, uint64_t time_ns)
{
    const struct trace_module *m = module_at(s->dict, pc, time_ns);
    struct answer key = {.address = pc};
    if (m) {
        key.address -= m->base;
        key.file = s->file_of[m - s->dict->modules] + 1;
    }
    return answer(s, &key);
}

bool symbols_of_data(struct symbols *s, uint64_t address, uint64_t time_ns, struct symbol_data *out)
{
    const struct trace_module *m = module_at(s->dict, address, time_ns);
    *out = (struct symbol_data){0};
    if (!m)
        return false;
    struct code_file *file = &s->files[s->file_of[m - s->dict->modules]];
    bool found = code_file_variable(file, address - m->base, &s->search, out);
    note_problem(s, file);
    return found;
}

char *symbols_demangle(const char *name)
{
    return demangle(name);
}
