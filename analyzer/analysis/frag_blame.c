/* SPDX-License-Identifier: MIT */
#include "analysis/frag_blame.h"

#include "util/bisect.h"
#include "util/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void frag_blame_init(struct frag_blame *b, uint32_t stack_count)
{
    *b = (struct frag_blame){0};
    b->site_of = mem_zalloc((size_t)stack_count + 1, sizeof *b->site_of);
}

void frag_blame_release(struct frag_blame *b)
{
    free(b->sites);
    free(b->site_of);
    free(b->sizes);
    free(b->size_at);
    *b = (struct frag_blame){0};
}

void frag_blame_clear(struct frag_blame *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct frag_site *s = &b->sites[i];
        *s = (struct frag_site){.stack = s->stack, .byte_ns = s->byte_ns};
    }
    b->size_count = 0;
    if (b->size_slots)
        memset(b->size_at, 0, b->size_slots * sizeof *b->size_at);
    b->unknown_left = 0;
}

static struct frag_site *site_of(struct frag_blame *b, uint32_t stack)
{
    uint32_t *at = &b->site_of[stack];
    if (!*at) {
        MEM_GROW(b->sites, b->capacity, b->count + 1);
        b->sites[b->count] = (struct frag_site){.stack = stack};
        *at = (uint32_t)++b->count;
    }
    return &b->sites[*at - 1];
}

/* ------------------------------------------------------------------ sizes */

static uint32_t *size_slot(const struct frag_blame *b, uint64_t size, uint64_t usable)
{
    size_t at = (size_t)((size * 0x9e3779b97f4a7c15ull ^ usable) * 0xff51afd7ed558ccdull >> 24);
    for (;; at++) {
        uint32_t *slot = &b->size_at[at & (b->size_slots - 1)];
        const struct frag_size *s = *slot ? &b->sizes[*slot - 1] : NULL;
        if (!s || (s->size == size && s->usable == usable))
            return slot;
    }
}

static void count_size(struct frag_blame *b, const struct trace_block *block)
{
    if ((b->size_count + 1) * 2 > b->size_slots) {
        b->size_slots = b->size_slots ? b->size_slots * 2 : 256;
        b->size_at = mem_resize(b->size_at, b->size_slots, sizeof *b->size_at);
        memset(b->size_at, 0, b->size_slots * sizeof *b->size_at);
        for (size_t i = 0; i < b->size_count; i++)
            *size_slot(b, b->sizes[i].size, b->sizes[i].usable) = (uint32_t)i + 1;
    }
    uint32_t *slot = size_slot(b, block->size, block->usable);
    if (!*slot) {
        MEM_GROW(b->sizes, b->size_capacity, b->size_count + 1);
        b->sizes[b->size_count] = (struct frag_size){block->size, block->usable, 0};
        *slot = (uint32_t)++b->size_count;
    }
    b->sizes[*slot - 1].blocks++;
}

/* ------------------------------------------------------------------ pages */

/* The topmost live pages of a heap without a gap, and the free pages below them. */
struct top {
    uint64_t from, to;
    uint64_t blocks; /* counted once in each page */
    double free_bytes;
};

struct look {
    struct frag_blame *b;
    const struct frag_world *w;
    struct top *tops; /* owned; by rising address */
    size_t count, capacity;
    /* of the heap that is walked through; `heap` 0: it is none that has a top */
    uint64_t heap;
    struct top top;          /* the last run of live pages so far; no blocks: there is none */
    struct frag_piece *free; /* owned: first the pages below that run, then those above it */
    size_t below, free_count, free_capacity;
};

static void leave(struct look *l, const struct frag_piece *piece)
{
    double bytes = (double)(piece->end - piece->start);
    if (piece->page)
        site_of(l->b, piece->page->last_stack - 1)->left += bytes;
    else
        l->b->unknown_left += bytes;
}

static void leave_all(struct look *l, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        leave(l, &l->free[i]);
}

static void end_heap(struct look *l)
{
    struct top *t = &l->top;
    if (t->blocks && l->below && t->to - t->from <= FRAG_TOP_PAGES * PAGES_BYTES) {
        for (size_t i = 0; i < l->below; i++)
            t->free_bytes += (double)(l->free[i].end - l->free[i].start);
        MEM_GROW(l->tops, l->capacity, l->count + 1);
        l->tops[l->count++] = *t;
    } else {
        leave_all(l, 0, l->below);
    }
    leave_all(l, l->below, l->free_count);
    l->top = (struct top){0};
    l->below = l->free_count = 0;
}

/* More lies above: the pages below the last run are not its doing, those above it are below the
 * next one. */
static void begin_run(struct look *l, uint64_t from)
{
    leave_all(l, 0, l->below);
    l->below = l->free_count - l->below;
    if (l->below)
        memmove(l->free, l->free + l->free_count - l->below, l->below * sizeof *l->free);
    l->free_count = l->below;
    l->top = (struct top){.from = from, .to = from};
}

static void see(void *arg, const struct frag_piece *piece)
{
    struct look *l = arg;
    bool live = piece->kind == FRAG_LIVE || piece->kind == FRAG_LARGE;
    if (piece->residency != SEEP_PAGE_RESIDENT || (!live && piece->kind != FRAG_FREE))
        return;
    uint64_t heap = frag_heap_of(l->w, piece);
    if (heap != l->heap) {
        end_heap(l);
        l->heap = heap;
    }
    if (!live && !heap) {
        leave(l, piece);
    } else if (!live) {
        MEM_GROW(l->free, l->free_capacity, l->free_count + 1);
        l->free[l->free_count++] = *piece;
    } else if (heap) {
        if (!l->top.blocks || l->top.to != piece->start)
            begin_run(l, piece->start);
        l->top.to = piece->end;
        l->top.blocks += piece->page ? piece->page->blocks : 1;
    }
}

