/* SPDX-License-Identifier: MIT
 *
 * How the live blocks lie in pages: what each page of 4 KiB holds of them, kept up event by event.
 *
 * Blocks that span many pages fill most of them wholly, and programs come with gigabytes in one
 * block. So only the pages at both ends of a large block have counters of their own; what lies
 * between is one item in a list. Counters stand in regions of 2 MiB that are made where blocks
 * come; looking one up is a hash table and, mostly, the last region again. */
#ifndef MODEL_PAGES_H
#define MODEL_PAGES_H

#include "trace/trace_event.h"

#define PAGES_BYTES 4096u
#define PAGES_REGION_BYTES (2u << 20)
#define PAGES_OF_REGION (PAGES_REGION_BYTES / PAGES_BYTES)
/* Blocks of so many usable bytes are large. */
#define PAGES_LARGE_BYTES (128u << 10)

/* Of one page; bytes are those that lie in it. */
struct page {
    uint16_t requested, usable; /* of the blocks; usable includes what was requested */
    uint16_t header;            /* of the allocator, before blocks */
    uint16_t blocks;            /* that have at least a byte in it */
    uint32_t last_stack; /* that made the last block which ended here, + 1; 0: none ever did */
    float ended_ns;      /* how long blocks lived that ended here: a moving mean of logarithms */
};

struct pages_region {
    uint64_t number;                     /* address / PAGES_REGION_BYTES */
    uint64_t seen[PAGES_OF_REGION / 64]; /* a bit a page, the caller's: pages_end_look() */
    struct page page[PAGES_OF_REGION];
};

/* The inner pages of a large block, all of them full. */
struct pages_large {
    uint64_t start, end;    /* page-aligned */
    uint64_t requested_end; /* what lies behind is slack; may be outside */
    uint64_t address;       /* of the block */
    uint32_t stack;
};

struct pages {
    struct pages_region **table; /* owned, like what it points to; open addressing by number */
    size_t capacity, count;      /* capacity a power of two */
    struct pages_region *last;   /* looked up last */
    struct pages_large *large;   /* owned; in any order */
    size_t large_count, large_capacity;
    uint32_t *large_at;    /* owned; by hash of the address: place in `large` + 1 */
    size_t large_slots;    /* a power of two */
    unsigned header_bytes; /* before each block */
    bool unmaps_large;     /* blocks in mappings of their own are given back when freed */
    uint64_t requested_bytes, usable_bytes, blocks; /* of all live blocks */
};

/* `allocator` as in the fact of that name: "glibc" has headers before its blocks. */
void pages_init(struct pages *p, const char *allocator);
void pages_release(struct pages *p);
/* Forgets all live blocks, but not what the pages once held. */
void pages_clear(struct pages *p);

/* A block begins; a block ends at `now_ns`. Blocks of pools are ignored. */
void pages_enter(struct pages *p, const struct trace_block *b);
void pages_leave(struct pages *p, const struct trace_block *b, uint64_t now_ns);
/* Both, as an event says. */
void pages_apply(struct pages *p, const struct trace_event *ev);

/* The region around an address, NULL where there is none; and the page, in whose region it is to
 * be. */
struct pages_region *pages_region_at(struct pages *p, uint64_t address);
static inline struct page *pages_page(struct pages_region *r, uint64_t address)
{
    return &r->page[address / PAGES_BYTES % PAGES_OF_REGION];
}

/* Whether a page holds blocks, or did. */
static inline bool page_was_held(const struct page *page)
{
    return page->blocks || page->last_stack;
}

static inline bool pages_seen(const struct pages_region *r, uint64_t address)
{
    unsigned at = address / PAGES_BYTES % PAGES_OF_REGION;
    return r->seen[at / 64] >> (at % 64) & 1;
}

static inline void pages_see(struct pages_region *r, uint64_t address)
{
    unsigned at = address / PAGES_BYTES % PAGES_OF_REGION;
    r->seen[at / 64] |= UINT64_C(1) << (at % 64);
}

/* The caller has seen all pages that there are. Those that were not are gone, and what they once
 * held counts no more; all are unseen again. */
void pages_end_look(struct pages *p);

/* Bytes of a page that neither blocks nor headers take. */
static inline unsigned page_hole(const struct page *page)
{
    unsigned taken = (unsigned)page->usable + page->header;
    return taken < PAGES_BYTES ? PAGES_BYTES - taken : 0;
}

/* Whether the block counts: it is none of a pool, and can lie where it says. */
bool pages_count(const struct trace_block *b);

/* Whether glibc has put the block in a mapping of its own. */
bool pages_own_mapping(const struct pages *p, const struct trace_block *b);

/* Sorts the list of large blocks by address; valid until the next event. */
void pages_sort_large(struct pages *p);

#endif
