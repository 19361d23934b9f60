/* SPDX-License-Identifier: MIT
 *
 * Random graphs through GRAPH chunks of all sizes: what was written is read, and what does not fit,
 * or is damaged, is never taken for a graph. */
#include "model/heap_graph.h"
#include "trace/chunk.h"
#include "trace/trace_writer.h"
#include "util/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NODES 300
#define EDGES 900
#define ROOTS 200
#define REGIONS 20

struct root {
    uint64_t place;
    uint32_t target, region;
    uint8_t pointer;
};

struct graph {
    uint32_t nodes, edge_count, root_count, region_count;
    uint64_t classes[NODES];
    uint8_t flags[NODES];
    uint32_t first[NODES + 1];
    struct graph_edge edges[EDGES];
    struct graph_region regions[REGIONS];
    struct root roots[ROOTS];
};

static uint64_t seed;

static uint64_t random_number(uint64_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 20) % limit;
}

static uint64_t address_of(uint32_t node)
{
    return 0x10000 + node * 0x100;
}

static void make_graph(struct graph *g)
{
    memset(g, 0, sizeof *g);
    g->nodes = (uint32_t)random_number(NODES);
    for (uint32_t node = 0; node < g->nodes; node++) {
        g->flags[node] = random_number(9) == 0 ? SEEP_GRAPH_IGNORED : 0;
        g->classes[node] = random_number(2) ? 0 : 0x400000 + 8 * random_number(50);
        g->first[node] = g->edge_count;
        for (uint32_t target = (uint32_t)random_number(g->nodes);
             target < g->nodes && g->edge_count < EDGES && random_number(4) != 0;
             target += 1 + (uint32_t)random_number(5))
            g->edges[g->edge_count++] = (struct graph_edge){target, (uint32_t)random_number(3)};
    }
    g->first[g->nodes] = g->edge_count;
    while (g->nodes && g->region_count < REGIONS && g->root_count < ROOTS) {
        struct graph_region *r = &g->regions[g->region_count];
        *r = (struct graph_region){(enum seep_graph_region)(2 + random_number(8)),
                                   random_number(UINT64_C(1) << 47) * 8, 8 * 1000,
                                   (uint32_t)random_number(4)};
        for (uint64_t place = random_number(400);
             place < 1000 && g->root_count < ROOTS && random_number(10) != 0;
             place += 1 + random_number(200))
            g->roots[g->root_count++] = (struct root){place, (uint32_t)random_number(g->nodes),
                                                      g->region_count, (uint8_t)random_number(3)};
        g->region_count++;
    }
}

/* A trace with as many live blocks as the graph has nodes, and the graph, whose chunks hold so many
 * bytes. */
static void write_trace(const struct graph *g, const char *path, uint32_t live, size_t chunk_bytes)
{
    struct trace_writer *w;
    struct trace_summary summary = {.wait_status = -1};
    struct graph_writer gw;
    uint64_t addresses[NODES + 1];
    uint8_t payload[7] = {1, SEEP_GRAPH_TAKEN, SEEP_GRAPH_AT_CALL, 0, 0, 0, 0};
    unlink(path);
    assert_int_equal(trace_writer_open(&w, path, NULL, NULL), SEEP_OK);
    assert_int_equal(trace_writer_facts(w, NULL, 0, NULL), SEEP_OK);
    for (uint32_t node = 0; node < live; node++) {
        struct trace_event ev = {.type = TRACE_ALLOC, .time_ns = node};
        ev.after = (struct trace_block){.address = address_of(node), .size = 0x80, .usable = 0x80};
        assert_int_equal(trace_writer_event(w, &ev, NULL), SEEP_OK);
    }
    struct trace_event record = {.type = TRACE_BESIDE, .time_ns = live};
    record.beside = (struct trace_beside){SEEP_BESIDE_GRAPH, payload, sizeof payload};
    assert_int_equal(trace_writer_event(w, &record, NULL), SEEP_OK);
    for (uint32_t node = 0; node < g->nodes; node++)
        addresses[node] = address_of(node);
    struct graph_head head = {.number = 1,
                              .event = live,
                              .nodes = g->nodes,
                              .checksum = graph_checksum(addresses, g->nodes),
                              .words = 77};
    graph_writer_begin(&gw, w, &head, NULL);
    gw.chunk_bytes = chunk_bytes;
    for (uint32_t node = 0; node < g->nodes; node++)
        graph_writer_node(&gw, g->flags[node], g->classes[node], g->edges + g->first[node],
                          g->first[node + 1] - g->first[node]);
    uint32_t region = UINT32_MAX;
    for (uint32_t i = 0; i < g->root_count; i++) {
        if (g->roots[i].region != region)
            graph_writer_region(&gw, &g->regions[g->roots[i].region]);
        region = g->roots[i].region;
        graph_writer_root(&gw, g->roots[i].place, g->roots[i].target,
                          (enum seep_graph_pointer)g->roots[i].pointer);
    }
    assert_int_equal(graph_writer_end(&gw), SEEP_OK);
    assert_int_equal(trace_writer_finish(w, &summary, NULL), SEEP_OK);
}

