/* SPDX-License-Identifier: MIT */
#include "analysis/frag_walk.h"

#include "seep/memory_snapshot.h"

#include <string.h>

/* glibc's HEAP_MAX_SIZE on 64 bits (malloc/arena.c): arenas are aligned to it. */
#define GLIBC_ARENA_BYTES (UINT64_C(64) << 20)
/* glibc keeps struct pthread at the end of a stack; nothing of the stack lies behind it. */
#define CONTROL_BLOCK_BYTES 2304u
/* tcmalloc takes its own memory in pieces of 128 KiB from the same place as its heap
 * (src/common.cc: kMetadataAllocChunkSize); so much that never held a block is such. */
#define TCMALLOC_METADATA_BYTES (UINT64_C(64) << 10)
/* mimalloc 2 (include/mimalloc/types.h): segments begin with what is known of their pages. */
#define MIMALLOC_SEGMENT_BYTES (UINT64_C(32) << 20)

/* More resident memory in one picture is damage; it bounds what a walk takes. */
#define RESIDENT_MAX (UINT64_C(1) << 42)
#define ADDRESS_END (UINT64_C(1) << 47)

enum name_kind { NAME_NONE, NAME_BRK, NAME_STACK, NAME_FILE, NAME_RECORDER };

struct walk {
    const struct frag_world *w;
    void (*see)(void *arg, const struct frag_piece *piece);
    void *arg;
    bool glibc, mimalloc, tcmalloc;
    size_t large;                  /* the first large block that ends behind the place */
    struct beside_mapping mapping; /* the current one */
    enum name_kind name;
    uint64_t stack_end;            /* in it; 0: none is */
    uint64_t held_start, held_end; /* a range that was asked about last */
    bool held;
};

static bool name_is(const struct beside_text *name, const char *text)
{
    size_t length = strlen(text);
    return name->length >= length && memcmp(name->bytes, text, length) == 0;
}

static enum name_kind name_kind(const struct beside_mapping *m)
{
    struct seep_mapping as_seen = {.name = m->name.bytes, .name_length = m->name.length};
    if (m->name.length == 0 || name_is(&m->name, "[anon"))
        return NAME_NONE;
    if (name_is(&m->name, "[heap]"))
        return NAME_BRK;
    if (name_is(&m->name, "[stack"))
        return NAME_STACK;
    return seep_mapping_in_spool(&as_seen) ? NAME_RECORDER : NAME_FILE;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool any_held(struct pages *p, uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end; at += PAGES_BYTES) {
        struct pages_region *r = pages_region_at(p, at);
        if (!r)
            at |= PAGES_REGION_BYTES - PAGES_BYTES; /* to the last page of the region */
        else if (page_was_held(pages_page(r, at)))
            return true;
    }
    return false;
}

/* The same, by the regions that there are: what is only reserved may be far more. */
static bool any_held_widely(struct pages *p, uint64_t start, uint64_t end)
{
    for (size_t i = 0; i < p->capacity; i++) {
        if (!p->table[i])
            continue;
        uint64_t from = p->table[i]->number * PAGES_REGION_BYTES;
        if (any_held(p, from > start ? from : start, least(from + PAGES_REGION_BYTES, end)))
            return true;
    }
    return false;
}

/* Whether blocks lie, or lay, in [start, end). */
static bool was_held(struct walk *k, uint64_t start, uint64_t end)
{
    if (start == k->held_start && end == k->held_end)
        return k->held;
    struct pages *p = k->w->pages;
    k->held_start = start;
    k->held_end = end;
    k->held = false;
    for (size_t i = 0; i < p->large_count && !k->held; i++)
        k->held = p->large[i].start < end && p->large[i].end > start;
    bool wide = end > start && (end - start) / PAGES_REGION_BYTES > p->capacity;
    if (!k->held)
        k->held = (wide ? any_held_widely : any_held)(p, start, end);
    return k->held;
}

/* mimalloc: from a segment's start to the first page that holds blocks. */
static bool in_segment_head(struct walk *k, uint64_t address)
{
    uint64_t segment = address & ~(MIMALLOC_SEGMENT_BYTES - 1);
    return address - segment < PAGES_REGION_BYTES && !was_held(k, segment, address + PAGES_BYTES);
}

/* tcmalloc: whether it lies in a stretch that never held blocks and is long enough. */
static bool in_long_stretch(struct walk *k, uint64_t start, uint64_t end)
{
    uint64_t more =
        end - start < TCMALLOC_METADATA_BYTES ? TCMALLOC_METADATA_BYTES - (end - start) : 0;
    return !was_held(k, start, end + more) || !was_held(k, start - more, end);
}

/* In memory of the allocator that is known to hold blocks elsewhere. */
static enum frag_kind kind_beside_blocks(struct walk *k, uint64_t start, uint64_t end)
{
    bool metadata = (k->mimalloc && in_segment_head(k, start)) ||
                    (k->tcmalloc && in_long_stretch(k, start, end));
    return metadata ? FRAG_METADATA : FRAG_FREE;
}

