/* SPDX-License-Identifier: MIT */
#include "analysis/frag_rows.h"

static unsigned hole_class(unsigned hole)
{
    unsigned class = 0;
    for (hole >>= 6; hole && class < FRAG_HOLES - 1; hole >>= 1)
        class ++;
    return class;
}

static void add_live_page(struct frag_rows *r, const struct frag_piece *piece)
{
    const struct page *page = piece->page;
    unsigned hole = page_hole(page);
    r->requested += page->requested;
    r->slack += page->usable - page->requested;
    r->headers += page->header;
    r->hole += hole;
    if (hole) {
        r->hole_pages[hole_class(hole)]++;
        r->hole_bytes[hole_class(hole)] += hole;
    }
}

static void add_large(struct frag_rows *r, const struct frag_piece *piece)
{
    uint64_t requested_end = piece->large->requested_end;
    uint64_t asked = requested_end <= piece->start ? 0
                     : requested_end < piece->end  ? requested_end - piece->start
                                                   : piece->end - piece->start;
    if (piece->residency == SEEP_PAGE_SWAPPED) {
        r->swapped += asked;
        return;
    }
    r->requested += asked;
    r->slack += piece->end - piece->start - asked;
}

static void count_pages(struct frag_rows *r, const struct frag_piece *piece)
{
    uint64_t first = piece->start / PAGES_REGION_BYTES;
    uint64_t last = (piece->end - 1) / PAGES_REGION_BYTES;
    r->live_pages += (piece->end - piece->start) / PAGES_BYTES;
    r->live_huge += last - first + (first + 1 != r->last_huge);
    r->last_huge = last + 1;
    r->live_page_bytes += piece->page ? piece->page->usable : piece->end - piece->start;
}

static void add_resident(struct frag_rows *r, const struct frag_piece *piece)
{
    uint64_t bytes = piece->end - piece->start;
    switch (piece->kind) {
    case FRAG_LIVE: add_live_page(r, piece); break;
    case FRAG_LARGE: add_large(r, piece); break;
    case FRAG_FREE:
        if (piece->page)
            r->free_held += bytes;
        else
            r->free_unheld += bytes;
        break;
    case FRAG_METADATA: r->metadata += bytes; break;
    case FRAG_RECORDER: r->recorder += bytes; break;
    case FRAG_MAPPING: r->mappings += bytes; break;
    case FRAG_STACK: r->stacks += bytes; break;
    case FRAG_FILE: r->files += bytes; break;
    case FRAG_OTHER: r->other += bytes; break;
    }
    if (piece->kind == FRAG_LIVE || piece->kind == FRAG_LARGE)
        count_pages(r, piece);
}

void frag_rows_add(struct frag_rows *r, const struct frag_piece *piece)
{
    uint64_t bytes = piece->end - piece->start;
    switch (piece->residency) {
    case SEEP_PAGE_RESIDENT:
        r->anonymous += bytes;
        add_resident(r, piece);
        break;
    case SEEP_PAGE_SWAPPED:
        if (piece->kind == FRAG_LIVE)
            r->swapped += piece->page->requested;
        else if (piece->kind == FRAG_LARGE)
            add_large(r, piece);
        break;
    case SEEP_PAGE_FILE: /* the kernel's figure has them all */
        if (piece->kind == FRAG_RECORDER) {
            r->recorder += bytes;
            r->ours_file += bytes;
        }
        break;
    case SEEP_PAGE_ABSENT: break;
    }
}

void frag_rows_end(struct frag_rows *r, const struct pages *pages,
                   const uint64_t memory[SEEP_MEMORY_COUNT])
{
    r->rss = memory[SEEP_MEMORY_RSS];
    uint64_t file = memory[SEEP_MEMORY_RSS_FILE] + memory[SEEP_MEMORY_RSS_SHMEM];
    r->files += file > r->ours_file ? file - r->ours_file : 0;
    r->live_requested = pages->requested_bytes;
    r->live_usable = pages->usable_bytes;
    r->live_blocks = pages->blocks;
    uint64_t there = r->requested + r->swapped;
    r->untouched = r->live_requested > there ? r->live_requested - there : 0;
    r->unexplained = (int64_t)(r->rss - frag_rows_heap(r) - frag_rows_non_heap(r) - r->recorder);
}

uint64_t frag_rows_free(const struct frag_rows *r)
{
    return r->free_held + r->free_unheld;
}

uint64_t frag_rows_metadata(const struct frag_rows *r)
{
    return r->headers + r->metadata;
}

uint64_t frag_rows_non_heap(const struct frag_rows *r)
{
    return r->stacks + r->mappings + r->files + r->other;
}

uint64_t frag_rows_heap(const struct frag_rows *r)
{
    return r->requested + r->slack + r->hole + frag_rows_free(r) + frag_rows_metadata(r);
}

uint64_t frag_rows_waste(const struct frag_rows *r)
{
    return r->slack + r->hole + frag_rows_free(r);
}
