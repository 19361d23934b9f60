/* SPDX-License-Identifier: MIT */
#include "trace/same_code.h"

#include "trace/module_map.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ modules */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_segments(const struct trace_segment *a, const struct trace_segment *b)
{
    int order = compare_numbers(a->address, b->address);
    if (order == 0)
        order = compare_numbers(a->bytes, b->bytes);
    return order ? order : compare_numbers(a->file_offset, b->file_offset);
}

static int compare_code(const struct trace_module *a, const struct trace_module *b)
{
    int order = compare_numbers(a->build_id_bytes, b->build_id_bytes);
    if (order == 0)
        order = a->build_id_bytes ? memcmp(a->build_id, b->build_id, a->build_id_bytes)
                                  : strcmp(a->path, b->path);
    if (order == 0)
        order = compare_numbers(a->end - a->start, b->end - b->start);
    if (order == 0)
        order = compare_numbers(a->start - a->base, b->start - b->base);
    if (order == 0)
        order = compare_numbers(a->segment_count, b->segment_count);
    for (size_t i = 0; order == 0 && i < a->segment_count; i++)
        order = compare_segments(&a->segments[i], &b->segments[i]);
    return order;
}

bool same_code_modules(const struct trace_module *a, const struct trace_module *b)
{
    return compare_code(a, b) == 0;
}

static int by_code(const void *a, const void *b, void *arg)
{
    const struct trace_module *modules = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = compare_code(&modules[x], &modules[y]);
    return order ? order : compare_numbers(x, y);
}

/* By module the first that is the same code; owned by the caller. */
static uint32_t *first_modules(const struct trace_dict *dict)
{
    size_t count = dict->module_count;
    uint32_t *sorted = mem_zalloc(count + 1, sizeof *sorted);
    uint32_t *first = mem_zalloc(count + 1, sizeof *first);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (uint32_t)i;
    if (count > 1)
        qsort_r(sorted, count, sizeof *sorted, by_code, dict->modules);
    for (size_t i = 0; i < count; i++)
        first[sorted[i]] =
            i && compare_code(&dict->modules[sorted[i]], &dict->modules[sorted[i - 1]]) == 0
                ? first[sorted[i - 1]]
                : sorted[i];
    free(sorted);
    return first;
}

/* ------------------------------------------------------------------ stacks */

/* A stack as it is in every generation. */
struct place {
    uint64_t offset; /* in the module; the address where there is none */
    uint32_t caller; /* the first stack through the same code; 0: the root */
    uint32_t module; /* 1 + index of the first that is the same code; 0: none */
    uint32_t flags;  /* and the root's, beside a caller that is one */
};

struct place_table {
    struct place *places; /* by stack; owned */
    uint32_t *slots;      /* stacks, 0: free; open addressing, a power of two; owned */
    size_t size;
};

/* The first stack with the place of `stack`, which may be itself. */
static uint32_t first_with(struct place_table *t, uint32_t stack)
{
    const struct place *p = &t->places[stack];
    uint64_t hash = (p->offset + ((uint64_t)p->module << 40)) * 0x9e3779b97f4a7c15ull;
    hash = ((hash >> 29) + p->caller + ((uint64_t)p->flags << 32)) * 0x9e3779b97f4a7c15ull;
    for (size_t at = (size_t)(hash >> 20);; at++) {
        uint32_t *slot = &t->slots[at & (t->size - 1)];
        if (!*slot)
            *slot = stack;
        const struct place *q = &t->places[*slot];
        if (*slot == stack || (q->offset == p->offset && q->caller == p->caller &&
                               q->module == p->module && q->flags == p->flags))
            return *slot;
    }
}

/* By stack; owned by the caller. A lost stack is a root of a generation that nothing else has. */
static uint32_t *list_generations(const struct trace_dict *dict, bool *several)
{
    uint32_t *out = mem_zalloc((size_t)dict->stack_count + 1, sizeof *out);
    uint32_t seen = 0;
    *several = false;
    for (uint32_t id = 1; id <= dict->stack_count; id++) {
        const struct trace_stack_node *node = &dict->stacks[id];
        out[id] = node->parent ? out[node->parent] : (uint32_t)node->pc;
        if (node->pc == UINT64_MAX)
            continue;
        *several |= seen && out[id] != out[seen];
        seen = id;
    }
    return out;
}

uint32_t *same_code_stacks(const struct trace_dict *dict)
{
    bool several;
    uint32_t *generations = list_generations(dict, &several);
    if (!several) {
        free(generations);
        return NULL;
    }
    size_t count = (size_t)dict->stack_count + 1;
    struct place_table table = {.places = mem_zalloc(count, sizeof *table.places), .size = 2};
    while (table.size < count * 2)
        table.size *= 2;
    table.slots = mem_zalloc(table.size, sizeof *table.slots);
    uint32_t *modules = first_modules(dict);
    uint32_t *same = mem_zalloc(count, sizeof *same);
    struct module_map map;
    module_map_init(&map, dict);
    for (uint32_t id = 1; id <= dict->stack_count; id++) {
        const struct trace_stack_node *node = &dict->stacks[id];
        const struct trace_stack_node *caller = &dict->stacks[node->parent];
        same[id] = id;
        if (node->flags & SEEP_ROW_ROOT) /* no code at all */
            continue;
        const struct trace_module *m = module_map_find(&map, generations[id], node->pc);
        bool outermost = caller->flags & SEEP_ROW_ROOT;
        table.places[id] = (struct place){
            .offset = m ? node->pc - m->start : node->pc,
            .module = m ? modules[m - dict->modules] + 1 : 0,
            .caller = outermost ? 0 : same[node->parent],
            .flags = node->flags | (outermost ? (uint32_t)caller->flags << 8 : 0),
        };
        same[id] = first_with(&table, id);
    }
    module_map_release(&map);
    free(modules);
    free(table.slots);
    free(table.places);
    free(generations);
    return same;
}