/* Whether the trace has a graph, and it fits. */
static bool load(struct heap_graph *g, struct trace_reader *r)
{
    struct heap_graph_choice choice;
    struct trace_event ev;
    bool fits = false;
    assert_int_equal(heap_graph_choose(&choice, r, NULL, NULL, NULL), SEEP_OK);
    assert_true(choice.snapshot != NULL || choice.why_not != NULL);
    if (!choice.snapshot)
        return false;
    while (trace_reader_number(r) < choice.snapshot->event && !trace_reader_next(r, &ev, NULL))
        ;
    assert_int_equal(heap_graph_load(g, r, choice.snapshot, &fits, NULL), SEEP_OK);
    return fits;
}

static void compare(const struct graph *g, const struct heap_graph *h)
{
    assert_int_equal(h->count, g->nodes);
    assert_int_equal(h->words, 77);
    assert_int_equal(h->first_edges[h->count], g->edge_count);
    for (uint32_t node = 0; node < g->nodes; node++) {
        assert_int_equal(h->flags[node], g->flags[node]);
        assert_int_equal(h->first_edges[node], g->first[node]);
        uint64_t class = h->classes[node] ? h->class_addresses[h->classes[node] - 1] : 0;
        assert_int_equal(class, g->classes[node]);
    }
    for (uint32_t e = 0; e < g->edge_count; e++) {
        assert_int_equal(heap_graph_target(h->edges[e]), g->edges[e].target);
        assert_int_equal(heap_graph_pointer(h->edges[e]), g->edges[e].pointer);
    }
    assert_int_equal(h->root_count, g->root_count);
    for (uint32_t i = 0; i < g->root_count; i++) {
        const struct graph_region *want = &g->regions[g->roots[i].region];
        const struct graph_region *have = &h->regions[h->roots[i].region];
        assert_memory_equal(have, want, sizeof *want);
        assert_int_equal(h->roots[i].place, g->roots[i].place);
        assert_int_equal(h->roots[i].target, g->roots[i].target);
        assert_int_equal(h->roots[i].pointer, g->roots[i].pointer);
    }
}

static char path[64];

static int make_path(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/seep-test-graph-%d", base && strlen(base) <= 40 ? base : "/tmp",
             getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct graph *g = mem_alloc(sizeof *g);
    static const size_t chunk_bytes[] = {1, 500, 4u << 20};
    for (uint64_t round = 0; round < 60; round++) {
        struct heap_graph h = {0};
        struct trace_reader *r;
        seed = round + 1;
        make_graph(g);
        write_trace(g, path, g->nodes, chunk_bytes[round % 3]);
        assert_int_equal(trace_reader_open(&r, path, NULL), SEEP_OK);
        assert_true(load(&h, r));
        compare(g, &h);
        heap_graph_release(&h);
        trace_reader_free(r);
    }
    free(g);
}

static void another_heap_does_not_fit(void **state)
{
    (void)state;
    struct graph *g = mem_alloc(sizeof *g);
    struct heap_graph h = {0};
    struct trace_reader *r;
    seed = 5;
    do
        make_graph(g);
    while (g->nodes < 10);
    for (int more = -1; more <= 1; more += 2) {
        write_trace(g, path, g->nodes + (uint32_t)more, 500);
        assert_int_equal(trace_reader_open(&r, path, NULL), SEEP_OK);
        assert_false(load(&h, r));
        trace_reader_free(r);
    }
    free(g);
}

