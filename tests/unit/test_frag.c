/* SPDX-License-Identifier: MIT
 *
 * What pages are made of: random blocks that come and go under random residency, against every byte
 * of every page looked at by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/frag_cleanup.h"
#include "analysis/frag_rows.h"
#include "seep/memory_snapshot.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
#define HEADER 8u
#define AREAS 3
#define BLOCKS 600
#define LOOKS 25
#define STEPS 400

/* Places where blocks may lie: the brk heap, an arena, and a mapping the program made. */
static const struct area {
    uint64_t start;
    const char *name;
    unsigned pages;
} areas[AREAS] = {
    {0x550000003000, "[heap]", 300},
    {0x7f0040000000, "", 200},
    {0x7f0100000000, "", 40},
};

struct owned {
    bool live;
    unsigned area;
    struct trace_block block;
};

static struct world {
    uint64_t seed;
    struct owned blocks[BLOCKS];
    uint16_t *bytes[AREAS]; /* of each byte its block + 1, or 0 */
    bool held[AREAS][300];  /* pages in which a block lies or lay, since they last came */
    bool is_arena;          /* blocks lie, or lay, in the second area */
    enum seep_residency pages[AREAS][300];
    struct pages model;
    struct memory_map map;
} w;

static uint64_t below(uint64_t n)
{
    w.seed = w.seed * 6364136223846793005ull + 1442695040888963407ull;
    return (w.seed >> 33) % n;
}

/* ------------------------------------------------------------------ blocks */

static void note(const struct owned *o, size_t number, bool live)
{
    uint64_t at = o->block.address - areas[o->area].start;
    for (uint64_t i = 0; i < o->block.usable; i++) {
        w.bytes[o->area][at + i] = live ? (uint16_t)(number + 1) : 0;
        w.held[o->area][(at + i) / PAGE] = true;
    }
}

static bool is_free(unsigned area, uint64_t at, uint64_t end)
{
    for (uint64_t i = at; i < end; i++)
        if (w.bytes[area][i])
            return false;
    /* nor in the header of what follows */
    return end == (uint64_t)areas[area].pages * PAGE || !w.bytes[area][end + HEADER - 1];
}

static void make(size_t number)
{
    struct owned *o = &w.blocks[number];
    o->area = (unsigned)below(AREAS);
    uint64_t room = (uint64_t)areas[o->area].pages * PAGE;
    uint64_t size = below(20) == 0 ? 130000 + below(300000) : 1 + below(below(4) ? 300 : 20000);
    uint64_t usable = ((size + HEADER + 15) & ~15ull) - HEADER + 16 * below(3);
    uint64_t at = 16 * (1 + below(room / 16));
    if (at + usable + 16 > room || !is_free(o->area, at - HEADER, at + usable) ||
        (at & (PAGE - 1)) == 16) /* may be taken for a mapping of its own */
        return;
    o->block = (struct trace_block){.address = areas[o->area].start + at,
                                    .size = size,
                                    .usable = usable,
                                    .stack = 1 + (uint32_t)below(5)};
    o->live = true;
    note(o, number, true);
    pages_enter(&w.model, &o->block);
}

static void change(void)
{
    size_t number = below(BLOCKS);
    struct owned *o = &w.blocks[number];
    if (!o->live) {
        make(number);
        return;
    }
    o->live = false;
    note(o, number, false);
    pages_leave(&w.model, &o->block, below(1000));
}

/* ------------------------------------------------------------------ a look */

static size_t picture(uint8_t *buffer, size_t room)
{
    struct seep_mappings m;
    seep_mappings_begin(&m, buffer, room, PAGE);
    for (unsigned a = 0; a < AREAS; a++) {
        const struct seep_mapping mapping = {
            areas[a].start, areas[a].start + (uint64_t)areas[a].pages * PAGE,
            SEEP_PROTECTION_READ | SEEP_PROTECTION_WRITE, areas[a].name, strlen(areas[a].name)};
        assert_true(seep_mappings_add(&m, &mapping));
        for (unsigned p = 0; p < areas[a].pages; p++) {
            static const enum seep_residency kinds[] = {SEEP_PAGE_RESIDENT, SEEP_PAGE_RESIDENT,
                                                        SEEP_PAGE_RESIDENT, SEEP_PAGE_SWAPPED,
                                                        SEEP_PAGE_ABSENT};
            w.pages[a][p] = kinds[below(5)];
            seep_mappings_run(&m, 1, w.pages[a][p]);
        }
    }
    return seep_mappings_end(&m);
}

static bool is_header(unsigned area, uint64_t at)
{
    for (uint64_t i = at + 1; i <= at + HEADER && i < (uint64_t)areas[area].pages * PAGE; i++) {
        uint16_t owner = w.bytes[area][i];
        if (owner && w.blocks[owner - 1].block.address == areas[area].start + i)
            return true;
    }
    return false;
}

