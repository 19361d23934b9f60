/* SPDX-License-Identifier: MIT */
#include "model/heap_graph.h"

#include "model/graph_words.h"
#include "model/module_kind.h"
#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

void heap_graph_release(struct heap_graph *g)
{
    if (!g)
        return;
    free(g->slots);
    free(g->addresses);
    free(g->sizes);
    free(g->births);
    free(g->stacks);
    free(g->classes);
    free(g->flags);
    free(g->kept);
    free(g->first_edges);
    free(g->edges);
    free(g->regions);
    free(g->roots);
    free(g->class_addresses);
    memset(g, 0, sizeof *g);
}

uint32_t heap_graph_find(const struct heap_graph *g, uint64_t address)
{
    uint32_t low = (uint32_t)BISECT(i, g->count, g->addresses[i] <= address);
    uint64_t size = low ? g->sizes[low - 1] : 0;
    return low && address - g->addresses[low - 1] < (size ? size : 1) ? low - 1 : HEAP_GRAPH_NONE;
}

/* ------------------------------------------------------------------ choosing */

/* How many chunks of a graph, in a row from its first one, are there. */
struct present {
    uint64_t number, event, chunks;
    bool whole;
};

/* Takes the next chunk's head into account. */
static void add_head(struct present *p, const struct graph_head *h)
{
    if (h->chunk == 0)
        *p = (struct present){.number = h->number, .event = h->event};
    if (h->number != p->number || h->event != p->event || h->chunk != p->chunks)
        *p = (struct present){.chunks = UINT64_MAX}; /* one is missing */
    else
        p->chunks++;
    p->whole = h->last && p->chunks != UINT64_MAX;
}

static const struct trace_snapshot *find_snapshot(const struct trace_dict *dict,
                                                  const struct present *p)
{
    for (size_t i = 0; i < dict->snapshot_count; i++)
        if (dict->snapshots[i].number == p->number && dict->snapshots[i].event == p->event)
            return &dict->snapshots[i];
    return NULL;
}

static const char *reason(const struct trace_dict *dict, bool any,
                          bool (*wanted)(void *arg, const struct trace_snapshot *snapshot),
                          void *arg)
{
    const struct trace_snapshot *last = NULL;
    if (dict->process_count)
        return "a trace of several processes holds none";
    for (size_t i = 0; i < dict->snapshot_count; i++)
        if (!wanted || wanted(arg, &dict->snapshots[i]))
            last = &dict->snapshots[i];
    if (!last)
        return dict->snapshot_count ? "no snapshot was taken by then" : "no snapshot was taken";
    if (last->state != SEEP_GRAPH_TAKEN)
        return graph_state_words(last->state);
    return any ? "it is damaged" : "the snapshot was never finished";
}

enum seep_err heap_graph_choose(struct heap_graph_choice *choice, struct trace_reader *reader,
                                bool (*wanted)(void *arg, const struct trace_snapshot *snapshot),
                                void *arg, struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct columns columns = {0};
    struct present present = {.chunks = UINT64_MAX};
    struct graph_head head;
    bool good, any = false;
    enum seep_err code;
    *choice = (struct heap_graph_choice){0};
    for (size_t at = 0; !(code = trace_reader_graph(reader, &at, true, &columns, &good, err));) {
        any = true;
        if (!good || !graph_take_head(&head, &columns)) {
            present = (struct present){.chunks = UINT64_MAX};
            continue;
        }
        add_head(&present, &head);
        const struct trace_snapshot *s = present.whole ? find_snapshot(dict, &present) : NULL;
        if (s && (!wanted || wanted(arg, s)))
            choice->snapshot = s;
    }
    columns_release(&columns);
    if (code != SEEP_END)
        return code;
    if (!choice->snapshot)
        choice->why_not = reason(dict, any, wanted, arg);
    return SEEP_OK;
}

/* ------------------------------------------------------------------ nodes */

struct sorted_block {
    uint64_t address;
    uint32_t slot;
};

static int compare_block(const void *a, const void *b)
{
    uint64_t x = ((const struct sorted_block *)a)->address;
    uint64_t y = ((const struct sorted_block *)b)->address;
    return (x > y) - (x < y);
}

