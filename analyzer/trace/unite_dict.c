/* SPDX-License-Identifier: MIT */
#include "trace/unite_dict.h"

#include "trace/same_code.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PLACE_ALIGN UINT64_C(0x100000)

void unite_dict_init(struct unite_dict *d, struct trace_writer *writer)
{
    *d = (struct unite_dict){.writer = writer, .end = UNITE_PLACE};
    stack_map_init(&d->stacks);
    d->stacks.writer = writer;
}

void unite_dict_release(struct unite_dict *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->modules[i].module.path);
        free(d->modules[i].module.build_id);
        free(d->modules[i].module.segments);
    }
    free(d->modules);
    stack_map_release(&d->stacks);
}

/* ------------------------------------------------------------------ modules */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static size_t bucket_of(const struct trace_module *m)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    hash = m->build_id_bytes ? hash_bytes(hash, m->build_id, m->build_id_bytes)
                             : hash_bytes(hash, m->path, strlen(m->path));
    return hash % UNITE_BUCKETS;
}

static void *copy_of(const void *from, size_t bytes)
{
    void *to = mem_alloc(bytes + 1);
    if (bytes)
        memcpy(to, from, bytes);
    return to;
}

/* Where the module is for all processes. */
static uint64_t place_of(struct unite_dict *d, const struct trace_module *m, uint64_t shift_ns)
{
    uint32_t *bucket = &d->buckets[bucket_of(m)];
    for (uint32_t i = *bucket; i; i = d->modules[i - 1].next)
        if (same_code_modules(&d->modules[i - 1].module, m))
            return d->modules[i - 1].module.start;
    MEM_GROW(d->modules, d->capacity, d->count + 1);
    struct unite_module *u = &d->modules[d->count++];
    *u = (struct unite_module){.module = *m, .next = *bucket};
    *bucket = (uint32_t)d->count;
    struct trace_module *placed = &u->module;
    placed->path = mem_strdup(m->path);
    placed->build_id = copy_of(m->build_id, m->build_id_bytes);
    placed->segments = copy_of(m->segments, m->segment_count * sizeof *m->segments);
    placed->start = d->end;
    placed->end = placed->start + (m->end - m->start);
    placed->base = placed->start - (m->start - m->base);
    placed->generation_from = 0;
    placed->generation_to = UINT32_MAX;
    placed->load_ns = m->load_ns + shift_ns;
    placed->unload_ns = UINT64_MAX; /* another process may still have it */
    trace_writer_module(d->writer, placed);
    d->end = (placed->end + PLACE_ALIGN) & ~(PLACE_ALIGN - 1);
    return placed->start;
}

/* ------------------------------------------------------------------ stacks */

void unite_stacks_init(struct unite_stacks *s, struct unite_dict *all,
                       const struct trace_dict *dict, uint32_t process, uint64_t shift_ns)
{
    *s = (struct unite_stacks){
        .all = all,
        .dict = dict,
        .process = process,
        .shift_ns = shift_ns,
        .nodes = mem_zalloc((size_t)dict->stack_count + 1, sizeof *s->nodes),
        .generations = mem_zalloc((size_t)dict->stack_count + 1, sizeof *s->generations),
        .places = mem_zalloc(dict->module_count + 1, sizeof *s->places),
    };
    module_map_init(&s->map, dict);
    for (uint32_t node = 1; node <= dict->stack_count; node++) {
        const struct trace_stack_node *n = &dict->stacks[node];
        s->generations[node] =
            n->flags & SEEP_ROW_ROOT ? (uint32_t)n->pc : s->generations[n->parent];
    }
}

void unite_stacks_release(struct unite_stacks *s)
{
    if (s->nodes)
        module_map_release(&s->map);
    free(s->nodes);
    free(s->generations);
    free(s->places);
    *s = (struct unite_stacks){0};
}

/* The address as it is for all processes. */
static uint64_t address_of(struct unite_stacks *s, uint32_t node)
{
    const struct trace_stack_node *n = &s->dict->stacks[node];
    if (n->flags & SEEP_ROW_ROOT)
        return 0; /* there is one generation only */
    const struct trace_module *m = module_map_find(&s->map, s->generations[node], n->pc);
    if (!m)
        return n->pc | (uint64_t)s->process << TRACE_PROCESS_SHIFT;
    uint64_t *place = &s->places[m - s->dict->modules];
    if (!*place)
        *place = place_of(s->all, m, s->shift_ns);
    return *place + (n->pc - m->start);
}

uint32_t unite_stack(struct unite_stacks *s, uint32_t stack)
{
    const struct trace_stack_node *nodes = s->dict->stacks;
    uint32_t path[SEEP_FRAME_LIMIT + 1];
    size_t depth = 0;
    if (stack > s->dict->stack_count)
        return 0;
    uint32_t node = stack;
    for (; node && !s->nodes[node] && depth <= SEEP_FRAME_LIMIT; node = nodes[node].parent)
        path[depth++] = node;
    if (node && !s->nodes[node])
        return 0; /* deeper than any stack is */
    uint32_t united = s->nodes[node];
    while (depth) {
        node = path[--depth];
        const struct trace_stack_node *n = &nodes[node];
        if (n->pc == UINT64_MAX)
            return 0; /* its definition is lost, and with it what it leads to */
        united = s->nodes[node] =
            stack_map_fold(&s->all->stacks, united, address_of(s, node), n->flags);
    }
    return united;
}