/* Reads the file, with one byte at `at` changed; NULL at its end. Owned by the caller. */
static uint8_t *changed_file(size_t at, size_t *length)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *bytes = mem_alloc(1 << 20);
    *length = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    if (at >= *length) {
        free(bytes);
        return NULL;
    }
    bytes[at] ^= (uint8_t)(1 + random_number(255));
    return bytes;
}

/* Makes the checksums of all chunks right again, so that what they guard is looked at. */
static void reseal(uint8_t *bytes, size_t length)
{
    for (size_t at = sizeof(struct seep_file_header);
         at + sizeof(struct seep_chunk_header) <= length;) {
        struct seep_chunk_header h;
        memcpy(&h, bytes + at, sizeof h);
        if (h.magic != SEEP_CHUNK_MAGIC || h.stored_bytes > length - at - sizeof h)
            return;
        struct bytes stored = {.data = bytes + at + sizeof h, .length = (size_t)h.stored_bytes};
        h = chunk_header((enum seep_chunk_type)h.type, h.number, &stored);
        memcpy(bytes + at, &h, sizeof h);
        at += sizeof h + stored.length;
    }
}

/* A graph is either what was written, or, where that was changed and made to look right, one whose
 * parts lie within it; or there is none. */
static void damage_is_noticed(void **state)
{
    (void)state;
    struct graph *g = mem_alloc(sizeof *g);
    size_t graphs[2] = {0};
    seed = 11;
    do
        make_graph(g);
    while (g->nodes < 50);
    for (int sealed = 0; sealed < 2; sealed++) {
        size_t length;
        uint8_t *bytes;
        write_trace(g, path, g->nodes, 300);
        for (size_t at = 0; (bytes = changed_file(at, &length)); at += 1 + random_number(9)) {
            struct heap_graph h = {0};
            struct trace_reader *r;
            if (sealed)
                reseal(bytes, length);
            if (!trace_reader_open_bytes(&r, bytes, length, "changed", NULL)) {
                if (load(&h, r)) {
                    graphs[sealed]++;
                    if (!sealed)
                        compare(g, &h);
                    for (uint32_t e = 0; e < h.first_edges[h.count]; e++)
                        assert_true(heap_graph_target(h.edges[e]) < h.count);
                    for (uint32_t i = 0; i < h.root_count; i++)
                        assert_true(h.roots[i].target < h.count &&
                                    h.roots[i].region < h.region_count);
                    heap_graph_release(&h);
                }
                trace_reader_free(r);
            }
            free(bytes);
        }
    }
    assert_true(graphs[0] > 0 && graphs[1] > 0);
    free(g);
}

#define GOLDEN_SEED 9

static void make_golden(struct graph *g, const char *to)
{
    seed = GOLDEN_SEED;
    make_graph(g);
    if (to)
        write_trace(g, to, g->nodes, 500);
}

static void graphs_of_version_1_stay_readable(void **state)
{
    (void)state;
    struct graph *g = mem_alloc(sizeof *g);
    struct heap_graph h = {0};
    struct trace_reader *r;
    make_golden(g, NULL);
    assert_int_equal(trace_reader_open(&r, GOLDEN "/trace/v1/graph.seep", NULL), SEEP_OK);
    assert_true(load(&h, r));
    compare(g, &h);
    heap_graph_release(&h);
    trace_reader_free(r);
    free(g);
}

/* With an argument: writes what stands in tests/golden/trace to that path. */
int main(int argc, char **argv)
{
    if (argc == 2) {
        struct graph *g = mem_alloc(sizeof *g);
        make_golden(g, argv[1]);
        free(g);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs_of_version_1_stay_readable),
        cmocka_unit_test_setup_teardown(what_was_written_is_read, make_path, remove_path),
        cmocka_unit_test_setup_teardown(another_heap_does_not_fit, make_path, remove_path),
        cmocka_unit_test_setup_teardown(damage_is_noticed, make_path, remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
