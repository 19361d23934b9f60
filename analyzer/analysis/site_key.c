/* SPDX-License-Identifier: MIT */
#include "analysis/site_key.h"

#include "model/wrappers.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

const char *const site_by_names[] = {"stack", "function", "module", "source", NULL};

static uint64_t hash_text(uint64_t h, const char *text)
{
    for (; text && *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3ull; /* FNV-1a */
    return h;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static struct site_slot *slot_of(const struct site_table *t, const struct site_key *k)
{
    uint64_t h = hash_text(hash_text(0xcbf29ce484222325ull, k->name), k->module);
    h = (h ^ (uintptr_t)k->rule) * 0x9e3779b97f4a7c15ull;
    for (size_t at = (size_t)(h >> 20);; at++) {
        struct site_slot *slot = &t->slots[at & (t->capacity - 1)];
        if (!slot->site || (slot->key.rule == k->rule && same_text(slot->key.name, k->name) &&
                            same_text(slot->key.module, k->module)))
            return slot;
    }
}

struct site_slot *site_find(struct site_table *t, const struct site_key *k)
{
    if ((t->count + 1) * 2 > t->capacity) {
        struct site_table old = *t;
        t->capacity = old.capacity ? old.capacity * 2 : 256;
        t->slots = mem_zalloc(t->capacity, sizeof *t->slots);
        for (size_t i = 0; i < old.capacity; i++)
            if (old.slots[i].site)
                *slot_of(t, &old.slots[i].key) = old.slots[i];
        free(old.slots);
    }
    return slot_of(t, k);
}

static const char *module_or_unknown(const char *module)
{
    return module ? module : "(unknown module)";
}

struct site_key site_key_of(uint32_t node, enum site_by by, const struct suppression *rule,
                            const struct trace_dict *dict, struct symbols *symbols)
{
    const struct symbol_frame *f = wrapper_caller(dict, symbols, node);
    struct site_key k = {.name = "(unknown)", .rule = rule};
    if (!f)
        return k;
    switch (by) {
    case SITE_BY_STACK:
    case SITE_BY_FUNCTION:
        k.name = f->function;
        k.module = f->module;
        break;
    case SITE_BY_MODULE: k.name = module_or_unknown(f->module); break;
    case SITE_BY_SOURCE: /* without debug info the module is the nearest there is */
        k.name = f->file ? f->file : module_or_unknown(f->module);
        break;
    }
    return k;
}

void site_table_release(struct site_table *t)
{
    free(t->slots);
    *t = (struct site_table){0};
}
