/* SPDX-License-Identifier: MIT
 *
 * From the function that asks, as far as is known, outwards: it is the one if many call it; if
 * nearly all calls come from one other function, that is looked at in its place, for allocators
 * have layers; if neither, nobody hands on. */
#include "analysis/by_way_of.h"

#include "analysis/resolve.h"
#include "model/wrappers.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define HEAVIEST 256     /* stacks that are looked at */
#define FEW 16           /* places where such a function calls the allocator */
#define LAYERS 4         /* of an allocator */
#define LEAST_PERCENT 60 /* of all bytes, that come by way of the function */
#define LEAST_CALLERS 5  /* that have at least a hundredth of that each, */
#define MOST_PERCENT 50  /* and at most this share */
#define LAYER_PERCENT 95 /* of a layer's bytes are its only caller's */
#define RECURSIVE_PERCENT 5

/* The frames of a stack from the one that asks outwards. */
struct way {
    const struct symbol_frame **frames; /* owned */
    size_t count, capacity;
    uint64_t bytes;
};

void by_way_of_note(struct by_way_of *w, uint32_t stack, uint64_t bytes)
{
    if (!bytes)
        return;
    MEM_GROW(w->items, w->capacity, w->count + 1);
    w->items[w->count++] = (struct by_way_of_share){stack, bytes};
}

void by_way_of_release(struct by_way_of *w)
{
    free(w->items);
    *w = (struct by_way_of){0};
}

static int heaviest_first(const void *a, const void *b)
{
    const struct by_way_of_share *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return (x->stack > y->stack) - (x->stack < y->stack);
}

static void list_way(struct way *way, uint32_t stack, const struct trace_dict *dict,
                     struct symbols *symbols)
{
    const struct symbol_frame *caller = wrapper_caller(dict, symbols, stack);
    bool begun = false;
    for (uint32_t node = stack; node && !(dict->stacks[node].flags & SEEP_ROW_ROOT);
         node = dict->stacks[node].parent) {
        const struct symbol_address *a = symbols_of_node(symbols, node);
        for (uint32_t i = 0; i < a->count; i++) {
            begun = begun || &a->frames[i] == caller;
            if (!begun)
                continue;
            MEM_GROW(way->frames, way->capacity, way->count + 1);
            way->frames[way->count++] = &a->frames[i];
        }
    }
}

static const char *function_at(const struct way *way, size_t layer)
{
    return layer < way->count ? way->frames[layer]->function : "";
}

static bool calls_itself(const struct way *way, size_t layer)
{
    for (size_t i = layer + 1; i < way->count; i++)
        if (strcmp(way->frames[i]->function, function_at(way, layer)) == 0)
            return true;
    return false;
}

/* What stands at a layer of the ways. */
struct layer {
    size_t heaviest;  /* a way through the function with most bytes there */
    uint64_t bytes;   /* of all ways */
    uint64_t most;    /* of those through that function */
    size_t functions; /* that have a name: addresses may be several of one */
};

static struct layer look_at(const struct way *ways, size_t count, size_t at)
{
    struct layer l = {0};
    for (size_t i = 0; i < count; i++)
        l.bytes += ways[i].bytes;
    for (size_t i = 0; i < count; i++) {
        uint64_t here = 0;
        bool first = true;
        for (size_t k = 0; k < count; k++) {
            if (strcmp(function_at(&ways[k], at), function_at(&ways[i], at)) != 0)
                continue;
            first = first && k >= i;
            here += ways[k].bytes;
        }
        if (!first)
            continue;
        l.functions += at < ways[i].count && ways[i].frames[at]->named && here * 100 >= l.bytes;
        if (here > l.most) {
            l.most = here;
            l.heaviest = i;
        }
    }
    return l;
}

/* Puts the ways through that function at that layer first; returns how many they are. */
static size_t keep(struct way *ways, size_t count, size_t at, const char *function)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(function_at(&ways[i], at), function) != 0)
            continue;
        struct way other = ways[kept];
        ways[kept++] = ways[i];
        ways[i] = other;
    }
    return kept;
}

