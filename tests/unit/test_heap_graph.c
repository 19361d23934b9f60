/* SPDX-License-Identifier: MIT
 *
 * Random heaps on the whole way: memory -> graph.N -> packer -> trace -> verdicts. What is expected
 * comes from the made-up memory itself, word by word, by the definitions. */
#include "graph_builder.h"
#include "pack_fixture.h"

#include "model/heap_graph.h"
#include "model/reachability.h"
#include "seep/trace_codec.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define START 1000000u
#define S(ns) (START + 2 * (uint64_t)(ns))

#define BLOCKS 60
#define HEAP 0x10000000u        /* blocks, freed ones, and gaps */
#define FAR_HEAP 0x7f0000000000 /* the same, of another region */
#define MAPPED                                                                                     \
    0x7e0000000000 /* HEAP in the file; mapped by the program, but for its second half             \
                    */
#define DATA 0x600000u
#define STACK 0x7ffff0000000
#define TABLES 0x402000u    /* read-only data of the module, */
#define CODE 0x400000u      /* and its code */
#define LIBC_DATA 0x800000u /* of another module, libc */
#define AREA_BYTES 0x4000u

enum { AREA_HEAP, AREA_FAR, AREA_MAPPED, AREA_DATA, AREA_STACK, AREA_REGISTERS, AREA_LIBC, AREAS };

static const struct area {
    enum seep_graph_region kind;
    uint64_t start;
    uint32_t thread;
} areas[AREAS] = {
    {SEEP_GRAPH_HEAP, HEAP, 0},      {SEEP_GRAPH_HEAP, FAR_HEAP, 0}, {SEEP_GRAPH_HEAP, MAPPED, 0},
    {SEEP_GRAPH_DATA, DATA, 0},      {SEEP_GRAPH_STACK, STACK, 1},   {SEEP_GRAPH_REGISTERS, 0, 2},
    {SEEP_GRAPH_DATA, LIBC_DATA, 0},
};

struct block {
    uint64_t address, size;
    uint8_t call;
    bool live, ignored;
};

struct world {
    struct pack_fixture f;
    struct block blocks[BLOCKS];
    uint64_t words[AREAS][AREA_BYTES / 8]; /* 0: none */
    uint64_t seed, ns, birth[BLOCKS], number;
    /* the oracle's */
    bool reachable[BLOCKS], ignored[BLOCKS], any[BLOCKS];
};

static uint32_t below(struct world *w, uint32_t limit)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->seed >> 33) % limit;
}

/* ------------------------------------------------------------------ making it */

static void numbers_row(struct world *w, enum seep_beside kind, const uint64_t *numbers,
                        size_t count)
{
    uint8_t payload[128], *p = payload;
    for (size_t i = 0; i < count; i++)
        p = seep_put_varint(p, numbers[i]);
    sb_beside(&w->f.b, 0, S(++w->ns), kind, payload, (size_t)(p - payload));
}
#define NUMBERS(w, kind, ...)                                                                      \
    numbers_row(w, kind, (const uint64_t[]){__VA_ARGS__},                                          \
                sizeof(uint64_t[]){__VA_ARGS__} / sizeof(uint64_t))

/* A module of which two segments are told. */
static void tell_module(struct world *w, const char *path, uint64_t start, const uint64_t *segments)
{
    uint8_t payload[128], *p = payload;
    const uint64_t numbers[] = {0, start, start, start + 0x4000, strlen(path)};
    for (size_t i = 0; i < 5; i++)
        p = seep_put_varint(p, numbers[i]);
    memcpy(p, path, strlen(path));
    p += strlen(path);
    *p++ = 0; /* no build ID */
    *p++ = 2;
    for (size_t i = 0; i < 8; i++)
        p = seep_put_varint(p, segments[i]);
    sb_beside(&w->f.b, 0, S(++w->ns), SEEP_BESIDE_MODULE, payload, (size_t)(p - payload));
}

