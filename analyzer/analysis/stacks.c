/* SPDX-License-Identifier: MIT */
#include "analysis/stacks.h"

#include "analysis/costs.h"
#include "analysis/resolve.h"
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

/* Numbers for things by three words. Zero-initialise. */
struct numbering {
    struct numbered {
        uint64_t a, b, c;
        uint32_t number; /* 0: free */
    } * slots;           /* owned */
    size_t capacity;     /* a power of two */
    uint32_t count;
};

struct builder {
    const struct trace_dict *dict;
    struct symbols *symbols;
    struct costs costs;
    uint32_t *mapping_of; /* by module, 0: none yet; owned */
    struct numbering functions, locations;
    struct result *mapping_list, *function_list, *location_list;
    uint32_t mapping_count;
};

/* ------------------------------------------------------------------ numbers */

static struct numbered *slot_of(const struct numbering *n, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t h = (a * 0x9e3779b97f4a7c15ull ^ b) * 0xbf58476d1ce4e5b9ull;
    h = (h ^ h >> 32 ^ c) * 0x94d049bb133111ebull;
    for (size_t at = (size_t)(h >> 20);; at++) {
        struct numbered *slot = &n->slots[at & (n->capacity - 1)];
        if (!slot->number || (slot->a == a && slot->b == b && slot->c == c))
            return slot;
    }
}

/* The number of that thing; *is_new where it had none. */
static uint32_t number_of(struct numbering *n, uint64_t a, uint64_t b, uint64_t c, bool *is_new)
{
    if (((size_t)n->count + 1) * 2 > n->capacity) {
        struct numbering old = *n;
        n->capacity = old.capacity ? old.capacity * 2 : 1024;
        n->slots = mem_zalloc(n->capacity, sizeof *n->slots);
        for (size_t i = 0; i < old.capacity; i++)
            if (old.slots[i].number)
                *slot_of(n, old.slots[i].a, old.slots[i].b, old.slots[i].c) = old.slots[i];
        free(old.slots);
    }
    struct numbered *slot = slot_of(n, a, b, c);
    *is_new = !slot->number;
    if (*is_new)
        *slot = (struct numbered){a, b, c, ++n->count};
    return slot->number;
}

/* ------------------------------------------------------------------ tables */

/* What of the module is mapped as code; as a whole where that is not one piece. */
static void add_mapping(struct result *list, const struct trace_module *m)
{
    const struct trace_segment *code = NULL;
    size_t pieces = 0;
    for (size_t i = 0; i < m->segment_count; i++)
        if (m->segments[i].flags & 1) { /* PF_X */
            code = &m->segments[i];
            pieces++;
        }
    uint64_t start = m->start, end = m->end, offset = 0;
    if (pieces == 1) {
        uint64_t before = code->address % PAGE;
        start = m->base + code->address - before;
        end = m->base + code->address + code->bytes;
        offset = code->file_offset - code->file_offset % PAGE;
    }
    struct result *r = result_object(list, NULL);
    result_address(r, "start", start);
    result_address(r, "end", end);
    result_address(r, "file_offset", offset);
    result_text(r, "path", m->path);
    char hex[2 * 64 + 1] = "";
    for (size_t i = 0; i < m->build_id_bytes && i < 64; i++)
        snprintf(hex + 2 * i, 3, "%02x", m->build_id[i]);
    result_text(r, "build_id", hex[0] ? hex : NULL);
}

static uint32_t mapping_number(struct builder *b, const struct trace_module *m)
{
    if (!m)
        return 0;
    uint32_t *number = &b->mapping_of[m - b->dict->modules];
    if (!*number) {
        *number = ++b->mapping_count;
        add_mapping(b->mapping_list, m);
    }
    return *number;
}

/* Texts are pooled by the symboliser: equal ones are the same. */
static uint32_t function_number(struct builder *b, const struct symbol_frame *f)
{
    bool is_new;
    uint32_t number = number_of(&b->functions, (uintptr_t)f->function, (uintptr_t)f->file,
                                (uintptr_t)f->symbol, &is_new);
    if (is_new) {
        struct result *r = result_object(b->function_list, NULL);
        result_text(r, "function", f->function);
        result_text(r, "symbol", f->symbol);
        result_text(r, "file", f->file);
        result_bool(r, "alloc_fn", f->alloc_fn);
    }
    return number;
}

static uint32_t unknown_location(struct builder *b)
{
    static const struct symbol_frame unknown = {.function = "(unknown)"};
    bool is_new;
    uint32_t number = number_of(&b->locations, 0, 0, 0, &is_new);
    if (is_new) {
        uint32_t function = function_number(b, &unknown);
        struct result *r = result_object(b->location_list, NULL);
        result_address(r, "address", 0);
        result_integer(r, "mapping", 0);
        struct result *frames = result_array(r, "frames");
        result_integer(frames, NULL, function);
        result_integer(frames, NULL, 0);
    }
    return number;
}