static uint64_t recursive_bytes(const struct way *ways, size_t count, size_t at)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (calls_itself(&ways[i], at))
            bytes += ways[i].bytes;
    return bytes;
}

/* Adds the function that hands on, if there is one. */
static bool add_function(struct result *r, struct way *ways, size_t count, uint64_t total)
{
    struct layer l = look_at(ways, count, 0);
    for (size_t at = 0; at < LAYERS && l.most && l.most * 100 >= total * LEAST_PERCENT; at++) {
        if (at >= ways[l.heaviest].count)
            return false;
        const struct symbol_frame *f = ways[l.heaviest].frames[at];
        uint64_t bytes = l.most;
        count = keep(ways, count, at, f->function);
        if (recursive_bytes(ways, count, at) * 100 > bytes * RECURSIVE_PERCENT)
            return false;
        l = look_at(ways, count, at + 1);
        if (f->named && l.functions >= LEAST_CALLERS && l.most * 100 <= bytes * MOST_PERCENT) {
            struct result *o = result_object(r, "by_way_of");
            result_text(o, "function", f->function);
            result_text(o, "file", f->file);
            if (f->line)
                result_integer(o, "line", f->line);
            else
                result_null(o, "line");
            result_percent(o, "share_percent", 100. * (double)bytes / (double)total);
            result_count(o, "callers", l.functions);
            return true;
        }
        if (l.most * 100 < bytes * LAYER_PERCENT)
            return false;
    }
    return false;
}

static int most_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Whether so much is asked for in so few places that a function may hand it on. That takes no
 * names, which cost. */
static bool is_worth_naming(const struct by_way_of_share *items, size_t count, uint64_t total,
                            const struct trace_dict *dict)
{
    uint64_t pcs[HEAVIEST], bytes[HEAVIEST] = {0}, sum = 0;
    size_t places = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t pc = dict->stacks[items[i].stack].pc;
        size_t k = 0;
        while (k < places && pcs[k] != pc)
            k++;
        pcs[k] = pc;
        places += k == places;
        bytes[k] += items[i].bytes;
    }
    qsort(bytes, places, sizeof *bytes, most_first);
    for (size_t i = 0; i < places && i < FEW; i++)
        sum += bytes[i];
    return sum && sum * 100 >= total * LEAST_PERCENT;
}

enum seep_err by_way_of_add(struct result *r, struct by_way_of *w, const struct trace_dict *dict,
                            struct symbols *symbols, struct err *err)
{
    uint64_t total = 0;
    size_t known = 0; /* in a damaged trace stacks may be missing */
    for (size_t i = 0; i < w->count; i++) {
        total += w->items[i].bytes;
        if (w->items[i].stack && w->items[i].stack <= dict->stack_count)
            w->items[known++] = w->items[i];
    }
    w->count = known;
    if (w->count)
        qsort(w->items, w->count, sizeof *w->items, heaviest_first);
    size_t count = w->count < HEAVIEST ? w->count : HEAVIEST;
    if (!is_worth_naming(w->items, count, total, dict)) {
        result_null(r, "by_way_of");
        return SEEP_OK;
    }
    uint8_t *marks = mem_zalloc((size_t)dict->stack_count + 1, 1);
    for (size_t i = 0; i < count; i++)
        marks[w->items[i].stack] = 1;
    enum seep_err code = resolve_marked(symbols, dict, marks, true, err);
    free(marks);
    struct way *ways = mem_zalloc(count + 1, sizeof *ways);
    for (size_t i = 0; i < count && !code; i++) {
        ways[i].bytes = w->items[i].bytes;
        list_way(&ways[i], w->items[i].stack, dict, symbols);
    }
    if (!code && !add_function(r, ways, count, total))
        result_null(r, "by_way_of");
    for (size_t i = 0; i < count; i++)
        free(ways[i].frames);
    free(ways);
    return code;
}
