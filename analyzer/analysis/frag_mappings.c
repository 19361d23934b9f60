/* SPDX-License-Identifier: MIT */
#include "analysis/frag_mappings.h"

#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>

/* While pieces come: by rising pc. The place of the first that is not below. */
static size_t find(const struct frag_mappings *m, uint64_t pc)
{
    return BISECT(i, m->count, m->sites[i].pc < pc);
}

static struct frag_mapping *site_at(const struct frag_mappings *m, uint64_t pc)
{
    size_t at = find(m, pc);
    return at < m->count && m->sites[at].pc == pc ? &m->sites[at] : NULL;
}

void frag_mappings_add(struct frag_mappings *m, const struct frag_piece *piece)
{
    if (piece->kind != FRAG_MAPPING || piece->residency != SEEP_PAGE_RESIDENT)
        return;
    struct frag_mapping *site = site_at(m, piece->pc);
    if (!site) {
        size_t at = find(m, piece->pc);
        MEM_GROW(m->sites, m->capacity, m->count + 1);
        for (size_t i = m->count++; i > at; i--)
            m->sites[i] = m->sites[i - 1];
        site = &m->sites[at];
        *site = (struct frag_mapping){.pc = piece->pc};
    }
    site->resident_bytes += piece->end - piece->start;
}

static int compare(const void *a, const void *b)
{
    const struct frag_mapping *x = a, *y = b;
    if (x->resident_bytes != y->resident_bytes)
        return x->resident_bytes < y->resident_bytes ? 1 : -1;
    return (x->pc > y->pc) - (x->pc < y->pc);
}

void frag_mappings_end(struct frag_mappings *m, const struct memory_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->ranges[i];
        struct frag_mapping *site = range->owner == MEMORY_PROGRAM ? site_at(m, range->pc) : NULL;
        if (!site)
            continue;
        site->mapped_bytes += range->end - range->start;
        site->count++;
    }
    if (m->count)
        qsort(m->sites, m->count, sizeof *m->sites, compare);
}

void frag_mappings_release(struct frag_mappings *m)
{
    free(m->sites);
    *m = (struct frag_mappings){0};
}