static void tell_modules(struct world *w)
{
    /* code, and data that cannot be written */
    tell_module(w, "/bin/program", CODE, (uint64_t[]){0, 0x1000, 0, 5, 0x2000, 0x1000, 0x2000, 4});
    tell_module(w, "/lib/libc.so.6", LIBC_DATA,
                (uint64_t[]){0, 0x2000, 0, 6, 0x2000, 0x2000, 0, 6});
}

static void make_blocks(struct world *w)
{
    uint64_t at[2] = {HEAP, FAR_HEAP};
    bool on = false;
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct block *b = &w->blocks[i];
        unsigned far = below(w, 2);
        *b = (struct block){.address = at[far] + 16 * below(w, 3),
                            .size = below(w, 8) ? below(w, 120) : 0,
                            .call = below(w, 3) ? SEEP_CALL_MALLOC : SEEP_CALL_NEW_ARRAY,
                            .live = true};
        at[far] = b->address + (b->size + 31) / 16 * 16;
        if (below(w, 15) == 0) {
            on = !on;
            NUMBERS(w, SEEP_BESIDE_IGNORE_THREAD, 1, on);
        }
        b->ignored = on;
        /* what was there before, and is told to be on purpose, says nothing of what is there now */
        struct builder_block block = {.address = b->address, .size = 1};
        if (below(w, 10) == 0) {
            sb_alloc(&w->f.b, 0, S(++w->ns), 0, &block);
            NUMBERS(w, SEEP_BESIDE_IGNORE, b->address);
            sb_free(&w->f.b, 0, S(++w->ns), SEEP_CALL_FREE, b->address);
            w->number += 2;
        }
        block.size = b->size;
        block.call = b->call;
        sb_alloc(&w->f.b, 0, S(++w->ns), 0, &block);
        w->birth[i] = w->number++;
        if (below(w, 20) == 0 && b->size > 0) {
            NUMBERS(w, SEEP_BESIDE_IGNORE, b->address + below(w, (uint32_t)b->size));
            b->ignored = true;
        }
        if (below(w, 12) == 0) {
            /* a pool's block, where another one begins */
            block.call = SEEP_CALL_POOL;
            sb_alloc(&w->f.b, 0, S(++w->ns), 0, &block);
            w->number++;
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        if (below(w, 5) == 0) {
            w->blocks[i].live = false;
            sb_free(&w->f.b, 0, S(++w->ns), SEEP_CALL_FREE, w->blocks[i].address);
            w->number++;
        }
}

static uint64_t random_value(struct world *w)
{
    const struct block *b = &w->blocks[below(w, BLOCKS)];
    switch (below(w, 9)) {
    case 8: return b->address + SEEP_USABLE_GLIBC(b->size) - 8; /* where the next chunk begins */
    case 0: return b->address + (b->size ? below(w, (uint32_t)b->size) : 0);
    case 1: return b->address + (below(w, 2) ? 8 : 16);
    case 2: return b->address + b->size; /* behind the last byte */
    case 3: return TABLES + 8 * below(w, 4);
    case 4: return CODE + 8 * below(w, 4);
    default: return b->address;
    }
}

static void fill_memory(struct world *w)
{
    uint32_t density[AREAS] = {6 + below(w, 60), 6 + below(w, 60), 2000, 600, 600, 600, 600};
    for (unsigned a = 0; a < AREAS; a++)
        for (unsigned i = 0; i < AREA_BYTES / 8; i++)
            if (below(w, density[a]) == 0)
                w->words[a][i] = random_value(w);
}

/* Objects with a base class behind the first, and pointers to that; some of what looks like such is
 * code. */
static void add_objects(struct world *w)
{
    for (unsigned n = 0; n < 12; n++) {
        const struct block *b = &w->blocks[below(w, BLOCKS)];
        uint64_t *words = w->words[b->address >= FAR_HEAP];
        size_t first = (b->address - (b->address >= FAR_HEAP ? FAR_HEAP : HEAP)) / 8;
        if (b->size < 40)
            continue;
        words[first] = (below(w, 3) ? TABLES : CODE) + 8 * below(w, 4);
        words[first + 3] = (below(w, 3) ? TABLES : CODE) + 8 * below(w, 4);
        w->words[AREA_DATA][below(w, AREA_BYTES / 8)] = b->address + 24 + below(w, 2);
    }
}

static bool in_heap(uint64_t value)
{
    for (unsigned a = 0; a < AREAS; a++)
        if (areas[a].kind == SEEP_GRAPH_HEAP && value - areas[a].start < AREA_BYTES)
            return true;
    return false;
}

static void write_graph(struct world *w, bool backwards)
{
    struct graph_builder g;
    gb_begin(&g, 1);
    for (unsigned n = 0; n < AREAS; n++) {
        unsigned a = backwards ? AREAS - 1 - n : n;
        gb_region(&g, areas[a].kind, areas[a].start, AREA_BYTES, areas[a].thread);
        for (unsigned i = 0; i < AREA_BYTES / 8; i++) {
            uint64_t value = w->words[a][i];
            if (value && (in_heap(value) || areas[a].kind == SEEP_GRAPH_HEAP))
                gb_word(&g, i, value);
        }
        gb_end_region(&g);
    }
    gb_finish(&g, w->f.spool);
}

static void build(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    fixture_begin(&w->f);
    sb_lane(&w->f.b, 1);
    sb_thread(&w->f.b, 0, S(++w->ns), 1, 501, "main");
    tell_modules(w);
    NUMBERS(w, SEEP_BESIDE_MAP_CALL, SEEP_MAP_MMAP, 0, MAPPED, AREA_BYTES, 3, 0x22);
    NUMBERS(w, SEEP_BESIDE_MAP_CALL, SEEP_MAP_MUNMAP, 0, MAPPED + AREA_BYTES / 2, AREA_BYTES / 2);
    make_blocks(w);
    fill_memory(w);
    add_objects(w);
    NUMBERS(w, SEEP_BESIDE_GRAPH, 1, SEEP_GRAPH_TAKEN, SEEP_GRAPH_AT_EXIT, 3, 1, 2000, 1000);
    write_graph(w, seed % 2);
    /* what happens later changes nothing */
    for (unsigned i = 0; i < 10; i++) {
        sb_alloc(&w->f.b, 0, S(++w->ns), 0,
                 &(struct builder_block){.address = 0x20000000 + 64 * i, .size = 32});
        if (w->blocks[i].live)
            sb_free(&w->f.b, 0, S(++w->ns), SEEP_CALL_FREE, w->blocks[i].address);
    }
    sb_finish(&w->f.b);
}

/* ------------------------------------------------------------------ what is expected */

static int block_at(const struct world *w, uint64_t value)
{
    for (int i = 0; i < BLOCKS; i++) {
        const struct block *b = &w->blocks[i];
        if (b->live && value >= b->address && value < b->address + (b->size ? b->size : 1))
            return i;
    }
    return -1;
}

/* Whether the word at that address, in a block, is a class. */
static bool is_class_at(const struct world *w, uint64_t address)
{
    for (unsigned a = 0; a < AREAS; a++)
        if (areas[a].kind == SEEP_GRAPH_HEAP && address % 8 == 0 &&
            address - areas[a].start < AREA_BYTES) {
            uint64_t value = w->words[a][(address - areas[a].start) / 8];
            return value >= TABLES && value < TABLES + 0x1000;
        }
    return false;
}

static bool means_start(const struct world *w, const struct block *b, uint64_t value)
{
    uint64_t offset = value - b->address;
    if (offset == 0)
        return true;
    if (b->call == SEEP_CALL_NEW_ARRAY && (offset == 8 || offset == 16))
        return true;
    return b->size >= 8 && is_class_at(w, b->address) && is_class_at(w, value);
}

/* Calls for each pointer: from which block (-1: a root), to which, and whether it means its start.
 */
static bool spread(struct world *w, bool *set, bool starts_only)
{
    bool more = false;
    for (unsigned a = 0; a < AREAS; a++)
        for (unsigned i = 0; i < AREA_BYTES / 8; i++) {
            uint64_t value = w->words[a][i], address = areas[a].start + 8 * i;
            int target = block_at(w, value);
            if (!value || target < 0 || set[target] ||
                (starts_only && !means_start(w, &w->blocks[target], value)))
                continue;
            if (a == AREA_LIBC && !means_start(w, &w->blocks[target], value) &&
                value == w->blocks[target].address + SEEP_USABLE_GLIBC(w->blocks[target].size) - 8)
                continue;
            int source = areas[a].kind == SEEP_GRAPH_HEAP ? block_at(w, address) : -1;
            if (source >= 0) {
                const struct block *s = &w->blocks[source];
                if (!set[source] || address + 8 > s->address + s->size)
                    continue;
            } else if (areas[a].kind == SEEP_GRAPH_HEAP &&
                       (a != AREA_MAPPED || i >= AREA_BYTES / 16)) {
                continue; /* the allocator's, or mapped no more */
            }
            set[target] = more = true;
        }
    return more;
}

static bool leads_to(const struct world *w, int source, int target)
{
    const struct block *s = &w->blocks[source];
    for (uint64_t at = s->address; at + 8 <= s->address + s->size; at += 8)
        for (unsigned a = 0; a < AREAS; a++)
            if (areas[a].kind == SEEP_GRAPH_HEAP && at - areas[a].start < AREA_BYTES) {
                uint64_t value = w->words[a][(at - areas[a].start) / 8];
                if (value && block_at(w, value) == target)
                    return true;
            }
    return false;
}

static void expect(struct world *w, enum reach_verdict *verdicts, int *leaders)
{
    static bool leads[BLOCKS][BLOCKS]; /* among the lost, over any number of pointers */
    while (spread(w, w->reachable, true))
        ;
    memcpy(w->ignored, w->reachable, sizeof w->ignored);
    for (int i = 0; i < BLOCKS; i++)
        w->ignored[i] |= w->blocks[i].live && w->blocks[i].ignored;
    while (spread(w, w->ignored, true))
        ;
    memcpy(w->any, w->ignored, sizeof w->any);
    while (spread(w, w->any, false))
        ;
    for (int i = 0; i < BLOCKS; i++)
        for (int j = 0; j < BLOCKS; j++)
            leads[i][j] = w->blocks[i].live && w->blocks[j].live && !w->any[i] && !w->any[j] &&
                          (i == j || leads_to(w, i, j));
    for (int k = 0; k < BLOCKS; k++)
        for (int i = 0; i < BLOCKS; i++)
            for (int j = 0; j < BLOCKS; j++)
                leads[i][j] |= leads[i][k] && leads[k][j];
    for (int i = 0; i < BLOCKS; i++) {
        verdicts[i] = w->reachable[i] ? REACH_REACHABLE
                      : w->ignored[i] ? REACH_IGNORED
                      : w->any[i]     ? REACH_POSSIBLE
                                      : REACH_DEFINITE;
        /* blocks were made in the order of their numbers: the first is the oldest */
        for (int j = 0; j < BLOCKS && verdicts[i] == REACH_DEFINITE; j++)
            if (leads[j][i] && (!leads[i][j] || j < i))
                verdicts[i] = REACH_INDIRECT;
    }
    for (int i = 0; i < BLOCKS; i++) {
        leaders[i] = -1;
        for (int j = 0; j < BLOCKS && leaders[i] < 0; j++)
            if (w->blocks[i].live && w->blocks[j].live && verdicts[j] == REACH_DEFINITE &&
                leads[j][i])
                leaders[i] = j;
    }
}

/* ------------------------------------------------------------------ comparing */

static void load(struct world *w, struct trace_reader **reader, struct heap_graph *g)
{
    struct heap_graph_choice choice;
    struct trace_event ev;
    bool fits;
    assert_int_equal(pack_spool(w->f.spool, w->f.trace, NULL, NULL), SEEP_OK);
    assert_int_equal(trace_reader_open(reader, w->f.trace, NULL), SEEP_OK);
    assert_int_equal(heap_graph_choose(&choice, *reader, NULL, NULL, NULL), SEEP_OK);
    assert_non_null(choice.snapshot);
    assert_int_equal(choice.snapshot->event, w->number);
    assert_int_equal(choice.snapshot->missed_threads, 1);
    while (trace_reader_number(*reader) < choice.snapshot->event)
        assert_int_equal(trace_reader_next(*reader, &ev, NULL), SEEP_OK);
    assert_int_equal(heap_graph_load(g, *reader, choice.snapshot, &fits, NULL), SEEP_OK);
    assert_true(fits);
}

static void compare(struct world *w)
{
    enum reach_verdict verdicts[BLOCKS];
    int leaders[BLOCKS];
    struct heap_graph g;
    struct reachability r;
    struct trace_reader *reader;
    load(w, &reader, &g);
    expect(w, verdicts, leaders);
    reachability_find(&r, &g);
    uint32_t live = 0;
    for (int i = 0; i < BLOCKS; i++) {
        if (!w->blocks[i].live)
            continue;
        uint32_t node = heap_graph_find(&g, w->blocks[i].address);
        live++;
        assert_true(node < g.count);
        assert_int_equal(g.births[node], w->birth[i]);
        assert_int_equal(r.verdicts[node], verdicts[i]);
        bool has_class = w->blocks[i].size >= 8 && is_class_at(w, w->blocks[i].address);
        assert_int_equal(g.classes[node] != 0, has_class);
        if (leaders[i] >= 0)
            assert_int_equal(r.leaders[node], heap_graph_find(&g, w->blocks[leaders[i]].address));
    }
    assert_int_equal(g.count, live);
    reachability_release(&r);
    heap_graph_release(&g);
    trace_reader_free(reader);
    assert_int_equal(unlink(w->f.trace), 0);
    fixture_end(&w->f);
}

static void verdicts_are_those_of_the_definitions(void **state)
{
    (void)state;
    struct world *w = malloc(sizeof *w);
    for (uint64_t seed = 1; seed <= 150; seed++) {
        build(w, seed);
        compare(w);
    }
    free(w);
}

/* ------------------------------------------------------------------ snapshots that failed */

enum failure {
    NO_FAILURE,
    NO_FORK,
    NO_FILE,
    NOT_FINISHED,
    OTHER_NUMBER,
    BEHIND_ITS_REGION,
    CUT_SHORT,
    FINISHED_LATE, /* no failure: it is being written while it is packed */
    FAILURES,
};

static void change_file(const struct world *w, enum failure failure)
{
    char path[128];
    struct seep_graph_header header = {0};
    snprintf(path, sizeof path, "%s/graph.1", w->f.spool);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && pread(fd, &header, sizeof header, 0) == sizeof header);
    header.complete = failure != NOT_FINISHED && failure != FINISHED_LATE;
    header.number += failure == OTHER_NUMBER;
    assert_int_equal(pwrite(fd, &header, sizeof header, 0), sizeof header);
    if (failure == CUT_SHORT)
        assert_int_equal(ftruncate(fd, sizeof header + 20), 0);
    close(fd);
    if (failure == NO_FILE)
        assert_int_equal(unlink(path), 0);
}