static void expect_byte(struct frag_rows *r, unsigned area, uint64_t at, bool live_page)
{
    enum seep_residency residency = w.pages[area][at / PAGE];
    uint16_t owner = w.bytes[area][at];
    const struct trace_block *b = owner ? &w.blocks[owner - 1].block : NULL;
    bool asked = b && areas[area].start + at - b->address < b->size;
    if (asked && residency == SEEP_PAGE_SWAPPED)
        r->swapped++;
    else if (asked && residency == SEEP_PAGE_ABSENT)
        r->untouched++;
    if (residency != SEEP_PAGE_RESIDENT)
        return;
    if (asked)
        r->requested++;
    else if (b)
        r->slack++;
    else if (live_page && is_header(area, at))
        r->headers++;
    else if (live_page)
        r->hole++;
    else if (w.held[area][at / PAGE])
        r->free_held++;
    else if (area == 2)
        r->mappings++;
    else if (area == 1 && !w.is_arena)
        r->other++;
    else
        r->free_unheld++;
}

static struct frag_rows expect(void)
{
    struct frag_rows r = {0};
    w.is_arena = false;
    for (unsigned p = 0; p < areas[1].pages; p++)
        w.is_arena |= w.held[1][p];
    for (unsigned a = 0; a < AREAS; a++)
        for (unsigned p = 0; p < areas[a].pages; p++) {
            bool live = false;
            for (unsigned i = 0; i < PAGE; i++)
                live |= w.bytes[a][(uint64_t)p * PAGE + i] != 0;
            for (unsigned i = 0; i < PAGE; i++)
                expect_byte(&r, a, (uint64_t)p * PAGE + i, live);
            if (!live && w.pages[a][p] == SEEP_PAGE_ABSENT)
                w.held[a][p] = false;
        }
    return r;
}

static void see(void *arg, const struct frag_piece *piece)
{
    frag_rows_add(arg, piece);
}

static void look(void)
{
    static uint8_t buffer[65536];
    const uint64_t memory[SEEP_MEMORY_COUNT] = {[SEEP_MEMORY_RSS] = 1u << 30};
    struct trace_beside beside = {SEEP_BESIDE_MAPPINGS, buffer, picture(buffer, sizeof buffer)};
    const struct frag_world world = {.pages = &w.model, .map = &w.map, .allocator = "glibc"};
    struct frag_rows found = {0};
    assert_true(frag_walk(&world, &beside, see, &found));
    frag_rows_end(&found, &w.model, memory);
    pages_end_look(&w.model);
    struct frag_rows expected = expect();
    assert_int_equal(found.requested, expected.requested);
    assert_int_equal(found.slack, expected.slack);
    assert_int_equal(found.headers, expected.headers);
    assert_int_equal(found.hole, expected.hole);
    assert_int_equal(found.free_held, expected.free_held);
    assert_int_equal(found.free_unheld, expected.free_unheld);
    assert_int_equal(found.mappings, expected.mappings);
    assert_int_equal(found.swapped, expected.swapped);
    assert_int_equal(found.untouched, expected.untouched);
    assert_int_equal(found.other, expected.other);
    assert_int_equal(found.metadata + found.stacks + found.files, 0);
    assert_int_equal(frag_rows_heap(&found) + found.mappings + found.other +
                         (uint64_t)found.unexplained,
                     memory[SEEP_MEMORY_RSS]);
}

/* The program's own mapping, and what it may unmap of it. */
static void map_call(uint8_t kind, uint64_t address, uint64_t bytes)
{
    uint8_t payload[64], *p = payload;
    *p++ = kind;
    *p++ = 0;
    p = seep_put_varint(p, address);
    p = seep_put_varint(p, bytes);
    if (kind == SEEP_MAP_MMAP) {
        *p++ = 3;
        *p++ = 34;
    }
    struct trace_beside beside = {SEEP_BESIDE_MAP_CALL, payload, (size_t)(p - payload)};
    memory_map_take(&w.map, &beside);
}

static void rows_of_random_heaps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        memset(&w, 0, sizeof w);
        w.seed = seed;
        pages_init(&w.model, "glibc");
        for (unsigned a = 0; a < AREAS; a++)
            w.bytes[a] = calloc((size_t)areas[a].pages * PAGE + 64, sizeof *w.bytes[a]);
        map_call(SEEP_MAP_MMAP, areas[2].start, (uint64_t)areas[2].pages * PAGE);
        for (unsigned n = 0; n < LOOKS; n++) {
            for (unsigned i = 0; i < STEPS; i++)
                change();
            look();
        }
        for (unsigned a = 0; a < AREAS; a++)
            free(w.bytes[a]);
        pages_release(&w.model);
        memory_map_release(&w.map);
    }
}

