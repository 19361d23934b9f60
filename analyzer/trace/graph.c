/* SPDX-License-Identifier: MIT */
#include "trace/graph.h"

#include "trace/chunk.h"

uint32_t graph_checksum(const uint64_t *addresses, size_t count)
{
    return chunk_crc(addresses, count * sizeof *addresses);
}

bool graph_take_head(struct graph_head *h, const struct columns *columns)
{
    struct cursor c = cursor_of(&columns->column[SEEP_COLUMN_RECORDS]);
    h->number = cursor_varint(&c);
    h->chunk = cursor_varint(&c);
    h->last = cursor_bounded(&c, 1);
    h->event = cursor_varint(&c);
    h->nodes = cursor_bounded(&c, SEEP_LIVE_MAX);
    h->checksum = (uint32_t)cursor_bounded(&c, UINT32_MAX);
    h->first = cursor_bounded(&c, h->nodes);
    h->count = cursor_bounded(&c, h->nodes - h->first);
    h->regions = cursor_varint(&c);
    h->words = cursor_varint(&c);
    h->scanned_bytes = cursor_varint(&c);
    h->scan_ns = cursor_varint(&c);
    return !c.bad;
}

/* ------------------------------------------------------------------ nodes and edges */

/* The columns of a chunk, read side by side. */
struct parts {
    struct cursor flags, class, class_new, edges, target, pointer;
    struct cursor region, root_place, root_target, root_pointer;
    uint64_t *classes; /* that the chunk has told so far; owned */
    size_t class_count, class_capacity;
};

static uint64_t take_class(struct parts *p)
{
    uint64_t code = cursor_bounded(&p->class, (uint64_t)p->class_count + 1);
    if (code == 0)
        return 0;
    if (code > 1)
        return p->classes[code - 2];
    uint64_t last = p->class_count ? p->classes[p->class_count - 1] : 0;
    MEM_GROW(p->classes, p->class_capacity, p->class_count + 1);
    p->classes[p->class_count++] = last + (uint64_t)cursor_svarint(&p->class_new);
    return p->classes[p->class_count - 1];
}

static bool take_edges(struct parts *p, const struct graph_head *h, uint32_t node,
                       const struct graph_sink *sink)
{
    uint64_t count = cursor_bounded(&p->edges, h->nodes);
    uint64_t target = 0;
    for (uint64_t i = 0; i < count; i++) {
        target = i ? target + cursor_bounded(&p->target, h->nodes) + 1
                   : node + (uint64_t)cursor_svarint(&p->target);
        unsigned pointer = cursor_u8(&p->pointer);
        if (target >= h->nodes || pointer > SEEP_GRAPH_TO_INSIDE || p->target.bad || p->pointer.bad)
            return false;
        sink->edge(sink->arg, node, (uint32_t)target, (enum seep_graph_pointer)pointer);
    }
    return !p->edges.bad;
}

static bool take_nodes(struct parts *p, const struct graph_head *h, const struct graph_sink *sink)
{
    for (uint64_t i = 0; i < h->count; i++) {
        uint32_t node = (uint32_t)(h->first + i);
        uint8_t flags = cursor_u8(&p->flags);
        uint64_t class = take_class(p);
        if (p->flags.bad || p->class.bad || p->class_new.bad)
            return false;
        sink->node(sink->arg, node, flags, class);
        if (!take_edges(p, h, node, sink))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ roots */

static bool take_roots(struct parts *p, const struct graph_head *h, uint64_t words, uint64_t count,
                       uint32_t *last, const struct graph_sink *sink)
{
    uint64_t place = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t target = *last + (uint64_t)cursor_svarint(&p->root_target);
        place += cursor_bounded(&p->root_place, words);
        unsigned pointer = cursor_u8(&p->root_pointer);
        if (target >= h->nodes || pointer > SEEP_GRAPH_TO_INSIDE || place > words ||
            p->root_place.bad || p->root_target.bad || p->root_pointer.bad)
            return false;
        *last = (uint32_t)target;
        sink->root(sink->arg, place, *last, (enum seep_graph_pointer)pointer);
    }
    return true;
}

static bool take_regions(struct parts *p, const struct graph_head *h, const struct graph_sink *sink)
{
    uint64_t end = 0;
    uint32_t last = 0;
    for (uint64_t i = 0; i < h->regions; i++) {
        struct graph_region region;
        region.kind = (enum seep_graph_region)cursor_bounded(&p->region, UINT16_MAX);
        region.start = end + (uint64_t)cursor_svarint(&p->region);
        region.bytes = cursor_varint(&p->region);
        region.thread = (uint32_t)cursor_bounded(&p->region, UINT32_MAX);
        end = region.start + region.bytes;
        uint64_t count = cursor_varint(&p->region);
        if (p->region.bad)
            return false;
        sink->region(sink->arg, &region);
        if (!take_roots(p, h, region.bytes / 8, count, &last, sink))
            return false;
    }
    return true;
}

bool graph_take_chunk(const struct graph_head *head, const struct columns *c,
                      const struct graph_sink *sink)
{
    struct parts p = {
        .flags = cursor_of(&c->column[SEEP_COLUMN_GRAPH_FLAGS]),
        .class = cursor_of(&c->column[SEEP_COLUMN_GRAPH_CLASS]),
        .class_new = cursor_of(&c->column[SEEP_COLUMN_GRAPH_CLASS_NEW]),
        .edges = cursor_of(&c->column[SEEP_COLUMN_GRAPH_EDGES]),
        .target = cursor_of(&c->column[SEEP_COLUMN_GRAPH_TARGET]),
        .pointer = cursor_of(&c->column[SEEP_COLUMN_GRAPH_POINTER]),
        .region = cursor_of(&c->column[SEEP_COLUMN_GRAPH_REGION]),
        .root_place = cursor_of(&c->column[SEEP_COLUMN_GRAPH_ROOT_PLACE]),
        .root_target = cursor_of(&c->column[SEEP_COLUMN_GRAPH_ROOT_TARGET]),
        .root_pointer = cursor_of(&c->column[SEEP_COLUMN_GRAPH_ROOT_POINTER]),
    };
    bool good = take_nodes(&p, head, sink) && take_regions(&p, head, sink);
    free(p.classes);
    return good;
}
