/* SPDX-License-Identifier: MIT
 *
 * Writes `graph.N` files as a recorder would, from the words of seep/trace_format.h alone. */
#ifndef GRAPH_BUILDER_H
#define GRAPH_BUILDER_H

#include "seep/trace_format.h"

#include <stddef.h>
#include <stdint.h>

struct graph_builder {
    struct seep_graph_header header;
    uint8_t *bytes; /* that follow the header */
    size_t length, capacity;
    uint64_t region_end, value, next_place; /* next_place: words from the region's start */
};

void gb_begin(struct graph_builder *g, uint32_t number);
/* A region; its words follow, by rising place. */
void gb_region(struct graph_builder *g, enum seep_graph_region kind, uint64_t start, uint64_t bytes,
               uint32_t thread);
/* `place`: words from the region's start. */
void gb_word(struct graph_builder *g, uint64_t place, uint64_t value);
void gb_end_region(struct graph_builder *g);
/* Ends the file and writes it into the spool. */
void gb_finish(struct graph_builder *g, const char *spool);

#endif
