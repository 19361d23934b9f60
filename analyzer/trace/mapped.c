/* SPDX-License-Identifier: MIT */
#include "trace/mapped.h"

#include "trace/bytes.h"
#include "util/bisect.h"

#define PAGE_BYTES 4096u /* or a part of one: what lies behind is never looked at */
#define BYTES_MAX (UINT64_C(1) << 57)

static uint64_t whole_pages(uint64_t bytes)
{
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

void mapped_release(struct mapped *m)
{
    free(m->ranges);
    *m = (struct mapped){0};
}

/* Index of the first range that ends behind `address`. */
static size_t first_behind(const struct mapped *m, uint64_t address)
{
    return BISECT(i, m->count, m->ranges[i].end <= address);
}

/* Puts `count` ranges in the place of `gone` from index `at` on. */
static void replace(struct mapped *m, size_t at, size_t gone, const struct mapped_range *ranges,
                    size_t count)
{
    MEM_GROW(m->ranges, m->capacity, m->count + count);
    memmove(m->ranges + at + count, m->ranges + at + gone,
            (m->count - at - gone) * sizeof *m->ranges);
    memcpy(m->ranges + at, ranges, count * sizeof *ranges);
    m->count += count - gone;
}

/* Nothing of the program's is mapped there any more. Returns whether all of it was. */
static bool unmap(struct mapped *m, uint64_t start, uint64_t end)
{
    struct mapped_range rest[2];
    size_t at = first_behind(m, start), past = at, count = 0;
    uint64_t covered = 0;
    while (past < m->count && m->ranges[past].start < end) {
        struct mapped_range r = m->ranges[past++];
        if (r.start < start)
            rest[count++] = (struct mapped_range){r.start, start};
        if (r.end > end)
            rest[count++] = (struct mapped_range){end, r.end};
        covered += (r.end < end ? r.end : end) - (r.start > start ? r.start : start);
    }
    if (past > at)
        replace(m, at, past - at, rest, count);
    return covered == end - start;
}

/* Nothing of the program's is mapped there yet. */
static void map(struct mapped *m, uint64_t start, uint64_t end)
{
    struct mapped_range range = {start, end};
    size_t at = first_behind(m, start), gone = 0;
    if (at < m->count && m->ranges[at].start == end) {
        range.end = m->ranges[at].end;
        gone++;
    }
    if (at > 0 && m->ranges[at - 1].end == start) {
        range.start = m->ranges[--at].start;
        gone++;
    }
    replace(m, at, gone, &range, 1);
}

bool mapped_take(struct mapped *m, const uint8_t *payload, size_t length)
{
    struct cursor c = cursor_at(payload, length);
    uint64_t kind = cursor_varint(&c);
    bool allocator = cursor_varint(&c) != 0;
    uint64_t start = cursor_varint(&c), bytes = cursor_varint(&c);
    uint64_t to = start, to_bytes = bytes;
    if (kind == SEEP_MAP_MREMAP) {
        to = cursor_varint(&c);
        to_bytes = cursor_varint(&c);
    }
    if (c.bad || kind < SEEP_MAP_MMAP || kind > SEEP_MAP_MREMAP || bytes > BYTES_MAX ||
        to_bytes > BYTES_MAX || start > UINT64_MAX - BYTES_MAX || to > UINT64_MAX - BYTES_MAX)
        return false;
    bytes = whole_pages(bytes);
    to_bytes = whole_pages(to_bytes);
    /* whatever was mapped there is no more */
    bool ours = unmap(m, start, start + bytes) && bytes > 0;
    if (kind == SEEP_MAP_MREMAP)
        unmap(m, to, to + to_bytes);
    else
        ours = kind == SEEP_MAP_MMAP && !allocator;
    if (ours && to_bytes > 0)
        map(m, to, to + to_bytes);
    return true;
}

const struct mapped_range *mapped_find(const struct mapped *m, uint64_t address)
{
    size_t at = first_behind(m, address);
    return at < m->count && m->ranges[at].start <= address ? &m->ranges[at] : NULL;
}
