/* SPDX-License-Identifier: MIT */
#include "trace/module_map.h"

#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_LIMIT (1u << 20) /* of all generations kept; beyond it they are made anew */

struct module_generation {
    uint32_t number;
    uint32_t *modules; /* by start; owned */
    size_t count;
};

static int by_start(const void *a, const void *b, void *arg)
{
    const struct trace_module *modules = arg;
    uint64_t x = modules[*(const uint32_t *)a].start, y = modules[*(const uint32_t *)b].start;
    return (x > y) - (x < y);
}

void module_map_init(struct module_map *m, const struct trace_dict *dict)
{
    memset(m, 0, sizeof *m);
    m->dict = dict;
    m->by_start = mem_zalloc(dict->module_count, sizeof *m->by_start);
    for (size_t i = 0; i < dict->module_count; i++)
        m->by_start[i] = (uint32_t)i;
    if (dict->module_count > 1)
        qsort_r(m->by_start, dict->module_count, sizeof *m->by_start, by_start, dict->modules);
}

static void forget(struct module_map *m)
{
    for (size_t i = 0; i < m->generation_count; i++)
        free(m->generations[i].modules);
    free(m->generations);
    m->generations = NULL;
    m->generation_count = m->generation_capacity = m->entry_count = 0;
}

void module_map_release(struct module_map *m)
{
    forget(m);
    free(m->by_start);
    memset(m, 0, sizeof *m);
}

static struct module_generation *generation_of(struct module_map *m, uint32_t number)
{
    size_t low = BISECT(i, m->generation_count, m->generations[i].number < number);
    if (low < m->generation_count && m->generations[low].number == number)
        return &m->generations[low];
    if (m->entry_count > ENTRY_LIMIT) {
        forget(m);
        low = 0;
    }
    MEM_GROW(m->generations, m->generation_capacity, m->generation_count + 1);
    memmove(&m->generations[low + 1], &m->generations[low],
            (m->generation_count - low) * sizeof *m->generations);
    m->generation_count++;
    struct module_generation *g = &m->generations[low];
    *g = (struct module_generation){.number = number};
    size_t capacity = 0;
    for (size_t i = 0; i < m->dict->module_count; i++) {
        const struct trace_module *module = &m->dict->modules[m->by_start[i]];
        if (module->generation_from > number || number > module->generation_to)
            continue;
        MEM_GROW(g->modules, capacity, g->count + 1);
        g->modules[g->count++] = m->by_start[i];
    }
    m->entry_count += g->count + 1;
    return g;
}

const struct trace_module *module_map_find(struct module_map *m, uint32_t generation, uint64_t pc)
{
    const struct module_generation *g = generation_of(m, generation);
    /* first that starts behind pc */
    size_t low = BISECT(i, g->count, m->dict->modules[g->modules[i]].start <= pc);
    if (low == 0)
        return NULL;
    const struct trace_module *module = &m->dict->modules[g->modules[low - 1]];
    return pc < module->end ? module : NULL;
}