static void owners_of_ranges(void **state)
{
    (void)state;
    uint64_t end;
    memset(&w, 0, sizeof w);
    map_call(SEEP_MAP_MMAP, 0x10000, 0x8000);
    map_call(SEEP_MAP_MUNMAP, 0x12000, 0x1001); /* two pages, for calls round up */
    assert_non_null(memory_map_at(&w.map, 0x11000, &end));
    assert_int_equal(end, 0x12000);
    assert_null(memory_map_at(&w.map, 0x12000, &end));
    assert_int_equal(end, 0x14000);
    assert_null(memory_map_at(&w.map, 0x13fff, &end));
    assert_non_null(memory_map_at(&w.map, 0x14000, &end));
    assert_int_equal(end, 0x18000);
    assert_null(memory_map_at(&w.map, 0x18000, &end));
    memory_map_release(&w.map);
}

static void blocks_that_cannot_be(void **state)
{
    (void)state;
    const struct trace_block absurd[] = {
        {.address = UINT64_MAX - 100, .size = 50, .usable = 50},
        {.address = 1 << 20, .size = UINT64_MAX, .usable = 16},
        {.address = 1 << 20, .size = 16, .usable = UINT64_MAX},
        {.address = 8, .size = 16, .usable = 16},
        {.address = 1 << 20, .size = 16, .usable = 16, .call = SEEP_CALL_POOL},
    };
    struct pages p;
    pages_init(&p, "glibc");
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        assert_false(pages_count(&absurd[i]));
        pages_enter(&p, &absurd[i]);
    }
    assert_int_equal(p.blocks, 0);
    assert_true(pages_count(&(struct trace_block){.address = 1 << 20, .size = 16, .usable = 24}));
    pages_release(&p);
}

static void see_kind(void *arg, const struct frag_piece *piece)
{
    *(enum frag_kind *)arg = piece->kind;
}

/* A mapping of which nearly nothing is more than reserved is the allocator's if a block lies in it
 * anywhere. */
static void held_far_away(void **state)
{
    (void)state;
    const struct trace_block far = {.address = 0x108000000010, .size = 16, .usable = 24};
    const struct seep_mapping mapping = {0x100000000000, 0x110000000000,
                                         SEEP_PROTECTION_READ | SEEP_PROTECTION_WRITE, "", 0};
    uint8_t buffer[256];
    struct seep_mappings m;
    seep_mappings_begin(&m, buffer, sizeof buffer, PAGE);
    assert_true(seep_mappings_add(&m, &mapping));
    seep_mappings_run(&m, 1, SEEP_PAGE_RESIDENT);
    const struct trace_beside beside = {SEEP_BESIDE_MAPPINGS, buffer, seep_mappings_end(&m)};
    struct pages pages;
    struct memory_map map = {0};
    enum frag_kind kind;
    const struct frag_world world = {.pages = &pages, .map = &map, .allocator = "jemalloc"};
    pages_init(&pages, "jemalloc");
    assert_true(frag_walk(&world, &beside, see_kind, &kind));
    assert_int_equal(kind, FRAG_OTHER);
    pages_enter(&pages, &far);
    assert_true(frag_walk(&world, &beside, see_kind, &kind));
    assert_int_equal(kind, FRAG_METADATA);
    pages_release(&pages);
}

#define HIGH 1000000u

/* Live bytes go from HIGH to `low` between the two times, in steps, and stay there to `end_ns`. */
static bool falls(uint64_t low, uint64_t from_ns, uint64_t to_ns, uint64_t end_ns)
{
    struct frag_cleanup c = {0};
    const unsigned steps = 1000;
    frag_cleanup_note(&c, HIGH, 1);
    for (unsigned i = 0; i <= steps; i++)
        frag_cleanup_note(&c, HIGH - (HIGH - low) / steps * i,
                          from_ns + (to_ns - from_ns) / steps * i);
    return frag_cleanup_is(&c, HIGH, low, end_ns);
}

static void cleaning_up(void **state)
{
    (void)state;
    assert_true(falls(0, 5000000, 6000000, 6000000));
    assert_true(falls(400000, 5000000, 6000000, 6300000));
    assert_false(falls(600000, 5000000, 6000000, 6000000)); /* it has more than half of it still */
    assert_true(falls(0, 5000000, 5001000, 5200000));  /* at a stroke, and nearly at once gone */
    assert_false(falls(0, 5000000, 5001000, 8000000)); /* at a stroke, and it goes on */
    assert_false(falls(100000, 1000000, 2000000, 4000000));
}

/* Each level begins where the one before ends. */
static void levels(void **state)
{
    (void)state;
    for (uint64_t bytes = 1, step; bytes < UINT64_MAX / 2; bytes += step) {
        step = bytes / 100 + 1;
        unsigned level = frag_level(bytes), next = frag_level(bytes + step);
        assert_true(next < FRAG_LEVELS && (next == level || next == level + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_that_cannot_be), cmocka_unit_test(cleaning_up),
        cmocka_unit_test(held_far_away),         cmocka_unit_test(levels),
        cmocka_unit_test(rows_of_random_heaps),  cmocka_unit_test(owners_of_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
