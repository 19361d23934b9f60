/* SPDX-License-Identifier: MIT */
#include "analysis/heap_holders.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* Holders by what makes two pointers' holder the same. */
struct holder_slot {
    uint64_t key;
    uint32_t index; /* + 1; 0: free */
    enum heap_holder_kind kind;
};

struct holder_table {
    struct holder_slot *slots; /* owned */
    size_t count, capacity;    /* a power of two */
};

static struct holder_slot *slot_of(const struct holder_table *t, enum heap_holder_kind kind,
                                   uint64_t key)
{
    size_t at = (size_t)((key * 16 + kind) * 0x9e3779b97f4a7c15u >> 24);
    struct holder_slot *slot;
    while ((slot = &t->slots[at & (t->capacity - 1)])->index &&
           (slot->key != key || slot->kind != kind))
        at++;
    return slot;
}

/* The holder, made where it is new. */
static uint32_t holder(struct heap_holders *h, struct holder_table *t,
                       const struct heap_holder *like, uint64_t key)
{
    if ((t->count + 1) * 2 > t->capacity) {
        struct holder_table old = *t;
        t->capacity = old.capacity ? old.capacity * 2 : 256;
        t->slots = mem_zalloc(t->capacity, sizeof *t->slots);
        for (size_t i = 0; i < old.capacity; i++)
            if (old.slots[i].index)
                *slot_of(t, old.slots[i].kind, old.slots[i].key) = old.slots[i];
        free(old.slots);
    }
    struct holder_slot *slot = slot_of(t, like->kind, key);
    if (!slot->index) {
        MEM_GROW(h->items, h->capacity, h->count + 1);
        h->items[h->count++] = *like;
        *slot = (struct holder_slot){key, (uint32_t)h->count, like->kind};
        t->count++;
    }
    return slot->index - 1;
}

static uint64_t key_of_text(const char *text)
{
    uint64_t key = 0xcbf29ce484222325u;
    for (; text && *text; text++)
        key = (key ^ (uint8_t)*text) * 0x100000001b3u; /* FNV-1a */
    return key;
}

/* Of a pointer in a module's data, or what lies there. */
static uint32_t variable(struct heap_holders *h, struct holder_table *t, uint64_t address,
                         uint64_t time_ns, struct symbols *symbols)
{
    struct heap_holder like = {.kind = HOLDER_VARIABLE};
    if (symbols_of_data(symbols, address, time_ns, &like.data)) {
        like.address = address - like.data.offset;
        return holder(h, t, &like, like.address);
    }
    like.kind = HOLDER_MODULE;
    return holder(h, t, &like, key_of_text(like.data.module));
}

static uint32_t holder_of_root(struct heap_holders *h, struct holder_table *t,
                               const struct heap_graph *g, const struct heap_graph_root *root,
                               struct symbols *symbols)
{
    const struct graph_region *r = &g->regions[root->region];
    struct heap_holder like = {.thread = r->thread};
    switch (r->kind) {
    case SEEP_GRAPH_STACK:
    case SEEP_GRAPH_WHOLE_STACK:
    case SEEP_GRAPH_REGISTERS:
    case SEEP_GRAPH_ALTERNATE: like.kind = HOLDER_STACK; return holder(h, t, &like, r->thread);
    case SEEP_GRAPH_TLS: like.kind = HOLDER_THREAD; return holder(h, t, &like, r->thread);
    case SEEP_GRAPH_MAPPING:
    case SEEP_GRAPH_REGISTERED:
        like.kind = r->kind == SEEP_GRAPH_MAPPING ? HOLDER_MAPPING : HOLDER_REGISTERED;
        like.thread = 0;
        like.address = r->start;
        return holder(h, t, &like, r->start);
    default: return variable(h, t, r->start + 8 * root->place, g->snapshot->time_ns, symbols);
    }
}

uint32_t heap_holders_of_node(const struct heap_holders *h, const struct heap_graph *g,
                              const struct reachability *reach, uint32_t node)
{
    if (g->kept[node])
        return h->loader;
    if (g->flags[node] & SEEP_GRAPH_IGNORED)
        return h->purpose;
    return reach->verdicts[node] == REACH_DEFINITE ? h->nobody : HEAP_GRAPH_NONE;
}

void heap_holders_find(struct heap_holders *h, const struct heap_graph *g,
                       const struct reachability *reach, struct symbols *symbols)
{
    struct holder_table table = {0};
    *h = (struct heap_holders){
        .loader = HEAP_GRAPH_NONE, .purpose = HEAP_GRAPH_NONE, .nobody = HEAP_GRAPH_NONE};
    h->of_roots = mem_alloc(((size_t)g->root_count + 1) * sizeof *h->of_roots);
    for (uint32_t i = 0; i < g->root_count; i++)
        h->of_roots[i] = holder_of_root(h, &table, g, &g->roots[i], symbols);
    for (uint32_t node = 0; node < g->count; node++) {
        struct heap_holder like = {0};
        if (g->kept[node]) {
            like.kind = HOLDER_LOADER;
            h->loader = holder(h, &table, &like, 0);
        } else if (g->flags[node] & SEEP_GRAPH_IGNORED) {
            like.kind = HOLDER_PURPOSE;
            h->purpose = holder(h, &table, &like, 0);
        } else if (reach->verdicts[node] == REACH_DEFINITE) {
            like.kind = HOLDER_NOBODY;
            h->nobody = holder(h, &table, &like, 0);
        }
    }
    free(table.slots);
}

void heap_holders_release(struct heap_holders *h)
{
    free(h->items);
    free(h->of_roots);
    *h = (struct heap_holders){0};
}