static void take_blocks(struct heap_graph *g, const struct trace_reader *reader)
{
    struct sorted_block *sorted = NULL;
    size_t count = 0, capacity = 0;
    for (uint32_t slot = 0; slot < trace_reader_slot_count(reader); slot++) {
        const struct trace_block *b = trace_reader_block(reader, slot);
        if (!b || trace_block_in_pool(b))
            continue;
        MEM_GROW(sorted, capacity, count + 1);
        sorted[count++] = (struct sorted_block){b->address, slot};
    }
    if (count)
        qsort(sorted, count, sizeof *sorted, compare_block);
    g->count = (uint32_t)count;
    g->slots = mem_alloc((count + 1) * sizeof *g->slots);
    g->addresses = mem_alloc((count + 1) * sizeof *g->addresses);
    g->sizes = mem_alloc((count + 1) * sizeof *g->sizes);
    g->births = mem_alloc((count + 1) * sizeof *g->births);
    g->stacks = mem_alloc((count + 1) * sizeof *g->stacks);
    for (size_t i = 0; i < count; i++) {
        const struct trace_block *b = trace_reader_block(reader, sorted[i].slot);
        g->slots[i] = sorted[i].slot;
        g->addresses[i] = b->address;
        g->sizes[i] = b->size;
        g->births[i] = b->birth;
        g->stacks[i] = b->stack;
    }
    free(sorted);
}

/* ------------------------------------------------------------------ chunks */

struct loading {
    struct heap_graph *g;
    const struct trace_dict *dict;
    const struct trace_facts *facts;
    bool books; /* of the allocator: the region being read */
    uint64_t edge_count;
    size_t edge_capacity, region_capacity, root_capacity, class_capacity;
    uint32_t nodes; /* told so far */
    bool too_many;
    struct class_slot {
        uint64_t address;
        uint32_t index; /* + 1; 0: free */
    } * slots;          /* owned */
    size_t slot_count;  /* a power of two */
};

static struct class_slot *class_slot(const struct loading *l, uint64_t address)
{
    size_t at = (size_t)(address * 0x9e3779b97f4a7c15u >> 32);
    while (l->slots[at & (l->slot_count - 1)].index &&
           l->slots[at & (l->slot_count - 1)].address != address)
        at++;
    return &l->slots[at & (l->slot_count - 1)];
}

static uint32_t class_index(struct loading *l, uint64_t address)
{
    struct heap_graph *g = l->g;
    if (!address)
        return 0;
    if ((size_t)g->class_count * 2 >= l->slot_count) {
        free(l->slots);
        l->slot_count = l->slot_count ? l->slot_count * 2 : 1024;
        l->slots = mem_zalloc(l->slot_count, sizeof *l->slots);
        for (uint32_t i = 0; i < g->class_count; i++)
            *class_slot(l, g->class_addresses[i]) =
                (struct class_slot){g->class_addresses[i], i + 1};
    }
    struct class_slot *slot = class_slot(l, address);
    if (!slot->index) {
        MEM_GROW(g->class_addresses, l->class_capacity, (size_t)g->class_count + 1);
        g->class_addresses[g->class_count++] = address;
        *slot = (struct class_slot){address, g->class_count};
    }
    return slot->index;
}

static void load_node(void *arg, uint32_t node, uint8_t flags, uint64_t class)
{
    struct loading *l = arg;
    l->g->flags[node] = flags;
    l->g->classes[node] = class_index(l, class);
    l->g->first_edges[node] = (uint32_t)l->edge_count;
    l->nodes = node + 1;
}

