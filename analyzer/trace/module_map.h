/* SPDX-License-Identifier: MIT
 *
 * Which module an address lay in, in a generation: addresses are used again after an unload. */
#ifndef TRACE_MODULE_MAP_H
#define TRACE_MODULE_MAP_H

#include "trace/trace_event.h"

struct module_generation; /* the modules of one generation, by address */

struct module_map {
    const struct trace_dict *dict;
    uint32_t *by_start;                    /* indices of all modules; owned */
    struct module_generation *generations; /* made when first asked for; owned */
    size_t generation_count, generation_capacity, entry_count;
};

/* `dict` outlives the map. */
void module_map_init(struct module_map *m, const struct trace_dict *dict);
void module_map_release(struct module_map *m);

/* The module around `pc`, or NULL. */
const struct trace_module *module_map_find(struct module_map *m, uint32_t generation, uint64_t pc);

#endif