/* What pages are in which no block ever lay. */
static enum frag_kind kind_of_unheld(struct walk *k, uint64_t start, uint64_t end,
                                     const struct memory_range *range)
{
    enum memory_owner owner = range ? range->owner : MEMORY_UNKNOWN;
    if (owner == MEMORY_RECORDER || k->name == NAME_RECORDER)
        return FRAG_RECORDER;
    if (start >= k->w->library_start && start < k->w->library_end)
        return FRAG_METADATA;
    if (k->name == NAME_BRK)
        return kind_beside_blocks(k, start, end);
    if (k->name != NAME_NONE)
        return k->name == NAME_FILE ? FRAG_FILE : FRAG_STACK;
    if (owner == MEMORY_PROGRAM)
        return FRAG_MAPPING;
    if (start < k->stack_end)
        return FRAG_STACK;
    if (owner == MEMORY_ALLOCATOR)
        return was_held(k, range->start, range->end) ? kind_beside_blocks(k, start, end)
                                                     : FRAG_METADATA;
    if (k->glibc) {
        uint64_t arena = start & ~(GLIBC_ARENA_BYTES - 1);
        return k->mapping.start <= arena && was_held(k, arena, arena + GLIBC_ARENA_BYTES)
                   ? FRAG_FREE
                   : FRAG_OTHER;
    }
    return was_held(k, k->mapping.start, k->mapping.end) ? FRAG_METADATA : FRAG_OTHER;
}

static void tell(struct walk *k, struct frag_piece *piece, uint64_t start, uint64_t end)
{
    piece->start = start;
    piece->end = end;
    piece->mapping = &k->mapping;
    k->see(k->arg, piece);
}

/* Pages of one region, or where there is none, of one owner. */
static void walk_region(struct walk *k, uint64_t start, uint64_t end, enum seep_residency residency,
                        const struct memory_range *range)
{
    struct pages_region *r = pages_region_at(k->w->pages, start);
    uint64_t unheld = start; /* since there no page was held */
    for (uint64_t at = start; at <= end; at += PAGES_BYTES) {
        struct page *page = r && at < end ? pages_page(r, at) : NULL;
        if (at < end && (!page || !page_was_held(page)))
            continue;
        if (unheld < at) {
            struct frag_piece piece = {.kind = kind_of_unheld(k, unheld, at, range),
                                       .residency = residency,
                                       .pc = range ? range->pc : 0};
            tell(k, &piece, unheld, at);
        }
        unheld = at + PAGES_BYTES;
        if (at == end)
            break;
        pages_see(r, at);
        struct frag_piece piece = {
            .kind = page->blocks ? FRAG_LIVE : FRAG_FREE, .residency = residency, .page = page};
        tell(k, &piece, at, at + PAGES_BYTES);
    }
}

static void walk_run(struct walk *k, uint64_t start, uint64_t end, enum seep_residency residency)
{
    const struct pages *p = k->w->pages;
    while (start < end) {
        uint64_t stop;
        const struct memory_range *range = memory_map_at(k->w->map, start, &stop);
        stop = least(stop, end);
        while (k->large < p->large_count && p->large[k->large].end <= start)
            k->large++;
        const struct pages_large *large = k->large < p->large_count ? &p->large[k->large] : NULL;
        if (large && large->start <= start) {
            struct frag_piece piece = {.kind = FRAG_LARGE, .residency = residency, .large = large};
            stop = least(stop, large->end);
            tell(k, &piece, start, stop);
            start = stop;
            continue;
        }
        if (large)
            stop = least(stop, large->start);
        if (k->stack_end > start)
            stop = least(stop, k->stack_end);
        stop = least(stop, (start | (PAGES_REGION_BYTES - 1)) + 1);
        walk_region(k, start, stop, residency, range);
        start = stop;
    }
}

static void begin_mapping(struct walk *k)
{
    k->name = name_kind(&k->mapping);
    k->stack_end = 0;
    k->held_start = k->held_end = 0;
    if (k->name != NAME_NONE)
        return;
    const struct memory_stack *stack =
        memory_map_stack(k->w->map, k->mapping.start, k->mapping.end);
    if (stack)
        k->stack_end = (least(stack->top + CONTROL_BLOCK_BYTES, k->mapping.end) + PAGES_BYTES - 1) &
                       ~(uint64_t)(PAGES_BYTES - 1);
}

bool frag_walk(const struct frag_world *w, const struct trace_beside *mappings,
               void (*see)(void *arg, const struct frag_piece *piece), void *arg)
{
    struct walk k = {.w = w, .see = see, .arg = arg};
    struct beside_pages at;
    uint64_t start, end;
    enum seep_residency residency;
    k.glibc = strcmp(w->allocator, "glibc") == 0;
    k.mimalloc = strcmp(w->allocator, "mimalloc") == 0;
    k.tcmalloc = strcmp(w->allocator, "tcmalloc") == 0;
    if (!beside_pages_begin(&at, mappings) || at.page_bytes != PAGES_BYTES)
        return false;
    pages_sort_large(w->pages);
    uint64_t there = 0;
    while (beside_pages_mapping(&at, &k.mapping)) {
        begin_mapping(&k);
        while (beside_pages_run(&at, &start, &end, &residency)) {
            if (residency == SEEP_PAGE_ABSENT)
                continue;
            there += end - start;
            if (end < start || end > ADDRESS_END || there > RESIDENT_MAX)
                return false;
            walk_run(&k, start, end, residency);
        }
    }
    return !at.left && !at.runs_left;
}

uint64_t frag_heap_of(const struct frag_world *w, const struct frag_piece *piece)
{
    if (strcmp(w->allocator, "glibc") != 0)
        return 0;
    if (name_is(&piece->mapping->name, "[heap]"))
        return piece->mapping->start;
    uint64_t arena = piece->start & ~(GLIBC_ARENA_BYTES - 1);
    return piece->mapping->start <= arena ? arena : 0;
}
