/* SPDX-License-Identifier: MIT
 *
 * A stack is known by a 64-bit hash, chained from the root to the leaf, so that each prefix of it
 * has a hash too: its node's. Recording a known stack is one lookup of the leaf's hash; only when
 * that fails are the inner nodes looked at.
 *
 * Two different nodes with one hash would be taken for one. With n nodes that happens with a
 * probability of about n^2 / 2^65: 3e-8 for a million nodes, 3e-6 for ten million. The step of the
 * hash is a bijection of the state for each pc and of the pc for each state, so two stacks that
 * differ in one frame only never collide there; the value 0, which means an empty entry, is
 * replaced by 1.
 *
 * There are two tables: of all nodes, and of those that an event had, the leaves. These are the
 * fewer by far (of a compiler's 733,000 nodes 121,000), so that what events ask lies closer
 * together.
 *
 * Entries are added under the cold-path lock and never changed; readers take no lock (table.h). */
#include "stacks.h"

#include "cold.h"
#include "last_walk.h"
#include "modules.h"
#include "private_stack.h"
#include "rows.h"
#include "table.h"

/* Nodes whose places are fetched ahead; most new stacks have fewer that are new. */
#define FETCHED 12

struct entry {
    _Atomic uint64_t hash; /* 0: empty; stored after the id */
    _Atomic uint32_t id;
};

static uint64_t copy(const struct rec_places *from, uint64_t first, uint64_t count,
                     const struct rec_places *to);

static struct rec_table all = {.entry_bytes = sizeof(struct entry), .copy = copy};
static struct rec_table leaves = {.entry_bytes = sizeof(struct entry), .copy = copy};
static _Atomic uint32_t nodes;
/* The stack that is being defined: of the root ([0]) and of each frame's node, outermost first, its
 * hash and what it is chained of. Under the lock. */
static struct {
    uint32_t count; /* frames */
    bool cut;
    uint64_t hash[SEEP_FRAME_LIMIT + 1];
    uint64_t value[SEEP_FRAME_LIMIT + 1]; /* rec_stacks_frame() */
} path;

bool rec_stacks_init(void)
{
    rec_cold_reset();
    atomic_store_explicit(&nodes, 0, memory_order_relaxed);
    return rec_table_init(&all) && rec_table_init(&leaves);
}

static inline uint64_t frame_value(const struct rec_walk *walk, uint32_t i)
{
    return rec_stacks_frame(walk->pc[i], walk->flags[i]);
}

/* 0: not there. */
static inline uint32_t find(const struct rec_table *t, uint64_t hash)
{
    const struct rec_places *places = rec_table_places(t);
    const struct entry *entries = places->entries;
    for (uint64_t i = hash >> places->shift;; i = (i + 1) & places->mask) {
        uint64_t seen = atomic_load_explicit(&entries[i].hash, memory_order_acquire);
        if (seen == hash)
            return atomic_load_explicit(&entries[i].id, memory_order_relaxed);
        if (seen == 0)
            return 0;
    }
}

/* Which place it was put into. */
static uint64_t put_in(const struct rec_places *places, uint64_t hash, uint32_t id)
{
    struct entry *entries = places->entries;
    uint64_t i = hash >> places->shift;
    while (atomic_load_explicit(&entries[i].hash, memory_order_relaxed) != 0)
        i = (i + 1) & places->mask;
    atomic_store_explicit(&entries[i].id, id, memory_order_relaxed);
    atomic_store_explicit(&entries[i].hash, hash, memory_order_release);
    return i;
}

static uint64_t copy(const struct rec_places *from, uint64_t first, uint64_t count,
                     const struct rec_places *to)
{
    const struct entry *entries = from->entries;
    uint64_t copied = 0;
    for (uint64_t i = first; i < first + count; i++) {
        uint64_t hash = atomic_load_explicit(&entries[i].hash, memory_order_relaxed);
        if (hash == 0)
            continue;
        put_in(to, hash, atomic_load_explicit(&entries[i].id, memory_order_relaxed));
        copied++;
    }
    return copied;
}

/* To be called with room. */
static void put(struct rec_table *t, uint64_t hash, uint32_t id)
{
    uint64_t place = put_in(rec_table_places(t), hash, id);
    t->used++;
    const struct rec_places *next = rec_table_beyond(t, place);
    if (next) {
        put_in(next, hash, id);
        t->next_used++;
    }
}

static void fill_path(const struct rec_walk *walk, uint32_t generation)
{
    uint64_t h = rec_stacks_root(generation, walk->cut);
    path.count = walk->count;
    path.cut = walk->cut;
    path.hash[0] = rec_stacks_hash_of(h);
    for (uint32_t i = 1; i <= walk->count; i++) {
        path.value[i] = frame_value(walk, walk->count - i);
        h = rec_stacks_mix(h, path.value[i]);
        path.hash[i] = rec_stacks_hash_of(h);
    }
}

static void fill_path_from_last(const struct rec_last_walk *last)
{
    path.count = last->leaf < SEEP_FRAME_LIMIT ? last->leaf : SEEP_FRAME_LIMIT;
    path.cut = last->cut;
    const struct rec_last_frame *frames = &last->frames[last->leaf - path.count];
    uint64_t h = rec_stacks_root(last->generation, last->cut);
    path.hash[0] = rec_stacks_hash_of(h);
    for (uint32_t i = 1; i <= path.count; i++) {
        path.value[i] = frames[i].value;
        h = rec_stacks_mix(h, frames[i].value);
        path.hash[i] = rec_stacks_hash_of(h);
    }
}

