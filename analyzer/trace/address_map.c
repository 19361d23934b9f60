/* SPDX-License-Identifier: MIT */
#include "trace/address_map.h"

#include "util/mem.h"

#include <stdlib.h>

#define FIRST_BITS 12

static size_t home_of(const struct address_map *m, uint64_t address)
{
    return ADDRESS_MAP_HASH(address, m->bits);
}

static void make_empty(struct address_map *m, unsigned bits)
{
    m->bits = bits;
    m->entries = mem_zalloc((size_t)1 << bits, sizeof *m->entries); /* ADDRESS_MAP_NONE */
    mem_wish_huge(m->entries, sizeof *m->entries << bits);
}

void address_map_init(struct address_map *m)
{
    m->count = 0;
    make_empty(m, FIRST_BITS);
}

void address_map_release(struct address_map *m)
{
    free(m->entries);
    *m = (struct address_map){0};
}

static void place(struct address_map *m, struct address_entry entry)
{
    size_t mask = ((size_t)1 << m->bits) - 1;
    size_t i = home_of(m, entry.address);
    while (m->entries[i].slot != ADDRESS_MAP_NONE)
        i = (i + 1) & mask;
    m->entries[i] = entry;
}

void address_map_put(struct address_map *m, uint64_t address, uint32_t slot)
{
    size_t size = (size_t)1 << m->bits;
    if (++m->count > size / 2) {
        struct address_entry *old = m->entries;
        make_empty(m, m->bits + 1);
        for (size_t i = 0; i < size; i++) {
            if (old[i].slot != ADDRESS_MAP_NONE)
                place(m, old[i]);
        }
        free(old);
    }
    place(m, (struct address_entry){.address = address, .slot = slot});
}

/* Moves back whatever probing would no longer reach across the new gap. */
void address_map_remove(struct address_map *m, struct address_entry *entry)
{
    size_t mask = ((size_t)1 << m->bits) - 1;
    size_t gap = (size_t)(entry - m->entries);
    for (size_t i = (gap + 1) & mask; m->entries[i].slot != ADDRESS_MAP_NONE; i = (i + 1) & mask) {
        size_t home = home_of(m, m->entries[i].address);
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->entries[gap] = m->entries[i];
            gap = i;
        }
    }
    m->entries[gap].slot = ADDRESS_MAP_NONE;
    m->count--;
}
