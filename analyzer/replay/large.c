/* SPDX-License-Identifier: MIT */
#include "replay/large.h"

#include "seep/replay_script.h"
#include "trace/beside_read.h"
#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* A block that was made just before the snapshot need not have been written to yet. */
#define SETTLED_NS 1000000u

static uint32_t pages_of(uint64_t bytes)
{
    uint64_t pages = (bytes + SEEP_REPLAY_PAGE_BYTES - 1) / SEEP_REPLAY_PAGE_BYTES;
    return pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX;
}

void large_init(struct large *l, const struct trace_dict *dict)
{
    *l = (struct large){.share_count = (size_t)dict->stack_count + 1};
    l->shares = mem_zalloc(l->share_count, sizeof *l->shares);
}

void large_release(struct large *l)
{
    free(l->blocks);
    free(l->places);
    free(l->shares);
    free(l->ranges);
    *l = (struct large){0};
}

struct large_block *large_begin(struct large *l, uint32_t slot, const struct trace_block *block)
{
    if (block->size < SEEP_REPLAY_LARGE_BYTES)
        return NULL;
    if (slot >= l->place_count) {
        size_t before = l->place_count;
        MEM_GROW(l->places, l->place_count, (size_t)slot + 1);
        memset(l->places + before, 0, (l->place_count - before) * sizeof *l->places);
    }
    MEM_GROW(l->blocks, l->capacity, l->count + 1);
    l->places[slot] = (uint32_t)l->count + 1;
    struct large_block *b = &l->blocks[l->count++];
    *b = (struct large_block){.slot = slot,
                              .stack = block->stack < l->share_count ? block->stack : 0,
                              .address = block->address,
                              .size = block->size,
                              .time_ns = block->time_ns,
                              .zeroed = block->call == SEEP_CALL_CALLOC};
    return b;
}

static void learn(struct large_share *share, const struct large_block *b)
{
    share->pages += pages_of(b->size);
    share->resident += b->pages;
}

void large_end(struct large *l, uint32_t slot)
{
    if (slot >= l->place_count || !l->places[slot])
        return;
    struct large_block *b = &l->blocks[l->places[slot] - 1];
    if (b->seen) {
        learn(&l->shares[b->stack], b);
        learn(&l->sorts[b->zeroed], b);
    }
    l->places[slot] = 0;
    *b = l->blocks[--l->count];
    if (b != &l->blocks[l->count])
        l->places[b->slot] = (uint32_t)(b - l->blocks) + 1;
}

void large_restart(struct large *l)
{
    while (l->count)
        large_end(l, l->blocks[0].slot);
}

void large_take_mappings(struct large *l, const struct trace_beside *beside)
{
    struct beside_pages pages;
    struct beside_mapping mapping;
    uint64_t start, end, before = 0;
    enum seep_residency kind;
    l->range_count = 0;
    if (!beside_pages_begin(&pages, beside))
        return;
    while (beside_pages_mapping(&pages, &mapping))
        while (beside_pages_run(&pages, &start, &end, &kind)) {
            if (kind != SEEP_PAGE_RESIDENT && kind != SEEP_PAGE_SWAPPED)
                continue;
            MEM_GROW(l->ranges, l->range_capacity, l->range_count + 1);
            l->ranges[l->range_count++] = (struct large_range){start, end, before};
            before += end - start;
        }
}

/* Resident bytes below an address. */
static uint64_t below(const struct large *l, uint64_t address)
{
    /* first range that begins at it or behind */
    size_t low = BISECT(i, l->range_count, l->ranges[i].start < address);
    if (low == 0)
        return 0;
    const struct large_range *r = &l->ranges[low - 1];
    return r->before + (address < r->end ? address : r->end) - r->start;
}

uint64_t large_resident_bytes(const struct large *l, uint64_t start, uint64_t bytes)
{
    uint64_t resident = below(l, start + bytes) - below(l, start);
    return resident < bytes ? resident : bytes; /* more is damage: ranges that overlap */
}

void large_look(struct large *l, uint64_t time_ns,
                void (*grown)(void *arg, const struct large_block *block, uint32_t before,
                              bool first),
                void *arg)
{
    for (size_t i = 0; i < l->count; i++) {
        struct large_block *b = &l->blocks[i];
        if (time_ns < b->time_ns + SETTLED_NS)
            continue;
        uint32_t pages = pages_of(large_resident_bytes(l, b->address, b->size)), before = b->pages;
        bool first = !b->seen;
        b->seen = true;
        b->pages = pages > before ? pages : before;
        if (grown && (first || b->pages > before))
            grown(arg, b, before, first);
    }
}

uint32_t large_guess_pages(const struct large *l, const struct large_block *b)
{
    const struct large_share *share = &l->shares[b->stack];
    if (!share->pages)
        share = &l->sorts[b->zeroed];
    uint64_t pages = pages_of(b->size);
    return (uint32_t)(share->pages ? pages * share->resident / share->pages : pages);
}
