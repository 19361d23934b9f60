/* SPDX-License-Identifier: MIT
 *
 * A `graph.N` of arbitrary bytes, packed beside a heap of 64 blocks: whatever it says, the graph
 * that is written fits, and is judged. The input is what follows the header. */
#include "model/dominators.h"
#include "model/heap_graph.h"
#include "model/reachability.h"
#include "trace/graph_build.h"
#include "trace/trace_writer.h"
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS 64
#define HEAP 0x1000u
#define STEP 0x40u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct trace_block block(uint32_t i)
{
    return (struct trace_block){.address = HEAP + i * STEP,
                                .size = i % 7 * 8,
                                .usable = 56,
                                .alignment = i % 9 ? 0 : 32,
                                .call = i % 3 ? SEEP_CALL_MALLOC : SEEP_CALL_NEW_ARRAY};
}

static struct trace_writer *begin_trace(const char *path)
{
    struct trace_writer *w;
    uint8_t payload[7] = {1, SEEP_GRAPH_TAKEN, SEEP_GRAPH_AT_CALL, 0, 0, 0, 0};
    unlink(path);
    if (trace_writer_open(&w, path, NULL, NULL) || trace_writer_facts(w, NULL, 0, NULL))
        abort();
    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct trace_event ev = {.type = TRACE_ALLOC, .after = block(i), .call = block(i).call};
        trace_writer_event(w, &ev, NULL);
    }
    struct trace_event record = {.type = TRACE_BESIDE};
    record.beside = (struct trace_beside){SEEP_BESIDE_GRAPH, payload, sizeof payload};
    trace_writer_event(w, &record, NULL);
    return w;
}

static void build_nodes(struct graph_build *b)
{
    b->count = BLOCKS;
    b->addresses = mem_alloc(BLOCKS * sizeof *b->addresses);
    b->nodes = mem_zalloc(BLOCKS, sizeof *b->nodes);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        struct trace_block made = block(i);
        b->addresses[i] = made.address;
        b->nodes[i] = (struct graph_node){
            .size = made.size, .usable = 56, .alignment = made.alignment, .call = made.call};
    }
}

static void read_back(const char *path)
{
    struct trace_reader *r;
    struct trace_event ev;
    struct heap_graph_choice choice;
    struct heap_graph g;
    struct reachability reach;
    struct dominators d;
    bool fits = false;
    if (trace_reader_open(&r, path, NULL) || heap_graph_choose(&choice, r, NULL, NULL, NULL) ||
        !choice.snapshot)
        abort();
    while (trace_reader_number(r) < choice.snapshot->event)
        if (trace_reader_next(r, &ev, NULL))
            abort();
    if (heap_graph_load(&g, r, choice.snapshot, &fits, NULL) || !fits)
        abort();
    reachability_find(&reach, &g);
    uint32_t *targets = mem_alloc(((size_t)g.first_edges[g.count] + 1) * sizeof *targets);
    for (uint32_t e = 0; e < g.first_edges[g.count]; e++)
        targets[e] = heap_graph_target(g.edges[e]);
    dominators_find(&d, &(struct flow_graph){g.count, 0, g.first_edges, targets});
    free(targets);
    dominators_release(&d);
    reachability_release(&reach);
    heap_graph_release(&g);
    trace_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mapped_range range = {0x100000, 0x200000};
    struct seep_graph_header header = {
        .magic = SEEP_GRAPH_MAGIC, .version = SEEP_GRAPH_VERSION, .number = 1, .complete = 1};
    char path[64];
    struct graph_file f;
    struct graph_build b = {0};
    struct mapped mapped = {(struct mapped_range *)(uintptr_t)&range, 1, 0};
    struct trace_summary summary = {.wait_status = -1};
    int fd = memfd_create("graph", MFD_CLOEXEC);
    if (fd < 0 || write(fd, &header, sizeof header) != (ssize_t)sizeof header ||
        write(fd, data, size) != (ssize_t)size || !graph_file_open(&f, fd))
        abort();
    snprintf(path, sizeof path, "/tmp/seep-graph-%ld", (long)getpid());
    build_nodes(&b);
    if (graph_build_read(&b, &f, &mapped, NULL, 0)) {
        struct trace_writer *w = begin_trace(path);
        const struct graph_head head = {.number = 1, .event = BLOCKS};
        if (graph_build_write(&b, w, &head, NULL) || trace_writer_finish(w, &summary, NULL))
            abort();
        read_back(path);
        unlink(path);
    }
    graph_build_release(&b);
    graph_file_close(&f);
    return 0;
}
