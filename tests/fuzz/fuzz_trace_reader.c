/* SPDX-License-Identifier: MIT
 *
 * Reads a trace of arbitrary bytes: to its end, from the middle, and again, and touches every live
 * block. Built with -DSTANDALONE it has a main() of its own that replays the files it is given.
 *
 * A few bytes may tell of millions of events, rightly so: the number read is bounded here. */
#include "trace/graph.h"
#include "trace/trace_reader.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EVENTS_MAX 200000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t read_all(struct trace_reader *reader)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    uint64_t sum = 0;
    struct trace_event event;
    for (unsigned n = 0; n < EVENTS_MAX; n++) {
        if (trace_reader_next(reader, &event, NULL) != SEEP_OK)
            break;
        sum += event.number + event.time_ns;
        for (size_t i = 0; event.type == TRACE_BESIDE && i < event.beside.length; i++)
            sum += event.beside.bytes[i];
        /* what is said about references: they are within the dictionaries */
        if (event.stack > dict->stack_count || event.thread > dict->thread_count ||
            event.after.stack > dict->stack_count || event.before.thread > dict->thread_count)
            abort();
    }
    for (uint32_t slot = 0; slot < trace_reader_slot_count(reader); slot++) {
        const struct trace_block *block = trace_reader_block(reader, slot);
        if (block)
            sum += block->size;
    }
    return sum;
}

/* Every stack ends at a root. */
static void walk_stacks(const struct trace_dict *dict)
{
    for (uint32_t id = 1; id <= dict->stack_count; id++)
        if (dict->stacks[id].parent >= id ||
            (dict->stacks[id].parent == 0) != ((dict->stacks[id].flags & SEEP_ROW_ROOT) != 0))
            abort();
}

/* ---- heap graphs: all that is told lies within the graph */

static uint64_t graph_nodes, told;

static void see_node(void *arg, uint32_t node, uint8_t flags, uint64_t class)
{
    (void)arg;
    told += flags + class;
    if (node >= graph_nodes)
        abort();
}

static void see_edge(void *arg, uint32_t node, uint32_t target, enum seep_graph_pointer pointer)
{
    (void)arg;
    told++;
    if (node >= graph_nodes || target >= graph_nodes || pointer > SEEP_GRAPH_TO_INSIDE)
        abort();
}

static void see_region(void *arg, const struct graph_region *region)
{
    *(struct graph_region *)arg = *region;
}

static void see_root(void *arg, uint64_t place, uint32_t target, enum seep_graph_pointer pointer)
{
    const struct graph_region *region = arg;
    if (target >= graph_nodes || pointer > SEEP_GRAPH_TO_INSIDE || place > region->bytes / 8)
        abort();
}

static void read_graphs(struct trace_reader *reader)
{
    struct columns columns = {0};
    struct graph_region region = {0};
    struct graph_head head;
    const struct graph_sink sink = {see_node, see_edge, see_region, see_root, &region};
    bool good;
    for (size_t at = 0; !trace_reader_graph(reader, &at, false, &columns, &good, NULL);) {
        if (!good || !graph_take_head(&head, &columns))
            continue;
        graph_nodes = head.nodes;
        graph_take_chunk(&head, &columns, &sink);
    }
    columns_release(&columns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct trace_reader *reader;
    if (trace_reader_open_bytes(&reader, data, size, "input", NULL))
        return 0;
    walk_stacks(trace_reader_dict(reader));
    read_graphs(reader);
    static volatile uint64_t sum; /* so that nothing read is left out */
    sum = read_all(reader);
    if (trace_reader_seek_time(reader, UINT64_MAX, NULL) == SEEP_OK)
        sum = read_all(reader);
    if (trace_reader_rewind(reader, NULL) == SEEP_OK)
        sum = read_all(reader);
    (void)sum;
    trace_reader_free(reader);
    return 0;
}

#ifdef STANDALONE
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            perror(argv[i]);
            return 1;
        }
        uint8_t *data = NULL;
        size_t size = 0, room = 0;
        do {
            room += 65536;
            data = realloc(data, room);
            if (!data)
                return 1;
            size += fread(data + size, 1, room - size, file);
        } while (size == room);
        fclose(file);
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    return 0;
}
#endif