static uint32_t location_number(struct builder *b, uint32_t node)
{
    const struct trace_stack_node *n = &b->dict->stacks[node];
    uint32_t mapping = mapping_number(b, symbols_module_of_node(b->symbols, node));
    uint64_t address = n->flags & SEEP_ROW_EXACT_PC || !n->pc ? n->pc : n->pc - 1;
    bool is_new;
    uint32_t number = number_of(&b->locations, 1, address, mapping, &is_new);
    if (!is_new)
        return number;
    const struct symbol_address *a = symbols_of_node(b->symbols, node);
    struct result *r = result_object(b->location_list, NULL);
    result_address(r, "address", address);
    result_integer(r, "mapping", mapping);
    struct result *frames = result_array(r, "frames");
    for (uint32_t i = 0; i < a->count; i++) {
        result_integer(frames, NULL, function_number(b, &a->frames[i]));
        result_integer(frames, NULL, a->frames[i].line);
    }
    return number;
}

/* ------------------------------------------------------------------ the tree */

static bool has_costs(const struct cost *c)
{
    return c->allocations || c->live_blocks;
}

/* Numbers what is wanted, callers first. */
static void add_nodes(struct builder *b, struct result *r, const uint8_t *wanted, uint32_t *number)
{
    struct result *callers = result_array(r, "caller"), *places = result_array(r, "location");
    uint32_t count = 0;
    for (uint32_t node = 0; node <= b->dict->stack_count; node++) {
        bool root = node && b->dict->stacks[node].flags & SEEP_ROW_ROOT;
        /* a root is no frame, unless nothing else is known of a stack */
        if (!wanted[node] || (root && !has_costs(&b->costs.nodes[node])))
            continue;
        bool nothing = !node || root;
        uint32_t caller = nothing ? 0 : b->dict->stacks[node].parent;
        if (caller && b->dict->stacks[caller].flags & SEEP_ROW_ROOT)
            caller = 0;
        result_integer(callers, NULL, caller ? number[caller] : 0);
        result_integer(places, NULL, nothing ? unknown_location(b) : location_number(b, node));
        number[node] = ++count;
    }
}

static void add_samples(const struct builder *b, struct result *r, const uint32_t *number)
{
    struct result *nodes = result_array(r, "node");
    struct result *allocations = result_array(r, "allocations");
    struct result *allocated = result_array(r, "allocated_bytes");
    struct result *blocks = result_array(r, "live_blocks"), *bytes = result_array(r, "live_bytes");
    for (uint32_t node = 0; node <= b->dict->stack_count; node++) {
        const struct cost *c = &b->costs.nodes[node];
        if (!has_costs(c))
            continue;
        result_integer(nodes, NULL, number[node]);
        result_count(allocations, NULL, c->allocations);
        result_bytes(allocated, NULL, c->allocated_bytes);
        result_count(blocks, NULL, c->live_blocks);
        result_bytes(bytes, NULL, c->live_bytes);
    }
}

static enum seep_err make_tree(struct builder *b, struct result *r, const struct trace_facts *facts,
                               struct err *err)
{
    uint8_t *wanted = mem_zalloc((size_t)b->dict->stack_count + 1, 1);
    uint32_t *number = mem_zalloc((size_t)b->dict->stack_count + 1, sizeof *number);
    for (uint32_t node = 0; node <= b->dict->stack_count; node++)
        wanted[node] = has_costs(&b->costs.nodes[node]);
    bool unknown = wanted[0];
    enum seep_err code = resolve_marked(b->symbols, b->dict, wanted, true, err);
    wanted[0] = unknown; /* it is the parent of roots */
    result_text(r, "exe", facts->exe);
    result_integer(r, "start_ns", (int64_t)(facts->start_realtime_ns + b->costs.from_ns));
    result_ns(r, "duration_ns", b->costs.end_ns - b->costs.from_ns);
    b->mapping_list = result_array(r, "mappings");
    b->function_list = result_array(r, "functions");
    b->location_list = result_array(r, "locations");
    for (size_t i = 0; i < b->dict->module_count && !code && facts->exe; i++)
        if (strcmp(b->dict->modules[i].path, facts->exe) == 0) {
            mapping_number(b, &b->dict->modules[i]); /* pprof takes the first for the program */
            break;
        }
    if (!code) {
        add_nodes(b, result_object(r, "nodes"), wanted, number);
        add_samples(b, result_object(r, "samples"), number);
    }
    free(number);
    free(wanted);
    return code;
}

enum seep_err stacks_analyse(struct result **out, struct trace_reader *reader,
                             struct symbols *symbols, const struct stacks_options *o,
                             struct err *err)
{
    struct builder b = {.dict = trace_reader_dict(reader), .symbols = symbols};
    enum seep_err code = o->filter ? filter_bind(o->filter, b.dict, symbols, err) : SEEP_OK;
    if (code)
        return code;
    if (o->filter)
        filter_start_at_cut(o->filter, trace_reader_facts(reader));
    code = costs_read(&b.costs, reader, o->filter, o->pools ? COSTS_POOLS : 0, o->progress,
                      o->progress_arg, err);
    b.mapping_of = mem_zalloc(b.dict->module_count + 1, sizeof *b.mapping_of);
    struct result *r = result_new_object();
    if (!code)
        code = make_tree(&b, r, trace_reader_facts(reader), err);
    if (code)
        result_free(r);
    else
        *out = r;
    free(b.mapping_of);
    free(b.functions.slots);
    free(b.locations.slots);
    costs_release(&b.costs);
    return code;
}