static void build_failed(struct world *w, enum failure failure)
{
    struct graph_builder g;
    memset(w, 0, sizeof *w);
    fixture_begin(&w->f);
    sb_lane(&w->f.b, 1);
    sb_alloc(&w->f.b, 0, S(++w->ns), 0, &(struct builder_block){.address = HEAP, .size = 8});
    NUMBERS(w, SEEP_BESIDE_GRAPH, 1, failure == NO_FORK ? SEEP_GRAPH_NO_FORK : SEEP_GRAPH_TAKEN,
            SEEP_GRAPH_AT_EXIT, 0, 0, 10, 5);
    gb_begin(&g, 1);
    gb_region(&g, SEEP_GRAPH_HEAP, HEAP, 0x1000, 0);
    gb_end_region(&g);
    gb_region(&g, SEEP_GRAPH_DATA, DATA, 0x1000, 0);
    for (unsigned i = 0; i < 20; i++)
        gb_word(&g, failure == BEHIND_ITS_REGION ? 600 * i : i, HEAP);
    gb_end_region(&g);
    gb_finish(&g, w->f.spool);
    change_file(w, failure);
    sb_finish(&w->f.b);
}

/* Holds the file's lock, and finishes the file a moment later. */
static pid_t finish_late(const struct world *w)
{
    char path[128], ready;
    int held[2];
    uint32_t complete = 1;
    snprintf(path, sizeof path, "%s/graph.1", w->f.spool);
    assert_int_equal(pipe(held), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_RDWR | O_CLOEXEC);
        bool done = fd >= 0 && flock(fd, LOCK_EX) == 0 && write(held[1], "", 1) == 1;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        done = done && pwrite(fd, &complete, sizeof complete,
                              offsetof(struct seep_graph_header, complete)) == sizeof complete;
        _exit(done ? 0 : 1);
    }
    assert_true(child > 0 && read(held[0], &ready, 1) == 1);
    close(held[0]);
    close(held[1]);
    return child;
}

