/* SPDX-License-Identifier: MIT */
#include "model/pages.h"

#include "util/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GLIBC_HEADER 8         /* size field; what stands before it is the previous block's */
#define GLIBC_MAPPED_HEADER 16 /* of a chunk in a mapping of its own: both fields */
#define ENDED_WEIGHT 0.125f    /* of the newest in the moving mean */
/* A block of which nothing sensible can be said. */
#define ABSURD_BYTES (UINT64_C(1) << 43)
/* Larger blocks leave their mark only where there are counters: most of them were never touched. */
#define MARKED_BYTES (UINT64_C(64) << 20)

void pages_init(struct pages *p, const char *allocator)
{
    *p = (struct pages){0};
    if (allocator && strcmp(allocator, "glibc") == 0) {
        p->header_bytes = GLIBC_HEADER;
        p->unmaps_large = true;
    }
}

void pages_release(struct pages *p)
{
    for (size_t i = 0; i < p->capacity; i++)
        free(p->table[i]);
    free(p->table);
    free(p->large);
    free(p->large_at);
    *p = (struct pages){0};
}

/* ------------------------------------------------------------------ regions */

static size_t spread(uint64_t key, size_t capacity)
{
    return (size_t)((key * 0x9e3779b97f4a7c15ull) >> 20) & (capacity - 1);
}

static struct pages_region **slot_of(const struct pages *p, uint64_t number)
{
    size_t at = spread(number, p->capacity);
    while (p->table[at] && p->table[at]->number != number)
        at = (at + 1) & (p->capacity - 1);
    return &p->table[at];
}

struct pages_region *pages_region_at(struct pages *p, uint64_t address)
{
    uint64_t number = address / PAGES_REGION_BYTES;
    if (p->last && p->last->number == number)
        return p->last;
    struct pages_region *r = p->capacity ? *slot_of(p, number) : NULL;
    if (r)
        p->last = r;
    return r;
}

static void grow(struct pages *p)
{
    struct pages_region **old = p->table;
    size_t old_capacity = p->capacity;
    p->capacity = old_capacity ? old_capacity * 2 : 256;
    p->table = mem_zalloc(p->capacity, sizeof(struct pages_region *));
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            *slot_of(p, old[i]->number) = old[i];
    free(old);
}

static struct pages_region *region_make(struct pages *p, uint64_t address)
{
    struct pages_region *r = pages_region_at(p, address);
    if (r)
        return r;
    if ((p->count + 1) * 2 > p->capacity)
        grow(p);
    r = mem_zalloc(1, sizeof *r);
    r->number = address / PAGES_REGION_BYTES;
    *slot_of(p, r->number) = r;
    p->count++;
    return p->last = r;
}

/* False: nothing is to be known of the region any more. */
static bool end_look(struct pages_region *r)
{
    bool used = false;
    for (uint64_t at = 0; at < PAGES_OF_REGION; at++) {
        struct page *page = &r->page[at];
        if (!page->blocks && !pages_seen(r, at * PAGES_BYTES))
            page->last_stack = 0;
        used |= page_was_held(page) || page->header;
    }
    memset(r->seen, 0, sizeof r->seen);
    return used;
}

void pages_end_look(struct pages *p)
{
    size_t kept = 0, capacity = p->capacity;
    struct pages_region **old = p->table;
    for (size_t i = 0; i < capacity; i++) {
        if (old[i] && !end_look(old[i])) {
            free(old[i]);
            old[i] = NULL;
        }
        kept += old[i] != NULL;
    }
    p->last = NULL;
    if (kept == p->count)
        return;
    p->count = kept;
    p->table = mem_zalloc(capacity, sizeof(struct pages_region *));
    for (size_t i = 0; i < capacity; i++)
        if (old[i])
            *slot_of(p, old[i]->number) = old[i];
    free(old);
}

/* ------------------------------------------------------------------ blocks in pages */

/* Where the parts of a block lie. */
struct extent {
    uint64_t head, start, requested, end; /* header, block, end of what was asked for, its end */
};

