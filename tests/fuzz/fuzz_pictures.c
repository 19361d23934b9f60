/* SPDX-License-Identifier: MIT
 *
 * Pictures of the pages, and what else is told of memory, of arbitrary bytes, beside arbitrary
 * blocks: pieces lie within the picture, and no more of a block is resident than there is of it.
 * Input: items of a byte that says what comes, and that. */
#include "analysis/frag_map.h"
#include "analysis/frag_rows.h"
#include "replay/large.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 64
#define PICTURES 3 /* each may tell of terabytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const allocators[] = {"glibc", "jemalloc", "tcmalloc", "mimalloc"};
static const enum seep_beside kinds[] = {SEEP_BESIDE_MAPPINGS, SEEP_BESIDE_OWN_MEMORY,
                                         SEEP_BESIDE_MAP_CALL, SEEP_BESIDE_THREAD_STACK};

struct scene {
    const uint8_t *at, *end;
    struct pages pages;
    struct memory_map map;
    struct large large;
    struct trace_block blocks[BLOCKS];
    bool live[BLOCKS];
    unsigned pictures;
    struct frag_rows rows;
    struct frag_map cells;
};

/* Little-endian; 0 behind the end. */
static uint64_t take(struct scene *s, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes && s->at < s->end; i++)
        value |= (uint64_t)*s->at++ << (8 * i);
    return value;
}

static void see(void *arg, const struct frag_piece *piece)
{
    struct scene *s = arg;
    if (piece->start >= piece->end || piece->end > UINT64_C(1) << 48)
        abort();
    frag_rows_add(&s->rows, piece);
    frag_map_add(&s->cells, piece);
}

static void look(struct scene *s, const struct trace_beside *picture, unsigned allocator)
{
    const struct frag_world world = {
        .pages = &s->pages, .map = &s->map, .allocator = allocators[allocator]};
    const uint64_t memory[SEEP_MEMORY_COUNT] = {0};
    memset(&s->rows, 0, sizeof s->rows);
    frag_walk(&world, picture, see, s);
    frag_rows_end(&s->rows, &s->pages, memory);
    frag_map_end(&s->cells);
    frag_map_release(&s->cells);
    pages_end_look(&s->pages);
    large_take_mappings(&s->large, picture);
    large_look(&s->large, UINT64_MAX, NULL, NULL);
    for (unsigned i = 0; i < BLOCKS; i++)
        if (large_resident_bytes(&s->large, s->blocks[i].address, s->blocks[i].size) >
            s->blocks[i].size)
            abort();
}

static void tell(struct scene *s, enum seep_beside kind, unsigned allocator)
{
    size_t length = (size_t)take(s, 2), left = (size_t)(s->end - s->at);
    length = length < left ? length : left;
    const struct trace_beside beside = {kind, s->at, length};
    s->at += length;
    memory_map_take(&s->map, &beside);
    if (kind == SEEP_BESIDE_MAPPINGS && s->pictures++ < PICTURES)
        look(s, &beside, allocator);
}

/* Makes the block, or ends it. */
static void change(struct scene *s, unsigned number)
{
    struct trace_block *b = &s->blocks[number];
    if (s->live[number]) {
        pages_leave(&s->pages, b, take(s, 2));
        large_end(&s->large, number);
    } else {
        *b = (struct trace_block){.address = take(s, 8)};
        b->size = take(s, 4) << take(s, 1) % 32;
        b->usable = b->size + take(s, 1);
        pages_enter(&s->pages, b);
        large_begin(&s->large, number, b);
    }
    s->live[number] = !s->live[number];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene s;
    const struct trace_dict dict = {0};
    memset(&s, 0, sizeof s);
    s.at = data;
    s.end = data + size;
    unsigned allocator = (unsigned)take(&s, 1) % 4;
    pages_init(&s.pages, allocators[allocator]);
    large_init(&s.large, &dict);
    while (s.at < s.end) {
        unsigned what = (unsigned)take(&s, 1);
        if (what % 2)
            tell(&s, kinds[what / 2 % 4], allocator);
        else
            change(&s, what / 2 % BLOCKS);
    }
    pages_release(&s.pages);
    memory_map_release(&s.map);
    large_release(&s.large);
    return 0;
}
