/* SPDX-License-Identifier: MIT */
#include "analysis/diff_keys.h"

#include "analysis/resolve.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash && slash[1] ? slash + 1 : path ? path : "";
}

/* ------------------------------------------------------------------ files */

static struct diff_file *find(const struct diff_files *f, const char *path)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].name, base_name(path)) == 0)
            return &f->items[i];
    return NULL;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15ull;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

/* Of what lies where in the file: nearly every change of a program changes that. */
static uint64_t layout_of(const struct trace_module *m)
{
    uint64_t h = m->segment_count;
    for (size_t i = 0; i < m->segment_count; i++) {
        const struct trace_segment *s = &m->segments[i];
        h = mix(mix(mix(mix(h, s->address), s->bytes), s->file_offset), s->flags);
    }
    return h;
}

static bool same_build(const struct diff_file *f, const struct trace_module *m)
{
    if (f->build_id_bytes != m->build_id_bytes)
        return false;
    return m->build_id_bytes ? memcmp(f->build_id, m->build_id, m->build_id_bytes) == 0
                             : f->layout == layout_of(m);
}

void diff_files_add(struct diff_files *f, const struct trace_dict *dict)
{
    for (size_t i = 0; i < dict->module_count; i++) {
        const struct trace_module *m = &dict->modules[i];
        struct diff_file *known = find(f, m->path);
        if (known) {
            known->differs |= !same_build(known, m);
            continue;
        }
        MEM_GROW(f->items, f->capacity, f->count + 1);
        struct diff_file *new = &f->items[f->count++];
        *new = (struct diff_file){.name = mem_strdup(base_name(m->path)),
                                  .build_id_bytes = m->build_id ? m->build_id_bytes : 0,
                                  .layout = layout_of(m)};
        if (new->build_id_bytes) {
            new->build_id = mem_alloc(m->build_id_bytes);
            memcpy(new->build_id, m->build_id, m->build_id_bytes);
        }
    }
}

void diff_files_release(struct diff_files *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->items[i].name);
        free(f->items[i].build_id);
    }
    free(f->items);
    *f = (struct diff_files){0};
}

void diff_files_report(const struct diff_files *f, struct result *parent, const char *name)
{
    struct result *list = result_array(parent, name);
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i].matched)
            result_text(list, NULL, f->items[i].name);
}

/* ------------------------------------------------------------------ hashes */

static uint64_t mix_text(uint64_t h, const char *text)
{
    uint64_t t = 0xcbf29ce484222325ull; /* FNV-1a */
    for (; text && *text; text++)
        t = (t ^ (uint8_t)*text) * 0x100000001b3ull;
    return mix(h, t);
}

/* The files of a trace's modules, by module. */
struct keys {
    const struct trace_dict *dict;
    struct symbols *symbols;
    struct diff_file **file_of; /* owned */
};

static struct diff_file *file_of_node(const struct keys *k, uint32_t node,
                                      const struct trace_module **module)
{
    *module = symbols_module_of_node(k->symbols, node);
    return *module ? k->file_of[*module - k->dict->modules] : NULL;
}

/* Each function with its file, so that it is the same whether it was inlined or called. */
static uint64_t mix_names(uint64_t h, const struct keys *k, uint32_t node, const char *file)
{
    const struct symbol_address *a = symbols_of_node(k->symbols, node);
    for (uint32_t i = a->count; i-- > 0;)
        h = mix_text(mix_text(h, file), a->frames[i].named ? a->frames[i].function : "?");
    return h;
}

static uint64_t mix_frame(uint64_t h, const struct keys *k, uint32_t node)
{
    const struct trace_module *m;
    struct diff_file *file = file_of_node(k, node, &m);
    if (!file) /* code that is made at run time lies anywhere */
        return mix_names(h, k, node, "");
    if (!file->differs)
        return mix(mix_text(h, file->name), k->dict->stacks[node].pc - m->base);
    file->matched = true;
    return mix_names(h, k, node, file->name);
}

/* ------------------------------------------------------------------ keys */

static void keys_by_stack(const struct keys *k, uint64_t *keys, const uint8_t *on_the_way)
{
    for (uint32_t node = 1; node <= k->dict->stack_count; node++) {
        const struct trace_stack_node *n = &k->dict->stacks[node];
        if (on_the_way[node] && !(n->flags & SEEP_ROW_ROOT))
            keys[node] = mix_frame(keys[n->parent], k, node);
    }
}

static void keys_by_name(const struct keys *k, uint64_t *keys, enum site_by by,
                         const uint8_t *wanted)
{
    for (uint32_t node = 0; node <= k->dict->stack_count; node++) {
        if (!wanted[node])
            continue;
        struct site_key key = site_key_of(node, by, NULL, k->dict, k->symbols);
        const char *name = by == SITE_BY_FUNCTION ? key.name : base_name(key.name);
        keys[node] = mix_text(mix_text(0, name), base_name(key.module));
    }
}

/* Which stack nodes have to be named: all that a key is made of by name. */
static void mark_to_name(const struct keys *k, uint8_t *marks, enum site_by by)
{
    for (uint32_t node = 1; by == SITE_BY_STACK && node <= k->dict->stack_count; node++) {
        const struct trace_module *m;
        if (!marks[node] || k->dict->stacks[node].flags & SEEP_ROW_ROOT)
            continue;
        const struct diff_file *file = file_of_node(k, node, &m);
        marks[node] = !file || file->differs;
    }
}

enum seep_err diff_keys(uint64_t **keys, struct diff_files *files, enum site_by by,
                        const uint8_t *wanted, const struct trace_dict *dict,
                        struct symbols *symbols, struct err *err)
{
    size_t end = (size_t)dict->stack_count + 1;
    struct keys k = {.dict = dict, .symbols = symbols};
    k.file_of = mem_zalloc(dict->module_count + 1, sizeof *k.file_of);
    for (size_t i = 0; i < dict->module_count; i++)
        k.file_of[i] = find(files, dict->modules[i].path);
    uint8_t *on_the_way = mem_alloc(end), *to_name = mem_alloc(end);
    memcpy(on_the_way, wanted, end);
    for (uint32_t node = dict->stack_count; node > 0; node--)
        if (on_the_way[node])
            on_the_way[dict->stacks[node].parent] = 1;
    memcpy(to_name, on_the_way, end);
    mark_to_name(&k, to_name, by);
    enum seep_err code = resolve_marked(symbols, dict, to_name, false, err);
    *keys = mem_zalloc(end, sizeof **keys);
    if (!code && by == SITE_BY_STACK)
        keys_by_stack(&k, *keys, on_the_way);
    else if (!code)
        keys_by_name(&k, *keys, by, wanted);
    free(on_the_way);
    free(to_name);
    free(k.file_of);
    return code;
}
