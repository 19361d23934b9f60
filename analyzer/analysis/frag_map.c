/* SPDX-License-Identifier: MIT */
#include "analysis/frag_map.h"

#include "util/mem.h"

#include <stdlib.h>

static void add_part(struct frag_map *m, const struct frag_piece *piece, uint64_t start,
                     uint64_t end)
{
    uint64_t cell = start & ~(uint64_t)(PAGES_REGION_BYTES - 1);
    if (!m->count || m->cells[m->count - 1].end <= cell) {
        MEM_GROW(m->cells, m->capacity, m->count + 1);
        m->cells[m->count++] = (struct frag_cell){.start = cell, .end = cell + PAGES_REGION_BYTES};
    }
    struct frag_cell *last = &m->cells[m->count - 1];
    last->resident += end - start;
    if (piece->kind == FRAG_LIVE)
        last->used += piece->page->usable;
    else if (piece->kind == FRAG_LARGE)
        last->used += end - start;
    else
        last->free += end - start;
}

void frag_map_add(struct frag_map *m, const struct frag_piece *piece)
{
    if (piece->residency != SEEP_PAGE_RESIDENT ||
        (piece->kind != FRAG_LIVE && piece->kind != FRAG_LARGE && piece->kind != FRAG_FREE))
        return;
    for (uint64_t start = piece->start; start < piece->end;) {
        uint64_t end = (start | (PAGES_REGION_BYTES - 1)) + 1;
        if (end > piece->end)
            end = piece->end;
        add_part(m, piece, start, end);
        start = end;
    }
}

void frag_map_end(struct frag_map *m)
{
    while (m->count > FRAG_CELLS) {
        size_t count = 0;
        for (size_t i = 0; i < m->count; i += 2) {
            struct frag_cell cell = m->cells[i];
            if (i + 1 < m->count) {
                const struct frag_cell *next = &m->cells[i + 1];
                cell.end = next->end;
                cell.resident += next->resident;
                cell.used += next->used;
                cell.free += next->free;
            }
            m->cells[count++] = cell;
        }
        m->count = count;
    }
}

void frag_map_release(struct frag_map *m)
{
    free(m->cells);
    *m = (struct frag_map){0};
}
