/* SPDX-License-Identifier: MIT */
#include "analysis/frag_what_if.h"

#include "util/mem.h"

#include <stdlib.h>

struct touches {
    uint64_t *pages; /* addresses, one for each block that lies there */
    size_t count, capacity;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static struct page *seen_page(struct pages *pages, uint64_t address)
{
    struct pages_region *r = pages_region_at(pages, address);
    return r && pages_seen(r, address) ? pages_page(r, address) : NULL;
}

static void touch(struct touches *t, struct pages *pages, const struct trace_block *b)
{
    uint64_t end = b->address + (b->usable ? b->usable : 1);
    uint64_t first = b->address & ~(uint64_t)(PAGES_BYTES - 1);
    for (uint64_t at = first; at < end; at += PAGES_BYTES) {
        if (b->usable >= PAGES_LARGE_BYTES && at > first && end - at > PAGES_BYTES)
            at = (end - 1) & ~(uint64_t)(PAGES_BYTES - 1); /* its inner pages are full */
        struct page *page = seen_page(pages, at);
        if (!page || !page->blocks)
            continue;
        MEM_GROW(t->pages, t->capacity, t->count + 1);
        t->pages[t->count++] = at;
    }
}

static void count_pages(struct frag_what_if *out, const struct pages *pages)
{
    for (size_t i = 0; i < pages->capacity; i++) {
        const struct pages_region *r = pages->table[i];
        for (uint64_t at = 0; r && at < PAGES_OF_REGION; at++)
            out->pages += r->page[at].blocks && pages_seen(r, at * PAGES_BYTES);
    }
}

void frag_what_if(struct frag_what_if *out, struct pages *pages, struct trace_reader *reader,
                  struct filter *which)
{
    struct touches t = {0};
    uint64_t small_usable = 0;
    *out = (struct frag_what_if){0};
    count_pages(out, pages);
    uint32_t slots = trace_reader_slot_count(reader);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_reader_block(reader, slot);
        if (!b || !pages_count(b) || !filter_stack(which, b->stack))
            continue;
        out->blocks++;
        out->requested += b->size;
        out->usable += b->usable;
        if (b->usable < PAGES_LARGE_BYTES)
            small_usable += b->usable;
        else
            out->large_bytes += b->usable & ~(uint64_t)(PAGES_BYTES - 1);
        touch(&t, pages, b);
    }
    if (t.count)
        qsort(t.pages, t.count, sizeof *t.pages, compare);
    for (size_t i = 0, next; i < t.count; i = next) {
        for (next = i + 1; next < t.count && t.pages[next] == t.pages[i]; next++)
            continue;
        out->touched++;
        out->alone += seen_page(pages, t.pages[i])->blocks == next - i;
    }
    out->pool_pages = (small_usable + PAGES_BYTES - 1) / PAGES_BYTES;
    free(t.pages);
}