bool pages_own_mapping(const struct pages *p, const struct trace_block *b)
{
    return p->unmaps_large && (b->address & (PAGES_BYTES - 1)) == GLIBC_MAPPED_HEADER &&
           b->usable >= PAGES_BYTES - GLIBC_MAPPED_HEADER &&
           ((b->usable + GLIBC_MAPPED_HEADER) & (PAGES_BYTES - 1)) == 0;
}

bool pages_count(const struct trace_block *b)
{
    return !trace_block_in_pool(b) && b->size <= ABSURD_BYTES && b->usable <= ABSURD_BYTES &&
           b->address <= UINT64_MAX - 2 * ABSURD_BYTES && b->address >= GLIBC_MAPPED_HEADER;
}

static bool extent_of(const struct pages *p, const struct trace_block *b, struct extent *out)
{
    uint64_t usable = b->usable < b->size ? b->size : b->usable;
    if (!pages_count(b))
        return false;
    unsigned header = pages_own_mapping(p, b) ? GLIBC_MAPPED_HEADER : p->header_bytes;
    *out = (struct extent){b->address - header, b->address, b->address + b->size,
                           b->address + (usable ? usable : 1)};
    return true;
}

/* Bytes of [a, b) within [from, from + PAGES_BYTES). */
static uint16_t overlap(uint64_t a, uint64_t b, uint64_t from)
{
    uint64_t low = a > from ? a : from;
    uint64_t high = b < from + PAGES_BYTES ? b : from + PAGES_BYTES;
    return high > low ? (uint16_t)(high - low) : 0;
}

static void put(struct pages *p, const struct extent *e, uint64_t page_start, int sign)
{
    struct page *page = pages_page(region_make(p, page_start), page_start);
    page->header = (uint16_t)(page->header + sign * overlap(e->head, e->start, page_start));
    page->requested =
        (uint16_t)(page->requested + sign * overlap(e->start, e->requested, page_start));
    page->usable = (uint16_t)(page->usable + sign * overlap(e->start, e->end, page_start));
    if (page_start + PAGES_BYTES > e->start)
        page->blocks = (uint16_t)(page->blocks + sign);
}

static void note_end(struct page *page, uint32_t stack, float life)
{
    page->ended_ns =
        page->last_stack ? page->ended_ns + ENDED_WEIGHT * (life - page->ended_ns) : life;
    page->last_stack = stack + 1;
}

static bool is_large(const struct extent *e)
{
    return e->end - e->start >= PAGES_LARGE_BYTES;
}

static uint64_t page_down(uint64_t address)
{
    return address & ~(uint64_t)(PAGES_BYTES - 1);
}

/* ------------------------------------------------------------------ large blocks */

static uint32_t *large_slot(const struct pages *p, uint64_t address)
{
    size_t at = spread(address >> 4, p->large_slots);
    while (p->large_at[at] && p->large[p->large_at[at] - 1].address != address)
        at = (at + 1) & (p->large_slots - 1);
    return &p->large_at[at];
}

static void index_large(struct pages *p)
{
    memset(p->large_at, 0, p->large_slots * sizeof *p->large_at);
    for (size_t i = 0; i < p->large_count; i++)
        *large_slot(p, p->large[i].address) = (uint32_t)i + 1;
}

static void add_large(struct pages *p, const struct extent *e, uint32_t stack)
{
    if ((p->large_count + 1) * 2 > p->large_slots) {
        p->large_slots = p->large_slots ? p->large_slots * 2 : 64;
        p->large_at = mem_resize(p->large_at, p->large_slots, sizeof *p->large_at);
        index_large(p);
    }
    MEM_GROW(p->large, p->large_capacity, p->large_count + 1);
    uint32_t *slot = large_slot(p, e->start);
    if (*slot)
        return; /* damage: there is one already */
    p->large[p->large_count++] = (struct pages_large){
        page_down(e->start + PAGES_BYTES - 1), page_down(e->end), e->requested, e->start, stack};
    *slot = (uint32_t)p->large_count;
}