static void load_edge(void *arg, uint32_t node, uint32_t target, enum seep_graph_pointer pointer)
{
    struct loading *l = arg;
    (void)node;
    if (l->edge_count == UINT32_MAX) {
        l->too_many = true;
        return;
    }
    MEM_GROW(l->g->edges, l->edge_capacity, l->edge_count + 1);
    l->g->edges[l->edge_count++] = target << 2 | (uint32_t)pointer;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Whether `address` lies in the data of a library that serves malloc, where its own books stand:
 * starts of free memory and of blocks look alike there. Not of libc, which holds other pointers;
 * the packer knows its chunks. */
static bool is_books(const struct loading *l, uint64_t address)
{
    const char *allocator = l->facts->allocator_path;
    if (!allocator || !allocator[0] || module_kind(allocator) == MODULE_LIBC ||
        (l->facts->exe && strcmp(allocator, l->facts->exe) == 0))
        return false; /* where the program brings it along, its own data is there, too */
    for (size_t i = 0; i < l->dict->module_count; i++) {
        const struct trace_module *m = &l->dict->modules[i];
        if (address >= m->start && address < m->end && m->path &&
            strcmp(base_name(m->path), base_name(allocator)) == 0)
            return true;
    }
    return false;
}

static void load_region(void *arg, const struct graph_region *region)
{
    struct loading *l = arg;
    struct heap_graph *g = l->g;
    MEM_GROW(g->regions, l->region_capacity, (size_t)g->region_count + 1);
    g->regions[g->region_count++] = *region;
    l->books = region->kind == SEEP_GRAPH_DATA && is_books(l, region->start);
}

static void load_root(void *arg, uint64_t place, uint32_t target, enum seep_graph_pointer pointer)
{
    struct loading *l = arg;
    struct heap_graph *g = l->g;
    if (l->books)
        return;
    if (g->root_count == UINT32_MAX) {
        l->too_many = true;
        return;
    }
    MEM_GROW(g->roots, l->root_capacity, (size_t)g->root_count + 1);
    g->roots[g->root_count++] =
        (struct heap_graph_root){place, target, g->region_count - 1, (uint8_t)pointer};
}

/* Whether the chunk is the next one of the graph, and the graph is of these nodes. */
static bool is_next(const struct loading *l, const struct graph_head *h, uint64_t chunk,
                    uint32_t checksum)
{
    return h->chunk == chunk && h->nodes == l->g->count && h->checksum == checksum &&
           h->first == l->nodes;
}

static enum seep_err load_chunks(struct loading *l, struct trace_reader *reader,
                                 const struct trace_snapshot *snapshot, bool *fits, struct err *err)
{
    const struct graph_sink sink = {load_node, load_edge, load_region, load_root, l};
    struct heap_graph *g = l->g;
    struct columns columns = {0};
    struct graph_head head = {0};
    uint32_t checksum = graph_checksum(g->addresses, g->count);
    uint64_t chunk = 0;
    bool good, last = false;
    enum seep_err code = SEEP_OK;
    for (size_t at = 0; !last && !code;) {
        code = trace_reader_graph(reader, &at, false, &columns, &good, err);
        if (code || !good || !graph_take_head(&head, &columns) || head.number != snapshot->number ||
            head.event != snapshot->event)
            continue;
        if (!is_next(l, &head, chunk++, checksum) || !graph_take_chunk(&head, &columns, &sink))
            break;
        last = head.last;
    }
    columns_release(&columns);
    g->words = head.words;
    g->scanned_bytes = head.scanned_bytes;
    g->scan_ns = head.scan_ns;
    *fits = last && l->nodes == g->count && !l->too_many;
    return code == SEEP_END ? SEEP_OK : code;
}

enum seep_err heap_graph_load(struct heap_graph *g, struct trace_reader *reader,
                              const struct trace_snapshot *snapshot, bool *fits, struct err *err)
{
    memset(g, 0, sizeof *g);
    struct loading l = {
        .g = g, .dict = trace_reader_dict(reader), .facts = trace_reader_facts(reader)};
    take_blocks(g, reader);
    g->snapshot = snapshot;
    g->classes = mem_zalloc((size_t)g->count + 1, sizeof *g->classes);
    g->flags = mem_zalloc((size_t)g->count + 1, 1);
    g->kept = mem_zalloc((size_t)g->count + 1, 1);
    g->first_edges = mem_zalloc((size_t)g->count + 1, sizeof *g->first_edges);
    enum seep_err code = load_chunks(&l, reader, snapshot, fits, err);
    g->first_edges[g->count] = (uint32_t)l.edge_count;
    free(l.slots);
    if (code || !*fits)
        heap_graph_release(g);
    return code;
}