static void a_snapshot_that_failed_leaves_no_graph(void **state)
{
    static const char *const why[FAILURES] = {
        [NO_FORK] = "the kernel refused to fork the program",
        [NO_FILE] = "the snapshot was never finished",
        [NOT_FINISHED] = "the snapshot was never finished",
        [OTHER_NUMBER] = "the snapshot was never finished",
        [BEHIND_ITS_REGION] = "the snapshot was never finished",
        [CUT_SHORT] = "the snapshot was never finished",
    };
    (void)state;
    struct world *w = malloc(sizeof *w);
    for (enum failure failure = NO_FAILURE; failure < FAILURES; failure++) {
        struct heap_graph_choice choice;
        struct trace_reader *reader;
        build_failed(w, failure);
        pid_t child = failure == FINISHED_LATE ? finish_late(w) : 0;
        struct pack_options keep = {.keep_spool = true};
        assert_int_equal(pack_spool(w->f.spool, w->f.trace, &keep, NULL), SEEP_OK);
        assert_int_equal(trace_reader_open(&reader, w->f.trace, NULL), SEEP_OK);
        assert_int_equal(heap_graph_choose(&choice, reader, NULL, NULL, NULL), SEEP_OK);
        assert_int_equal(choice.snapshot == NULL, why[failure] != NULL);
        if (why[failure])
            assert_string_equal(choice.why_not, why[failure]);
        assert_true(trace_summary_complete(trace_reader_summary(reader)));
        trace_reader_free(reader);
        assert_int_equal(unlink(w->f.trace), 0);
        if (child > 0) {
            int status;
            assert_true(waitpid(child, &status, 0) == child && status == 0);
        }
        /* the notes say so, and the file goes with the spool */
        assert_int_equal(fixture_pack(&w->f, NULL), SEEP_OK);
        bool noted = why[failure] && failure != NO_FORK;
        assert_int_equal(w->f.note_count, noted);
        assert_int_equal(strstr(w->f.notes, "graph.1: ") != NULL, noted);
        fixture_end(&w->f);
    }
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_those_of_the_definitions),
        cmocka_unit_test(a_snapshot_that_failed_leaves_no_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