/* Empties the slot, and moves what may have been put behind it because it was taken. */
static void free_slot(struct pages *p, uint32_t *slot)
{
    size_t hole = (size_t)(slot - p->large_at), mask = p->large_slots - 1;
    p->large_at[hole] = 0;
    for (size_t at = (hole + 1) & mask; p->large_at[at]; at = (at + 1) & mask) {
        size_t home = spread(p->large[p->large_at[at] - 1].address >> 4, p->large_slots);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        p->large_at[hole] = p->large_at[at];
        p->large_at[at] = 0;
        hole = at;
    }
}

static void remove_large(struct pages *p, uint64_t address)
{
    uint32_t *slot = p->large_slots ? large_slot(p, address) : NULL;
    if (!slot || !*slot)
        return;
    size_t at = *slot - 1, last = p->large_count - 1;
    free_slot(p, slot);
    if (at != last) {
        *large_slot(p, p->large[last].address) = (uint32_t)at + 1;
        p->large[at] = p->large[last];
    }
    p->large_count--;
}

static int compare_large(const void *a, const void *b)
{
    const struct pages_large *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

void pages_sort_large(struct pages *p)
{
    if (!p->large_count)
        return;
    qsort(p->large, p->large_count, sizeof *p->large, compare_large);
    index_large(p);
}

/* ------------------------------------------------------------------ events */

/* Calls put() for the pages that have counters of the block's: all, or those at the ends. */
static void put_all(struct pages *p, const struct extent *e, int sign)
{
    uint64_t first = page_down(e->head), last = page_down(e->end - 1);
    bool large = is_large(e);
    uint64_t inner = page_down(e->start + PAGES_BYTES - 1), outer = page_down(e->end);
    for (uint64_t at = first; at <= last; at += PAGES_BYTES) {
        if (large && at >= inner && at < outer)
            at = outer;
        if (at <= last)
            put(p, e, at, sign);
    }
}

void pages_enter(struct pages *p, const struct trace_block *b)
{
    struct extent e;
    if (!extent_of(p, b, &e))
        return;
    put_all(p, &e, 1);
    if (is_large(&e))
        add_large(p, &e, b->stack);
    p->requested_bytes += b->size;
    p->usable_bytes += e.end - e.start;
    p->blocks++;
}

void pages_leave(struct pages *p, const struct trace_block *b, uint64_t now_ns)
{
    struct extent e;
    if (!extent_of(p, b, &e))
        return;
    put_all(p, &e, -1);
    if (is_large(&e))
        remove_large(p, e.start);
    p->requested_bytes -= b->size;
    p->usable_bytes -= e.end - e.start;
    p->blocks--;
    if (pages_own_mapping(p, b))
        return; /* its pages are gone with it */
    float life = log2f((float)(now_ns > b->time_ns ? now_ns - b->time_ns : 0) + 1);
    bool all = e.end - e.start <= MARKED_BYTES;
    for (uint64_t at = page_down(e.start); at < e.end; at += PAGES_BYTES) {
        struct pages_region *r = all ? region_make(p, at) : pages_region_at(p, at);
        if (r)
            note_end(pages_page(r, at), b->stack, life);
        else
            at |= PAGES_REGION_BYTES - PAGES_BYTES; /* to the last page of the region */
    }
}

void pages_apply(struct pages *p, const struct trace_event *ev)
{
    switch (ev->type) {
    case TRACE_FREE:
    case TRACE_REALLOC_OUT: pages_leave(p, &ev->before, ev->time_ns); break;
    case TRACE_REALLOC:
        pages_leave(p, &ev->before, ev->time_ns);
        pages_enter(p, &ev->after);
        break;
    case TRACE_ALLOC:
    case TRACE_REALLOC_IN: pages_enter(p, &ev->after); break;
    default: break;
    }
}

void pages_clear(struct pages *p)
{
    for (size_t i = 0; i < p->capacity; i++) {
        struct pages_region *r = p->table[i];
        for (size_t n = 0; r && n < PAGES_OF_REGION; n++) {
            struct page *page = &r->page[n];
            if (page->blocks && !page->last_stack)
                page->last_stack = 1; /* of a stack that is not known */
            page->requested = page->usable = page->header = page->blocks = 0;
        }
    }
    p->large_count = 0;
    if (p->large_slots)
        index_large(p);
    p->requested_bytes = p->usable_bytes = p->blocks = 0;
}
