/* SPDX-License-Identifier: MIT */
#include "model/memory_map.h"

#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C(4096)
#define STACKS_MAX 65536 /* damage aside, more than stay mapped */
#define ADDRESS_END (UINT64_C(1) << 47)

void memory_map_release(struct memory_map *m)
{
    free(m->ranges);
    free(m->own);
    free(m->stacks);
    *m = (struct memory_map){0};
}

/* The first range that ends behind `address`. */
static size_t find(const struct memory_range *ranges, size_t count, uint64_t address)
{
    return BISECT(i, count, ranges[i].end <= address);
}

/* Cuts [start, end) out of the ranges, and puts `with` there, if any. */
static void replace(struct memory_map *m, uint64_t start, uint64_t end,
                    const struct memory_range *with)
{
    size_t first = find(m->ranges, m->count, start), last = first;
    while (last < m->count && m->ranges[last].start < end)
        last++;
    struct memory_range pieces[3];
    size_t count = 0;
    if (last > first && m->ranges[first].start < start) {
        pieces[count] = m->ranges[first];
        pieces[count++].end = start;
    }
    if (with)
        pieces[count++] = *with;
    if (last > first && m->ranges[last - 1].end > end) {
        pieces[count] = m->ranges[last - 1];
        pieces[count++].start = end;
    }
    size_t after = m->count - last;
    MEM_GROW(m->ranges, m->capacity, first + count + after);
    if (after)
        memmove(m->ranges + first + count, m->ranges + last, after * sizeof *m->ranges);
    memcpy(m->ranges + first, pieces, count * sizeof *pieces);
    m->count = first + count + after;
}

static uint64_t up(uint64_t bytes)
{
    return (bytes + PAGE - 1) & ~(PAGE - 1);
}

static void put(struct memory_map *m, const struct beside_view *v, uint64_t start, uint64_t bytes)
{
    bytes = up(bytes);
    if (!bytes || start > ADDRESS_END || bytes > ADDRESS_END - start)
        return;
    struct memory_range range = {start, start + bytes, v->by_allocator ? 0 : v->pc,
                                 v->by_allocator ? MEMORY_ALLOCATOR : MEMORY_PROGRAM};
    replace(m, range.start, range.end, &range);
}

static void cut(struct memory_map *m, uint64_t start, uint64_t bytes)
{
    bytes = up(bytes);
    if (bytes && start <= ADDRESS_END && bytes <= ADDRESS_END - start)
        replace(m, start, start + bytes, NULL);
}

static int compare(const void *a, const void *b)
{
    const struct memory_range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static void take_own(struct memory_map *m, const struct trace_beside *beside)
{
    struct beside_pages pages;
    uint64_t start, end;
    m->own_count = 0;
    if (!beside_own_begin(&pages, beside))
        return;
    while (beside_own_next(&pages, &start, &end)) {
        if (end <= start || end > ADDRESS_END)
            continue;
        MEM_GROW(m->own, m->own_capacity, m->own_count + 1);
        m->own[m->own_count++] =
            (struct memory_range){start & ~(PAGE - 1), up(end), 0, MEMORY_RECORDER};
    }
    if (m->own_count)
        qsort(m->own, m->own_count, sizeof *m->own, compare);
}

void memory_map_take(struct memory_map *m, const struct trace_beside *beside)
{
    struct beside_view v;
    if (beside->kind == SEEP_BESIDE_OWN_MEMORY) {
        take_own(m, beside);
        return;
    }
    if ((beside->kind != SEEP_BESIDE_MAP_CALL && beside->kind != SEEP_BESIDE_THREAD_STACK) ||
        !beside_read(&v, beside))
        return;
    if (beside->kind == SEEP_BESIDE_THREAD_STACK) {
        if (m->stack_count == STACKS_MAX)
            return;
        MEM_GROW(m->stacks, m->stack_capacity, m->stack_count + 1);
        m->stacks[m->stack_count++] = (struct memory_stack){v.address, v.thread_pointer};
        return;
    }
    if (v.map_call == SEEP_MAP_MMAP) {
        put(m, &v, v.address, v.bytes);
    } else if (v.map_call == SEEP_MAP_MUNMAP) {
        cut(m, v.address, v.bytes);
    } else {
        cut(m, v.address, v.bytes);
        put(m, &v, v.new_address, v.new_bytes);
    }
}

/* Of one list: the range around the address, or NULL and *end brought down to the next one. */
static const struct memory_range *look(const struct memory_range *ranges, size_t count,
                                       uint64_t address, uint64_t *end)
{
    size_t at = find(ranges, count, address);
    if (at == count)
        return NULL;
    uint64_t border = ranges[at].start <= address ? ranges[at].end : ranges[at].start;
    if (border < *end)
        *end = border;
    return ranges[at].start <= address ? &ranges[at] : NULL;
}

const struct memory_range *memory_map_at(const struct memory_map *m, uint64_t address,
                                         uint64_t *end)
{
    *end = UINT64_MAX;
    const struct memory_range *own = look(m->own, m->own_count, address, end);
    const struct memory_range *range = look(m->ranges, m->count, address, end);
    return own ? own : range;
}

const struct memory_stack *memory_map_stack(const struct memory_map *m, uint64_t start,
                                            uint64_t end)
{
    for (size_t i = m->stack_count; i-- > 0;)
        if (m->stacks[i].inside >= start && m->stacks[i].inside < end)
            return &m->stacks[i];
    return NULL;
}
