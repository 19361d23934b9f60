/* SPDX-License-Identifier: MIT
 *
 * Live addresses to the trace's slots: open addressing, linear probing, no tombstones. */
#ifndef TRACE_ADDRESS_MAP_H
#define TRACE_ADDRESS_MAP_H

#include <stddef.h>
#include <stdint.h>

#define ADDRESS_MAP_NONE 0 /* no block has that slot */

struct address_entry {
    uint64_t address;
    uint32_t slot;   /* ADDRESS_MAP_NONE: the entry is empty */
    uint32_t flight; /* 1 + index of the reallocation that is moving the block away; 0: none */
};

struct address_map {
    struct address_entry *entries; /* owned */
    size_t count;
    unsigned bits; /* there are 1 << bits entries */
};

void address_map_init(struct address_map *m);
void address_map_release(struct address_map *m);

/* `address` is not there yet. */
void address_map_put(struct address_map *m, uint64_t address, uint32_t slot);
/* `entry` came from address_map_find(). */
void address_map_remove(struct address_map *m, struct address_entry *entry);

#define ADDRESS_MAP_HASH(address, bits) ((address)*0x9e3779b97f4a7c15u >> (64 - (bits)))

/* NULL if not there. Valid until the next put or remove. */
static inline struct address_entry *address_map_find(const struct address_map *m, uint64_t address)
{
    size_t mask = ((size_t)1 << m->bits) - 1;
    for (size_t i = ADDRESS_MAP_HASH(address, m->bits);; i = (i + 1) & mask) {
        struct address_entry *e = &m->entries[i];
        if (e->slot == ADDRESS_MAP_NONE)
            return NULL;
        if (e->address == address)
            return e;
    }
}

/* What stands where `address` is looked for first, if that is it: NULL says nothing. */
static inline const struct address_entry *address_map_glance(const struct address_map *m,
                                                             uint64_t address)
{
    const struct address_entry *e = &m->entries[ADDRESS_MAP_HASH(address, m->bits)];
    return e->address == address && e->slot != ADDRESS_MAP_NONE ? e : NULL;
}

/* Fetches the cache line where `address` would be looked up soon. */
static inline void address_map_prefetch(const struct address_map *m, uint64_t address)
{
    __builtin_prefetch(&m->entries[ADDRESS_MAP_HASH(address, m->bits)]);
}

#endif
