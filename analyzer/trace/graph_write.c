/* SPDX-License-Identifier: MIT */
#include "trace/graph.h"

#include "trace/trace_writer.h"

#define CHUNK_BYTES                                                                                \
    (4u << 20) /* decoded, of all columns together: far below any column's limit                   \
                */

void graph_writer_begin(struct graph_writer *w, struct trace_writer *writer,
                        const struct graph_head *head, struct err *err)
{
    *w = (struct graph_writer){.writer = writer, .head = *head, .err = err};
    w->head.chunk = w->head.first = w->head.count = w->head.regions = 0;
    w->head.last = false;
    w->chunk_bytes = CHUNK_BYTES;
    w->class_slots = mem_zalloc(GRAPH_CLASS_SLOTS, sizeof *w->class_slots);
}

static void put_head(struct bytes *b, const struct graph_head *h)
{
    bytes_varint(b, h->number);
    bytes_varint(b, h->chunk);
    bytes_varint(b, h->last);
    bytes_varint(b, h->event);
    bytes_varint(b, h->nodes);
    bytes_varint(b, h->checksum);
    bytes_varint(b, h->first);
    bytes_varint(b, h->count);
    bytes_varint(b, h->regions);
    bytes_varint(b, h->words);
    bytes_varint(b, h->scanned_bytes);
    bytes_varint(b, h->scan_ns);
}

static void put_region(struct graph_writer *w)
{
    struct bytes *b = &w->columns.column[SEEP_COLUMN_GRAPH_REGION];
    if (w->region_roots == 0)
        return;
    bytes_varint(b, w->region.kind);
    bytes_svarint(b, (int64_t)(w->region.start - w->region_end));
    bytes_varint(b, w->region.bytes);
    bytes_varint(b, w->region.thread);
    bytes_varint(b, w->region_roots);
    w->region_end = w->region.start + w->region.bytes;
    w->region_roots = 0;
    w->root_place = 0;
    w->head.regions++;
}

static void write_chunk(struct graph_writer *w, bool last)
{
    put_region(w);
    w->head.last = last;
    put_head(&w->columns.column[SEEP_COLUMN_RECORDS], &w->head);
    if (!w->failed)
        w->failed = trace_writer_graph(w->writer, &w->columns, w->err);
    columns_clear(&w->columns);
    w->head.chunk++;
    w->head.first += w->head.count;
    w->head.count = w->head.regions = 0;
    w->region_end = 0;
    w->root_target = 0;
    w->class_last = w->classes = 0;
    memset(w->class_slots, 0, GRAPH_CLASS_SLOTS * sizeof *w->class_slots);
}

static void end_full_chunk(struct graph_writer *w)
{
    if (columns_raw_bytes(&w->columns) >= w->chunk_bytes)
        write_chunk(w, false);
}

static void put_class(struct graph_writer *w, uint64_t class)
{
    struct bytes *b = &w->columns.column[SEEP_COLUMN_GRAPH_CLASS];
    if (class == 0) {
        bytes_varint(b, 0);
        return;
    }
    size_t at = (size_t)(class * 0x9e3779b97f4a7c15u >> 32);
    struct graph_class_slot *slot;
    while ((slot = &w->class_slots[at % GRAPH_CLASS_SLOTS])->number && slot->address != class)
        at++;
    if (slot->number) {
        bytes_varint(b, slot->number + 1);
        return;
    }
    bytes_varint(b, 1);
    bytes_svarint(&w->columns.column[SEEP_COLUMN_GRAPH_CLASS_NEW],
                  (int64_t)(class - w->class_last));
    w->class_last = class;
    w->classes++;
    *slot = (struct graph_class_slot){class, (uint32_t)w->classes};
}

void graph_writer_node(struct graph_writer *w, uint8_t flags, uint64_t class,
                       const struct graph_edge *edges, size_t count)
{
    uint64_t node = w->head.first + w->head.count++;
    struct bytes *target = &w->columns.column[SEEP_COLUMN_GRAPH_TARGET];
    bytes_u8(&w->columns.column[SEEP_COLUMN_GRAPH_FLAGS], flags);
    put_class(w, class);
    bytes_varint(&w->columns.column[SEEP_COLUMN_GRAPH_EDGES], count);
    for (size_t i = 0; i < count; i++) {
        if (i == 0)
            bytes_svarint(target, (int64_t)(edges[i].target - node));
        else
            bytes_varint(target, edges[i].target - edges[i - 1].target - 1);
        bytes_u8(&w->columns.column[SEEP_COLUMN_GRAPH_POINTER], (uint8_t)edges[i].pointer);
    }
    if (w->classes >= GRAPH_CLASS_SLOTS / 2)
        write_chunk(w, false);
    else if (w->head.count % 256 == 0 || count > 256)
        end_full_chunk(w);
}

void graph_writer_region(struct graph_writer *w, const struct graph_region *region)
{
    put_region(w);
    w->region = *region;
}

void graph_writer_root(struct graph_writer *w, uint64_t place, uint32_t target,
                       enum seep_graph_pointer pointer)
{
    bytes_varint(&w->columns.column[SEEP_COLUMN_GRAPH_ROOT_PLACE], place - w->root_place);
    bytes_svarint(&w->columns.column[SEEP_COLUMN_GRAPH_ROOT_TARGET],
                  (int64_t)target - (int64_t)w->root_target);
    bytes_u8(&w->columns.column[SEEP_COLUMN_GRAPH_ROOT_POINTER], (uint8_t)pointer);
    w->root_place = place;
    w->root_target = target;
    if (++w->region_roots % 4096 == 0)
        end_full_chunk(w);
}

enum seep_err graph_writer_end(struct graph_writer *w)
{
    write_chunk(w, true);
    columns_release(&w->columns);
    free(w->class_slots);
    return w->failed;
}
