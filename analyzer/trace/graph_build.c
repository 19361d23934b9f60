/* SPDX-License-Identifier: MIT
 *
 * Three passes over the file: which regions there are; which words hold a class, for whether a
 * pointer into a block means its start may hang on what stands there; then all pointers. */
#include "trace/graph_build.h"

#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PF_EXECUTE 1u /* PF_X of elf.h */
#define TARGET_BITS 30u

_Static_assert((uint64_t)SEEP_LIVE_MAX * 4 <= UINT64_C(1) << TARGET_BITS,
               "target and pointer fit below the source");

void graph_build_release(struct graph_build *b)
{
    free(b->addresses);
    free(b->nodes);
    free(b->libc);
    free(b->heap);
    free(b->code);
    free(b->class_places);
    free(b->edges);
    free(b->regions);
    free(b->roots);
    free(b->told);
    free(b->told_first);
    *b = (struct graph_build){0};
}

/* ------------------------------------------------------------------ where things are */

static bool is_around(const struct graph_build *b, size_t node, uint64_t address)
{
    uint64_t offset = address - b->addresses[node], size = b->nodes[node].size;
    return address >= b->addresses[node] && (offset < size || offset == 0);
}

size_t graph_build_find(struct graph_build *b, uint64_t address)
{
    /* what stands side by side often points side by side */
    for (size_t i = b->near; i < b->near + 2 && i < b->count; i++)
        if (is_around(b, i, address))
            return b->near = i;
    /* first one that begins behind */
    size_t low = BISECT(i, b->count, b->addresses[i] <= address);
    if (low == 0 || !is_around(b, low - 1, address))
        return SIZE_MAX;
    return b->near = low - 1;
}

static int compare_range(const void *a, const void *b)
{
    uint64_t x = ((const struct graph_range *)a)->start, y = ((const struct graph_range *)b)->start;
    return (x > y) - (x < y);
}

static bool is_within(const struct graph_range *ranges, size_t count, uint64_t address)
{
    size_t low = BISECT(i, count, ranges[i].start <= address);
    return low > 0 && address < ranges[low - 1].end;
}

static void add_range(struct graph_range **ranges, size_t *count, size_t *capacity, uint64_t start,
                      uint64_t end)
{
    MEM_GROW(*ranges, *capacity, *count + 1);
    (*ranges)[(*count)++] = (struct graph_range){start, end};
}

static bool is_libc(const struct trace_module *m)
{
    const char *slash = strrchr(m->path, '/'), *name = slash ? slash + 1 : m->path;
    return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "libc-2.", 7) == 0;
}

static void take_modules(struct graph_build *b, const struct trace_module *modules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct trace_module *m = &modules[i];
        if (m->generation_to != UINT32_MAX)
            continue;
        if (is_libc(m))
            add_range(&b->libc, &b->libc_count, &b->libc_capacity, m->start, m->end);
        for (size_t k = 0; k < m->segment_count; k++) {
            uint64_t start = m->base + m->segments[k].address;
            if (m->segments[k].flags & PF_EXECUTE)
                add_range(&b->code, &b->code_count, &b->code_capacity, start,
                          start + m->segments[k].bytes);
        }
    }
    if (b->code_count > 0)
        qsort(b->code, b->code_count, sizeof *b->code, compare_range);
    if (b->libc_count > 0)
        qsort(b->libc, b->libc_count, sizeof *b->libc, compare_range);
}

static bool find_heap(struct graph_build *b, struct graph_file *f)
{
    struct graph_file_region r;
    uint64_t place, value;
    graph_file_rewind(f);
    while (graph_file_region(f, &r)) {
        /* others may have been taken out of the heap: a stack in a block */
        if (r.kind != SEEP_GRAPH_REGISTERS)
            add_range(&b->heap, &b->heap_count, &b->heap_capacity, r.start, r.start + r.bytes);
        while (graph_file_word(f, &place, &value))
            ;
    }
    if (b->heap_count > 0)
        qsort(b->heap, b->heap_count, sizeof *b->heap, compare_range);
    return !f->bad;
}

/* ------------------------------------------------------------------ classes */

/* A word is told because it points into the heap, or into what cannot be written. */
static bool is_class(const struct graph_build *b, uint64_t value)
{
    return !is_within(b->heap, b->heap_count, value) && !is_within(b->code, b->code_count, value);
}

