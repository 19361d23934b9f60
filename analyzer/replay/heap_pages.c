/* SPDX-License-Identifier: MIT */
#include "replay/heap_pages.h"

#include "seep/memory_snapshot.h"
#include "util/bisect.h"
#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

struct place {
    uint64_t start, end;
    bool holds_blocks;
};

/* By rising address, apart from each other. */
struct places {
    struct place *all; /* owned */
    size_t count, capacity;
    size_t last; /* found last: blocks come in the order of their slots, neighbours together */
};

static void add(struct places *p, uint64_t start, uint64_t end)
{
    if (p->count && start < p->all[p->count - 1].end)
        return; /* damage: records go by address */
    MEM_GROW(p->all, p->capacity, p->count + 1);
    p->all[p->count++] = (struct place){.start = start, .end = end};
}

static void mark(struct places *p, uint64_t address)
{
    if (p->count == 0)
        return;
    const struct place *last = &p->all[p->last];
    if (address < last->start || address >= last->end) {
        /* the first that ends behind the address */
        size_t low = BISECT(i, p->count, p->all[i].end <= address);
        if (low == p->count || address < p->all[low].start)
            return;
        p->last = low;
    }
    p->all[p->last].holds_blocks = true;
}

static bool may_be_heap(const struct beside_mapping *m)
{
    static const char brk[] = "[heap]";
    bool unnamed = m->name.length == 0;
    return (m->protection & SEEP_PROTECTION_WRITE) &&
           (unnamed ||
            (m->name.length == strlen(brk) && memcmp(m->name.bytes, brk, m->name.length) == 0));
}

static uint64_t resident_within(const struct large *large, const struct place *place,
                                uint64_t start, uint64_t end)
{
    start = start > place->start ? start : place->start;
    end = end < place->end ? end : place->end;
    return start < end ? large_resident_bytes(large, start, end - start) : 0;
}

uint64_t heap_pages_bytes(const struct trace_reader *reader, const struct large *large,
                          const struct mapped *mapped, const struct memory_map *own,
                          const struct trace_beside *beside)
{
    struct places mappings = {0}, programs = {0};
    struct beside_pages pages;
    struct beside_mapping m;
    uint64_t sum = 0;
    if (!beside_pages_begin(&pages, beside))
        return 0;
    while (beside_pages_mapping(&pages, &m))
        if (may_be_heap(&m))
            add(&mappings, m.start, m.end);
    for (size_t i = 0; i < mapped->count; i++)
        add(&programs, mapped->ranges[i].start, mapped->ranges[i].end);
    for (uint32_t slot = 0; slot < trace_reader_slot_count(reader); slot++) {
        const struct trace_block *b = trace_reader_block(reader, slot);
        if (b && !trace_block_in_pool(b)) {
            mark(&mappings, b->address);
            mark(&programs, b->address);
        }
    }
    for (size_t i = 0; i < mappings.count; i++) {
        const struct place *place = &mappings.all[i];
        if (!place->holds_blocks)
            continue;
        uint64_t resident = resident_within(large, place, place->start, place->end), others = 0;
        for (size_t k = 0; k < programs.count; k++) /* of those with blocks it is the heap's */
            if (!programs.all[k].holds_blocks)
                others += resident_within(large, place, programs.all[k].start, programs.all[k].end);
        for (size_t k = 0; k < own->own_count; k++)
            others += resident_within(large, place, own->own[k].start, own->own[k].end);
        sum += resident > others ? resident - others : 0; /* ranges of damaged traces may overlap */
    }
    free(mappings.all);
    free(programs.all);
    return sum;
}