/* ------------------------------------------------------------------ blocks */

static const struct top *top_around(const struct look *l, uint64_t address)
{
    size_t low = BISECT(i, l->count, l->tops[i].to <= address);
    return low < l->count && l->tops[low].from <= address ? &l->tops[low] : NULL;
}

static double overlap(uint64_t a, uint64_t b, uint64_t from)
{
    uint64_t low = a > from ? a : from;
    uint64_t high = b < from + PAGES_BYTES ? b : from + PAGES_BYTES;
    return high > low ? (double)(high - low) : 0;
}

/* What a block has to do with a page that it lies in. True: the page has a hole. */
static bool share_page(const struct look *l, struct frag_site *s, const struct trace_block *block,
                       uint64_t at, uint64_t now_ns)
{
    struct pages_region *r = pages_region_at(l->w->pages, at);
    struct page *page = r ? pages_page(r, at) : NULL;
    if (!page || !page->blocks || !pages_seen(r, at))
        return false;
    uint64_t end = block->address + block->usable;
    s->slack += (uint64_t)overlap(block->address + block->size, end, at);
    const struct top *top = l->count ? top_around(l, at) : NULL;
    if (top)
        s->pinned += top->free_bytes / (double)top->blocks;
    double hole = page_hole(page);
    if (hole == 0)
        return false;
    s->hole += hole / page->blocks;
    s->page_bytes += (double)PAGES_BYTES / page->blocks;
    if (page->blocks == 1)
        s->sole += hole;
    if (page->last_stack) {
        s->age += log2((double)(now_ns > block->time_ns ? now_ns - block->time_ns : 0) + 1);
        s->neighbours += (double)page->ended_ns;
        s->compared++;
    }
    return true;
}

static void share_block(const struct look *l, const struct trace_block *block, uint64_t now_ns)
{
    struct frag_site *s = site_of(l->b, block->stack);
    uint64_t first = block->address & ~(uint64_t)(PAGES_BYTES - 1);
    uint64_t end = block->address + (block->usable ? block->usable : 1);
    bool keeps = false;
    s->blocks++;
    s->bytes += block->size;
    for (uint64_t at = first; at < end; at += PAGES_BYTES) {
        if (block->usable >= PAGES_LARGE_BYTES && at > first && end - at > PAGES_BYTES)
            at = (end - 1) & ~(uint64_t)(PAGES_BYTES - 1);
        keeps |= share_page(l, s, block, at, now_ns);
    }
    if (keeps) {
        s->keepers++;
        s->keeper_bytes += block->usable;
    }
}

/* Slack in the inner pages of large blocks is resident as far as those are. */
static void see_large(struct look *l, const struct frag_piece *piece)
{
    const struct pages_large *large = piece->large;
    uint64_t from = large->requested_end > piece->start ? large->requested_end : piece->start;
    if (piece->end > from)
        site_of(l->b, large->stack)->slack += piece->end - from;
}

static void see_all(void *arg, const struct frag_piece *piece)
{
    see(arg, piece);
    if (piece->kind == FRAG_LARGE && piece->residency == SEEP_PAGE_RESIDENT)
        see_large(arg, piece);
}

bool frag_blame_take(struct frag_blame *b, const struct frag_world *w,
                     const struct trace_beside *mappings, struct trace_reader *reader,
                     struct filter *filter, uint64_t now_ns)
{
    struct look l = {.b = b, .w = w};
    bool good = frag_walk(w, mappings, see_all, &l);
    end_heap(&l);
    uint32_t slots = trace_reader_slot_count(reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *block = trace_reader_block(reader, slot);
        if (!block || !pages_count(block) ||
            (filter && (!filter_block(filter, block) || !filter_stack(filter, block->stack) ||
                        !filter_lifetime(filter, now_ns - block->time_ns))))
            continue;
        share_block(&l, block, now_ns);
        count_size(b, block);
    }
    free(l.tops);
    free(l.free);
    return good;
}

void frag_blame_span(struct frag_blame *b, uint64_t ns)
{
    for (size_t i = 0; i < b->count; i++)
        b->sites[i].byte_ns += frag_site_waste(&b->sites[i]) * (double)ns;
}

void frag_blame_copy(struct frag_blame *to, const struct frag_blame *from)
{
    frag_blame_release(to);
    to->count = from->count;
    to->size_count = from->size_count;
    to->unknown_left = from->unknown_left;
    to->sites = mem_zalloc(from->count + 1, sizeof *to->sites);
    to->sizes = mem_zalloc(from->size_count + 1, sizeof *to->sizes);
    if (from->count)
        memcpy(to->sites, from->sites, from->count * sizeof *to->sites);
    if (from->size_count)
        memcpy(to->sizes, from->sizes, from->size_count * sizeof *to->sizes);
}

/* Sites are only ever added, so places are the same in both. */
void frag_blame_take_spans(struct frag_blame *to, const struct frag_blame *from)
{
    for (size_t i = 0; i < to->count && i < from->count; i++)
        to->sites[i].byte_ns = from->sites[i].byte_ns;
}