static int compare_address(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void sort_addresses(uint64_t *items, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (items[i] < items[i - 1]) {
            qsort(items, count, sizeof *items, compare_address);
            return;
        }
}

static void find_classes(struct graph_build *b, struct graph_file *f)
{
    struct graph_file_region r;
    uint64_t place, value;
    graph_file_rewind(f);
    while (graph_file_region(f, &r)) {
        while (graph_file_word(f, &place, &value)) {
            uint64_t address = r.start + 8 * place;
            if (r.kind != SEEP_GRAPH_HEAP || !is_class(b, value))
                continue;
            size_t node = graph_build_find(b, address);
            if (node == SIZE_MAX)
                continue;
            if (address == b->addresses[node] && b->nodes[node].size >= 8)
                b->nodes[node].class = value;
            MEM_GROW(b->class_places, b->class_capacity, b->class_count + 1);
            b->class_places[b->class_count++] = address;
        }
    }
    sort_addresses(b->class_places, b->class_count);
}

static bool holds_class(const struct graph_build *b, uint64_t address)
{
    return b->class_count > 0 && bsearch(&address, b->class_places, b->class_count,
                                         sizeof *b->class_places, compare_address) != NULL;
}

/* ------------------------------------------------------------------ pointers */

/* What the value points to of the node around it. */
static enum seep_graph_pointer pointer_of(const struct graph_build *b, size_t node, uint64_t value)
{
    const struct graph_node *n = &b->nodes[node];
    uint64_t offset = value - b->addresses[node];
    if (offset == 0)
        return SEEP_GRAPH_TO_START;
    if (n->call == SEEP_CALL_NEW_ARRAY && (offset == 8 || offset == 16 || offset == n->alignment))
        return SEEP_GRAPH_TO_BASE;
    if (n->class && offset % 8 == 0 && holds_class(b, value))
        return SEEP_GRAPH_TO_BASE;
    return SEEP_GRAPH_TO_INSIDE;
}

static void add_region(struct graph_build *b, enum seep_graph_region kind, uint64_t start,
                       uint64_t bytes, uint32_t thread)
{
    MEM_GROW(b->regions, b->region_capacity, b->region_count + 1);
    b->regions[b->region_count++] = (struct graph_region){kind, start, bytes, thread};
}

/* Of variables it is of interest which ones they are. */
static bool is_told_by_place(enum seep_graph_region kind)
{
    return kind == SEEP_GRAPH_DATA || kind == SEEP_GRAPH_TLS || kind == SEEP_GRAPH_REGISTERED;
}

/* A root in the region added last. */
static void add_root(struct graph_build *b, uint64_t place, size_t target,
                     enum seep_graph_pointer pointer)
{
    uint32_t region = (uint32_t)b->region_count;
    if (!is_told_by_place(b->regions[region - 1].kind)) {
        if (b->told[target] == region && b->told_first[target] <= pointer)
            return;
        b->told[target] = region;
        b->told_first[target] = (uint8_t)pointer;
    }
    MEM_GROW(b->roots, b->root_capacity, b->root_count + 1);
    b->roots[b->root_count++] =
        (struct graph_root){place, (uint32_t)target, region - 1, (uint8_t)pointer};
}

static void add_edge(struct graph_build *b, size_t source, size_t target,
                     enum seep_graph_pointer pointer)
{
    MEM_GROW(b->edges, b->edge_capacity, b->edge_count + 1);
    b->edges[b->edge_count++] =
        (uint64_t)source << TARGET_BITS | (uint64_t)target << 2 | (uint64_t)pointer;
}

/* A word that lies in no block, but in memory that the program has mapped itself. */
static void take_mapped(struct graph_build *b, const struct mapped_range *range,
                        const struct graph_file_region *r, uint64_t address, size_t target,
                        enum seep_graph_pointer pointer)
{
    uint64_t start = range->start > r->start ? range->start : r->start;
    uint64_t end = range->end < r->start + r->bytes ? range->end : r->start + r->bytes;
    const struct graph_region *last = b->region_count ? &b->regions[b->region_count - 1] : NULL;
    if (last == NULL || last->kind != SEEP_GRAPH_MAPPING || last->start != start)
        add_region(b, SEEP_GRAPH_MAPPING, start, end - start, 0);
    add_root(b, (address - start) / 8, target, pointer);
}

static void take_heap(struct graph_build *b, struct graph_file *f,
                      const struct graph_file_region *r, const struct mapped *mapped)
{
    uint64_t place, value;
    size_t source = 0; /* words come by rising address: the block around the last one */
    while (graph_file_word(f, &place, &value)) {
        uint64_t address = r->start + 8 * place;
        size_t target = graph_build_find(b, value);
        if (target == SIZE_MAX)
            continue;
        enum seep_graph_pointer pointer = pointer_of(b, target, value);
        size_t near = b->near;
        b->near = source;
        size_t found = graph_build_find(b, address);
        b->near = near;
        if (found != SIZE_MAX) {
            source = found;
            if (address - b->addresses[found] + 8 <= b->nodes[found].size)
                add_edge(b, found, target, pointer);
            continue;
        }
        const struct mapped_range *range = mapped_find(mapped, address);
        if (range != NULL)
            take_mapped(b, range, r, address, target, pointer);
    }
}

/* glibc's malloc names free memory by the 16 bytes before it, of which the first 8 are the last
 * ones of the block before, if that uses them: its lists, in libc's data, then seem to point into
 * it. */
static bool is_chunk(const struct graph_build *b, uint64_t address, size_t target, uint64_t value)
{
    return value == b->addresses[target] + b->nodes[target].usable - 8 &&
           is_within(b->libc, b->libc_count, address);
}

static void take_roots(struct graph_build *b, struct graph_file *f,
                       const struct graph_file_region *r)
{
    uint64_t place, value;
    add_region(b, r->kind, r->start, r->bytes, r->thread);
    while (graph_file_word(f, &place, &value)) {
        size_t target = graph_build_find(b, value);
        if (target == SIZE_MAX)
            continue;
        enum seep_graph_pointer pointer = pointer_of(b, target, value);
        if (pointer != SEEP_GRAPH_TO_INSIDE || !is_chunk(b, r->start + 8 * place, target, value))
            add_root(b, place, target, pointer);
    }
}

bool graph_build_read(struct graph_build *b, struct graph_file *f, const struct mapped *mapped,
                      const struct trace_module *modules, size_t module_count)
{
    struct graph_file_region r;
    b->told = mem_zalloc(b->count + 1, sizeof *b->told);
    b->told_first = mem_zalloc(b->count + 1, 1);
    if (!find_heap(b, f))
        return false;
    take_modules(b, modules, module_count);
    find_classes(b, f);
    graph_file_rewind(f);
    while (graph_file_region(f, &r)) {
        if (r.kind == SEEP_GRAPH_HEAP)
            take_heap(b, f, &r, mapped);
        else
            take_roots(b, f, &r);
    }
    /* blocks, and so edges, come by rising address unless the regions did not */
    sort_addresses(b->edges, b->edge_count);
    return true;
}

/* ------------------------------------------------------------------ writing */

enum seep_err graph_build_write(struct graph_build *b, struct trace_writer *writer,
                                const struct graph_head *head, struct err *err)
{
    struct graph_head whole = *head;
    struct graph_writer w;
    struct graph_edge *edges = NULL;
    size_t capacity = 0, at = 0;
    whole.nodes = b->count;
    whole.checksum = graph_checksum(b->addresses, b->count);
    graph_writer_begin(&w, writer, &whole, err);
    for (size_t node = 0; node < b->count; node++) {
        size_t count = 0;
        for (; at < b->edge_count && b->edges[at] >> TARGET_BITS == node; at++) {
            uint32_t target = (uint32_t)(b->edges[at] & ((UINT64_C(1) << TARGET_BITS) - 1)) >> 2;
            if (count > 0 && edges[count - 1].target == target)
                continue; /* the first pointer stands first */
            MEM_GROW(edges, capacity, count + 1);
            edges[count++] = (struct graph_edge){target, (uint32_t)(b->edges[at] & 3)};
        }
        graph_writer_node(&w, b->nodes[node].flags, b->nodes[node].class, edges, count);
    }
    uint32_t region = UINT32_MAX;
    for (size_t i = 0; i < b->root_count; i++) {
        const struct graph_root *r = &b->roots[i];
        if (r->region != region)
            graph_writer_region(&w, &b->regions[r->region]);
        region = r->region;
        graph_writer_root(&w, r->place, r->target, (enum seep_graph_pointer)r->pointer);
    }
    free(edges);
    return graph_writer_end(&w);
}
