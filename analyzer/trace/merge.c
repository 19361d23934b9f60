/* SPDX-License-Identifier: MIT */
#include "trace/merge.h"

#include "util/mem.h"

#include <stdlib.h>

/* All buffers together, so that thousands of lanes need no more memory than a few. */
#define BUFFERS_BYTES (32u << 20)
#define BUFFER_MAX_BYTES (256u << 10)

_Static_assert(BUFFERS_BYTES / SEEP_LANE_LIMIT < 2 * ROW_BYTES_LIMIT, "else raise the least size");

static size_t count_lanes(const struct spool *spool)
{
    size_t lanes = 0;
    for (size_t i = 0; i < spool->piece_count; i++)
        lanes += i == 0 || spool->pieces[i].lane != spool->pieces[i - 1].lane;
    return lanes;
}

static bool earlier(const struct merge_entry *a, const struct merge_entry *b)
{
    if (a->stamp != b->stamp)
        return a->stamp < b->stamp;
    if (a->rank != b->rank)
        return a->rank < b->rank;
    return a->lane < b->lane;
}

static void sift_down(struct merge *m, size_t i)
{
    struct merge_entry moved = m->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->heap_count)
            break;
        if (child + 1 < m->heap_count && earlier(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!earlier(&m->heap[child], &moved))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = moved;
}

/* The lane's next place as an entry; false at its end, or where only rows follow that are newer
 * than the picture (of a running process). */
static bool entry_of(struct merge *m, uint32_t lane, struct merge_entry *out)
{
    const struct place *place = lane_reader_head(&m->lanes[lane]);
    if (place == NULL || place->stamp > m->spool->newest_stamp)
        return false;
    *out = (struct merge_entry){
        .stamp = place->stamp, .rank = place_leaves(place) ? 0 : 1, .lane = lane};
    return true;
}

void merge_init(struct merge *m, const struct spool *spool, const struct spool_notes *notes,
                struct stack_map *stacks)
{
    *m = (struct merge){.spool = spool, .lane_count = count_lanes(spool)};
    m->lanes = mem_zalloc(m->lane_count, sizeof *m->lanes);
    m->heap = mem_zalloc(m->lane_count, sizeof *m->heap);
    size_t buffer = m->lane_count > 0 ? BUFFERS_BYTES / m->lane_count : 0;
    buffer = buffer > BUFFER_MAX_BYTES ? BUFFER_MAX_BYTES : buffer;
    buffer = buffer < 2 * ROW_BYTES_LIMIT ? 2 * ROW_BYTES_LIMIT : buffer;
    size_t lane = 0;
    for (size_t i = 0, end; i < spool->piece_count; i = end) {
        for (end = i; end < spool->piece_count && spool->pieces[end].lane == spool->pieces[i].lane;)
            end++;
        lane_reader_init(&m->lanes[lane++], spool, notes, stacks, &spool->pieces[i], end - i,
                         buffer);
    }
    for (uint32_t i = 0; i < m->lane_count; i++) {
        if (entry_of(m, i, &m->heap[m->heap_count]))
            m->heap_count++;
    }
    for (size_t i = m->heap_count / 2; i-- > 0;)
        sift_down(m, i);
}

void merge_release(struct merge *m)
{
    for (size_t i = 0; i < m->lane_count; i++)
        lane_reader_release(&m->lanes[i]);
    free(m->lanes);
    free(m->heap);
    *m = (struct merge){0};
}

bool merge_next(struct merge *m, struct place *out)
{
    if (m->heap_count == 0)
        return false;
    uint32_t lane = m->heap[0].lane;
    *out = *lane_reader_head(&m->lanes[lane]);
    lane_reader_pop(&m->lanes[lane]);
    if (!entry_of(m, lane, &m->heap[0]))
        m->heap[0] = m->heap[--m->heap_count];
    sift_down(m, 0);
    return true;
}

bool merge_read_definitions(void *arg)
{
    struct merge *m = arg;
    for (size_t tried = 0; tried < m->lane_count; tried++) {
        size_t lane = m->scanned_lane;
        m->scanned_lane = (lane + 1) % m->lane_count;
        if (lane_reader_scan(&m->lanes[lane]))
            return true;
    }
    return false;
}

uint64_t merge_bytes_read(const struct merge *m)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < m->lane_count; i++)
        bytes += m->lanes[i].bytes_read;
    return bytes;
}

uint64_t merge_lost(const struct merge *m)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < m->lane_count; i++)
        lost += m->lanes[i].lost;
    return lost;
}

uint64_t merge_newest(const struct merge *m)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < m->lane_count; i++) {
        uint64_t stamp = lane_reader_newest(&m->lanes[i]);
        newest = stamp > newest ? stamp : newest;
    }
    return newest;
}
