/* SPDX-License-Identifier: MIT
 *
 * Reads a spool's `graph.N`: regions of memory and the words in them that may be pointers. The file
 * comes from a process that may have been anything: nothing in it is trusted. */
#ifndef TRACE_GRAPH_FILE_H
#define TRACE_GRAPH_FILE_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPH_FILE_BUFFER_BYTES (1u << 18)

struct graph_file {
    int fd; /* owned */
    struct seep_graph_header header;
    uint64_t size_bytes;
    /* private */
    uint8_t *buffer; /* owned */
    const uint8_t *at, *end;
    uint64_t offset;       /* in the file, of `end` */
    uint64_t region_end;   /* of the region read last */
    uint64_t value, place; /* of the word read last; words from the region's start */
    uint64_t words;        /* of the region */
    bool bad;
};

/* A region as the file tells it. */
struct graph_file_region {
    enum seep_graph_region kind;
    uint64_t start, bytes;
    uint32_t thread;
};

/* Takes over `fd`. False, with errno 0 where that is not why, if it is no such file, or not
 * complete. graph_file_close() in any case. */
bool graph_file_open(struct graph_file *f, int fd);
void graph_file_close(struct graph_file *f);

/* Goes to the first region. */
void graph_file_rewind(struct graph_file *f);
/* The next region, whose words are to be read to their end first. False at the end, or where
 * nothing makes sense any more: f->bad then. */
bool graph_file_region(struct graph_file *f, struct graph_file_region *region);
/* The next word of the region: words from its start, below those that it has room for, and its
 * value. False at the region's end. */
bool graph_file_word(struct graph_file *f, uint64_t *place, uint64_t *value);

#endif