/* Of tables that are in no cache, lets the places come that are looked at next, at once: one after
 * the other they would be half of what a definition costs. */
static inline void fetch_place(const struct rec_table *t, uint64_t hash)
{
    const struct rec_places *places = rec_table_places(t);
    __builtin_prefetch((const struct entry *)places->entries + (hash >> places->shift));
}

static inline void fetch_places(void)
{
    for (uint32_t i = 0; i < FETCHED && i <= path.count; i++)
        fetch_place(&all, path.hash[path.count - i]);
    fetch_place(&leaves, path.hash[path.count]);
}

/* How many nodes of `path` are known, counted from the root; *id is that of the last known one. */
static uint32_t known_nodes(uint32_t *id)
{
    fetch_places();
    /* A node is never known before its parent, and new stacks differ near the leaf. */
    for (uint32_t known = path.count + 1; known > 0; known--) {
        *id = find(&all, path.hash[known - 1]);
        if (*id)
            return known;
    }
    return 0;
}

static inline uintptr_t path_pc(uint32_t n)
{
    return rec_stacks_pc(path.value[n]);
}

/* The id of what an event had; 0: it has none. Without memory it is found among all the next time.
 */
static void add_leaf(uint64_t hash, uint32_t id)
{
    if (id && !find(&leaves, hash) && rec_table_room(&leaves, 1))
        put(&leaves, hash, id);
}

/* Defines what is not known of `path`, which was filled in that generation; *id becomes that of its
 * leaf, 0 where it cannot be. False: a new generation began, and nothing was defined. */
static bool define_path(struct rec_thread *t, uint32_t generation, uint32_t *id)
{
    *id = 0;
    uint32_t known = known_nodes(id);
    /* A module may turn out to stand where another one was: then a new generation begins. */
    rec_modules_note_begin();
    for (uint32_t n = known ? known : 1; n <= path.count; n++)
        rec_modules_note(t, path_pc(n));
    if (generation != rec_modules_generation())
        return false;

    uint32_t missing = path.count + 1 - known;
    uint32_t last = atomic_load_explicit(&nodes, memory_order_relaxed);
    if (last > UINT32_MAX - missing || (missing > 0 && !rec_table_room(&all, missing))) {
        *id = 0;
        return true;
    }
    for (uint32_t n = known; n <= path.count; n++) {
        uint32_t parent = *id;
        *id = last + 1;
        bool written =
            n == 0 ? rec_row_root(t, *id, generation, path.cut ? SEEP_ROW_CUT : 0)
                   : rec_row_stack(t, *id, parent, path_pc(n), (uint8_t)(path.value[n] >> 48));
        if (!written) {
            *id = 0;
            break;
        }
        last = *id;
        atomic_store_explicit(&nodes, last, memory_order_relaxed);
        put(&all, path.hash[n], *id);
    }
    add_leaf(path.hash[path.count], *id);
    return true;
}

/* A stack to be defined, in one of two forms. */
struct unknown {
    struct rec_thread *thread;
    const struct rec_walk *walk;
    const struct rec_last_walk *last;
    uint32_t id; /* 0 where it cannot be */
};

static void define_walk(void *what)
{
    struct unknown *u = what;
    uint64_t mask = rec_cold_lock();
    uint32_t generation;
    do {
        generation = rec_modules_generation();
        fill_path(u->walk, generation);
    } while (!define_path(u->thread, generation, &u->id));
    rec_cold_unlock(mask);
}

static void define_last(void *what)
{
    struct unknown *u = what;
    uint64_t mask = rec_cold_lock();
    if (u->last->generation == rec_modules_generation()) {
        fill_path_from_last(u->last);
        if (!define_path(u->thread, u->last->generation, &u->id))
            u->id = 0;
    }
    rec_cold_unlock(mask);
}

static __attribute__((noinline, cold)) uint32_t define(struct rec_thread *t,
                                                       const struct rec_walk *walk)
{
    if (rec_rows_lead_nowhere(t))
        return 0; /* others of this process would use an id whose definition is lost */
    struct unknown unknown = {.thread = t, .walk = walk};
    rec_private_stack_run(define_walk, &unknown);
    return unknown.id;
}

uint32_t rec_stacks_define(struct rec_thread *t, const struct rec_last_walk *last)
{
    if (rec_rows_lead_nowhere(t))
        return 0;
    struct unknown unknown = {.thread = t, .last = last};
    rec_private_stack_run(define_last, &unknown);
    return unknown.id;
}

uint64_t rec_stacks_hash(const struct rec_walk *walk)
{
    uint64_t h = rec_stacks_root(rec_modules_generation(), walk->cut);
    for (uint32_t i = walk->count; i > 0; i--)
        h = rec_stacks_mix(h, frame_value(walk, i - 1));
    return rec_stacks_hash_of(h);
}

uint32_t rec_stacks_find(uint64_t hash)
{
    return find(&leaves, hash);
}

uint32_t rec_stacks_id(struct rec_thread *t, const struct rec_walk *walk)
{
    uint32_t id = rec_stacks_find(rec_stacks_hash(walk));
    return __builtin_expect(id != 0, 1) ? id : define(t, walk);
}

void rec_stacks_forget(void)
{
    rec_table_forget(&all);
    rec_table_forget(&leaves);
}

uint64_t rec_stacks_bytes(void)
{
    return atomic_load_explicit(&all.bytes, memory_order_relaxed) +
           atomic_load_explicit(&leaves.bytes, memory_order_relaxed);
}

uint32_t rec_stacks_nodes(void)
{
    return atomic_load_explicit(&nodes, memory_order_relaxed);
}
