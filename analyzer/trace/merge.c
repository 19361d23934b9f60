/* SPDX-License-Identifier: MIT */
#include "trace/merge.h"

#include "util/mem.h"

#include <stdlib.h>

/* All buffers together, so that thousands of lanes need no more memory than a few. */
#define BUFFERS_BYTES (32u << 20)
#define BUFFER_MAX_BYTES (256u << 10)

_Static_assert(BUFFERS_BYTES / SEEP_LANE_LIMIT < 2 * ROW_BYTES_LIMIT, "else raise the least size");

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

/* What a lane's buffer has: spools with thousands of lanes are read with little more memory than
 * others. */
static size_t buffer_bytes(size_t lanes)
{
    size_t bytes = BUFFERS_BYTES / (lanes > 0 ? lanes : 1);
    bytes = bytes > BUFFER_MAX_BYTES ? BUFFER_MAX_BYTES : bytes;
    return bytes < 2 * ROW_BYTES_LIMIT ? 2 * ROW_BYTES_LIMIT : bytes;
}

/* Makes the readers of new lanes. */
static void meet_lanes(struct merge *m)
{
    size_t lanes = m->spool->lane_count;
    MEM_GROW(m->lanes, m->lane_capacity, lanes);
    MEM_GROW(m->heap, m->heap_capacity, lanes);
    for (; m->lane_count < lanes; m->lane_count++)
        lane_reader_init(&m->lanes[m->lane_count], m->spool, m->notes, m->stacks,
                         (uint32_t)m->lane_count, buffer_bytes(lanes));
}

/* Finds the next place: the first one of the lane that leads the heap. */
static void meet_head(struct merge *m)
{
    m->head = NULL;
    if (m->heap_count == 0)
        return;
    m->head = lane_reader_head(&m->lanes[m->heap[0].lane]);
    if (m->head->stamp <= m->given_out)
        m->head->late = true; /* came when later ones of other lanes were gone */
}

void merge_renew(struct merge *m)
{
    meet_lanes(m);
    m->given_out = m->up_to;
    m->up_to = m->spool->newest_stamp;
    m->heap_count = 0;
    for (uint32_t i = 0; i < m->lane_count; i++) {
        lane_reader_renew(&m->lanes[i]);
        if (entry_of(m, i, &m->heap[m->heap_count]))
            m->heap_count++;
    }
    for (size_t i = m->heap_count / 2; i-- > 0;)
        sift_down(m, i);
    meet_head(m);
}

void merge_init(struct merge *m, const struct spool *spool, const struct spool_notes *notes,
                struct stack_map *stacks)
{
    *m = (struct merge){.spool = spool, .notes = notes, .stacks = stacks};
    meet_lanes(m);
}

void merge_release(struct merge *m)
{
    for (size_t i = 0; i < m->lane_count; i++)
        lane_reader_release(&m->lanes[i]);
    free(m->lanes);
    free(m->heap);
    *m = (struct merge){0};
}

void merge_pop(struct merge *m)
{
    uint32_t lane = m->heap[0].lane;
    lane_reader_pop(&m->lanes[lane]);
    if (m->heap_count == 1) {
        /* the only one that has more: nothing to compare it with */
        const struct place *place = lane_reader_head(&m->lanes[lane]);
        m->heap_count = place != NULL && place->stamp <= m->spool->newest_stamp;
    } else {
        if (!entry_of(m, lane, &m->heap[0]))
            m->heap[0] = m->heap[--m->heap_count];
        sift_down(m, 0);
    }
    meet_head(m);
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
