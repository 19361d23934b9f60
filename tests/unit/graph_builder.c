/* SPDX-License-Identifier: MIT */
#include "graph_builder.h"

#include "seep/trace_codec.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct graph_builder *g, uint64_t value)
{
    if (g->length + SEEP_VARINT_MAX > g->capacity) {
        g->capacity = g->capacity * 2 + 4096;
        g->bytes = realloc(g->bytes, g->capacity);
    }
    g->length = (size_t)(seep_put_varint(g->bytes + g->length, value) - g->bytes);
}

void gb_begin(struct graph_builder *g, uint32_t number)
{
    memset(g, 0, sizeof *g);
    memcpy(g->header.magic, SEEP_GRAPH_MAGIC, sizeof g->header.magic);
    g->header.version = SEEP_GRAPH_VERSION;
    g->header.number = number;
    g->header.complete = 1;
}

void gb_region(struct graph_builder *g, enum seep_graph_region kind, uint64_t start, uint64_t bytes,
               uint32_t thread)
{
    if (kind == SEEP_GRAPH_REGISTERS)
        start = 0;
    put(g, kind);
    put(g, seep_zigzag((int64_t)(start - g->region_end)));
    put(g, bytes);
    put(g, thread);
    g->region_end = start + bytes;
    g->next_place = 0;
    g->header.scanned_bytes += bytes;
}

void gb_word(struct graph_builder *g, uint64_t place, uint64_t value)
{
    put(g, place - g->next_place + 1);
    put(g, seep_zigzag((int64_t)(value - g->value)));
    g->next_place = place + 1;
    g->value = value;
    g->header.words++;
}

void gb_end_region(struct graph_builder *g)
{
    put(g, 0);
}

void gb_finish(struct graph_builder *g, const char *spool)
{
    char path[300];
    put(g, SEEP_GRAPH_END);
    g->header.bytes = g->length;
    snprintf(path, sizeof path, "%s/graph.%u", spool, g->header.number);
    FILE *f = fopen(path, "wb");
    assert(f != NULL);
    size_t put_all = fwrite(&g->header, sizeof g->header, 1, f) + fwrite(g->bytes, g->length, 1, f);
    assert(put_all == 2);
    (void)put_all;
    fclose(f);
    free(g->bytes);
    memset(g, 0, sizeof *g);
}
