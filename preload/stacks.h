/* SPDX-License-Identifier: MIT
 *
 * The process-wide table of known stacks: chained hash of a whole stack -> node id. Lock-free to
 * look up; a definition is written as a row before its id can be found. */
#ifndef REC_STACKS_H
#define REC_STACKS_H

#include "unwind.h"

#include <stdbool.h>
#include <stdint.h>

struct rec_thread;
struct rec_last_walk;

bool rec_stacks_init(void);

/* The node id of the walked stack in the present generation of modules (rec_modules_generation()).
 * Unknown nodes are defined through rec_row_stack() and rec_row_root() (rows.h) of the calling
 * thread; new pcs are told to rec_modules_note(). 0 where that fails. */
uint32_t rec_stacks_id(struct rec_thread *t, const struct rec_walk *walk);

/* The hash that the walked stack is known by, never 0; and its node id, 0 if it is not known. */
uint64_t rec_stacks_hash(const struct rec_walk *walk);
uint32_t rec_stacks_find(uint64_t hash);

/* The same of the stack that rec_last_walk() just told, and whose hash is not known. 0 also where a
 * full walk is due, because a new generation of modules began. */
uint32_t rec_stacks_define(struct rec_thread *t, const struct rec_last_walk *last);

/* The ids that a thread had lately, so that the table of all stacks, which is in no cache, need not
 * be asked. All zeros: none. Hashes hold the generation, so none ever becomes wrong. */
#define STACKS_RECENT_BITS 10
struct rec_stacks_recent {
    struct rec_stacks_pair {
        uint64_t hash[2]; /* the one that was asked for last first */
        uint32_t id[2];
    } __attribute__((aligned(32))) pairs[1 << STACKS_RECENT_BITS];
};

/* rec_stacks_find(), by way of those. */
static inline uint32_t rec_stacks_find_recent(struct rec_stacks_recent *recent, uint64_t hash)
{
    struct rec_stacks_pair *pair = &recent->pairs[hash >> (64 - STACKS_RECENT_BITS)];
    if (__builtin_expect(pair->hash[0] == hash, 1))
        return pair->id[0];
    uint32_t id = pair->hash[1] == hash ? pair->id[1] : rec_stacks_find(hash);
    if (id == 0)
        return 0;
    /* A handler that leaves for good finds no hash with another's id. */
    uint64_t older = pair->hash[0];
    uint32_t older_id = pair->id[0];
    pair->hash[0] = pair->hash[1] = 0;
    __asm__ volatile("" ::: "memory");
    pair->id[1] = older_id;
    pair->id[0] = id;
    __asm__ volatile("" ::: "memory");
    pair->hash[1] = older;
    pair->hash[0] = hash;
    return id;
}

/* What a hash is chained of: the root's, mixed with the value of each frame, outermost first; at
 * the end rec_stacks_hash_of() what comes out. */
static inline uint64_t rec_stacks_mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 32;
}

static inline uint64_t rec_stacks_root(uint32_t generation, bool cut)
{
    return rec_stacks_mix(0x5eed5eed5eed5eedull, (uint64_t)generation << 1 | cut);
}

/* The flags (0x10, 0x20) go above the 47 bits of a pc. */
static inline uint64_t rec_stacks_frame(uintptr_t pc, uint8_t flags)
{
    return pc | (uint64_t)flags << 48;
}

static inline uintptr_t rec_stacks_pc(uint64_t value)
{
    return value & ((1ull << 48) - 1);
}

static inline uint64_t rec_stacks_hash_of(uint64_t mixed)
{
    return mixed ? mixed : 1; /* 0 means an empty entry */
}

/* Forgets all stacks: a new generation began, and every stack gets a new root. Under the cold-path
 * lock. */
void rec_stacks_forget(void);

uint64_t rec_stacks_bytes(void);
uint32_t rec_stacks_nodes(void);

#endif
