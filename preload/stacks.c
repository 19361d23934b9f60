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
 * Entries are added under the cold-path lock and never changed; readers take no lock. A table that
 * is outgrown stays where it is beside the larger one, to which its entries are moved a few at a
 * time: who adds one waits for the program's next instruction. Then it stays mapped but is given
 * back to the kernel: a reader that still holds it finds zeros there, which is a miss, and a miss
 * is looked up again under the lock. */
#include "stacks.h"

#include "cold.h"
#include "last_walk.h"
#include "modules.h"
#include "private_stack.h"
#include "rows.h"
#include "sys.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define BITS_MIN 12
#define BITS_MAX 33

/* Places of an outgrown table that are moved for each entry that is added. It is full to 5/8, and
 * the larger one, at 5/16, must not be outgrown before: two would do. */
#define MOVED_AT_ONCE 8

/* Nodes whose places are fetched ahead; most new stacks have fewer that are new. */
#define FETCHED 12

struct entry {
    _Atomic uint64_t hash; /* 0: empty; stored after the id */
    _Atomic uint32_t id;
};

struct table {
    struct entry *entries;
    unsigned shift;
    uint64_t mask;
};

struct map {
    /* A descriptor per size, never reused, so that a reader may keep the one it has loaded. */
    struct table tables[BITS_MAX + 1];
    struct table *_Atomic current;
    struct table *_Atomic outgrown; /* of which not all is in `current`; NULL: none */
    uint64_t moved;                 /* places of it that are empty or in `current` */
    uint64_t used;
};

static struct map all, leaves;
static _Atomic uint32_t nodes;
/* The stack that is being defined: of the root ([0]) and of each frame's node, outermost first, its
 * hash and what it is chained of. Under the lock. */
static struct {
    uint32_t count; /* frames */
    bool cut;
    uint64_t hash[SEEP_FRAME_LIMIT + 1];
    uint64_t value[SEEP_FRAME_LIMIT + 1]; /* rec_stacks_frame() */
} path;

/* Gives the pages back: they read as zeros. False where the program locked its memory. */
static bool drop(const struct table *t)
{
    return !sys_failed(
        sys_call(SYS_madvise, t->entries, (t->mask + 1) * sizeof *t->entries, MADV_DONTNEED));
}

static struct table *make_table(struct map *m, unsigned bits)
{
    if (bits > BITS_MAX)
        return NULL;
    struct table *t = &m->tables[bits];
    /* One that is there already is the parent's, in a forked child, or of an earlier start. */
    struct entry *entries = t->entries;
    if (entries)
        drop(t);
    else
        entries = sys_memory(sizeof *entries << bits);
    if (!entries)
        return NULL;
    /* In small pages: a hook that waits for a huge one to be found and cleared waits 4 ms. */
    *t = (struct table){.entries = entries, .shift = 64 - bits, .mask = (1ull << bits) - 1};
    return t;
}

static bool init_map(struct map *m)
{
    m->used = 0;
    atomic_store_explicit(&m->outgrown, NULL, memory_order_relaxed);
    struct table *t = make_table(m, BITS_MIN);
    atomic_store_explicit(&m->current, t, memory_order_release);
    return t != NULL;
}

bool rec_stacks_init(void)
{
    rec_cold_reset();
    atomic_store_explicit(&nodes, 0, memory_order_relaxed);
    return init_map(&all) && init_map(&leaves);
}

static inline uint64_t frame_value(const struct rec_walk *walk, uint32_t i)
{
    return rec_stacks_frame(walk->pc[i], walk->flags[i]);
}

/* 0: not there. */
static inline uint32_t find_in(const struct table *t, uint64_t hash)
{
    for (uint64_t i = hash >> t->shift;; i = (i + 1) & t->mask) {
        const struct entry *e = &t->entries[i];
        uint64_t seen = atomic_load_explicit(&e->hash, memory_order_acquire);
        if (seen == hash)
            return atomic_load_explicit(&e->id, memory_order_relaxed);
        if (seen == 0)
            return 0;
    }
}

static inline uint32_t find(const struct map *m, uint64_t hash)
{
    uint32_t id = find_in(atomic_load_explicit(&m->current, memory_order_acquire), hash);
    if (__builtin_expect(id != 0, 1))
        return id;
    const struct table *old = atomic_load_explicit(&m->outgrown, memory_order_acquire);
    return old ? find_in(old, hash) : 0;
}

static void put_in(const struct table *t, uint64_t hash, uint32_t id)
{
    uint64_t i = hash >> t->shift;
    while (atomic_load_explicit(&t->entries[i].hash, memory_order_relaxed) != 0)
        i = (i + 1) & t->mask;
    atomic_store_explicit(&t->entries[i].id, id, memory_order_relaxed);
    atomic_store_explicit(&t->entries[i].hash, hash, memory_order_release);
}

static void forget_outgrown(struct map *m)
{
    const struct table *old = atomic_load_explicit(&m->outgrown, memory_order_relaxed);
    if (old == NULL)
        return;
    atomic_store_explicit(&m->outgrown, NULL, memory_order_release);
    drop(old);
}

/* Moves some of what is left in the outgrown table. */
static void move_some(struct map *m, uint64_t places)
{
    const struct table *old = atomic_load_explicit(&m->outgrown, memory_order_relaxed);
    const struct table *t = atomic_load_explicit(&m->current, memory_order_relaxed);
    for (; places > 0 && m->moved <= old->mask; places--) {
        const struct entry *e = &old->entries[m->moved++];
        uint64_t hash = atomic_load_explicit(&e->hash, memory_order_relaxed);
        if (hash)
            put_in(t, hash, atomic_load_explicit(&e->id, memory_order_relaxed));
    }
    if (m->moved > old->mask)
        forget_outgrown(m);
}

/* Room for `more` entries at a load of at most 5/8. False without memory. */
static bool make_room(struct map *m, uint64_t more)
{
    if (atomic_load_explicit(&m->outgrown, memory_order_relaxed))
        move_some(m, MOVED_AT_ONCE * more);
    struct table *old = atomic_load_explicit(&m->current, memory_order_relaxed);
    unsigned bits = 64 - old->shift;
    while ((m->used + more) * 8 > (5ull << bits))
        bits++;
    if (bits == 64 - old->shift)
        return true;
    struct table *t = make_table(m, bits);
    if (!t)
        return false;
    if (atomic_load_explicit(&m->outgrown, memory_order_relaxed))
        move_some(m, UINT64_MAX); /* not where entries are added a few at a time */
    m->moved = 0;
    atomic_store_explicit(&m->outgrown, old, memory_order_release);
    atomic_store_explicit(&m->current, t, memory_order_release);
    return true;
}

/* To be called with room. */
static void put(struct map *m, uint64_t hash, uint32_t id)
{
    put_in(atomic_load_explicit(&m->current, memory_order_relaxed), hash, id);
    m->used++;
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
static inline void fetch_places(void)
{
    const struct table *t = atomic_load_explicit(&all.current, memory_order_relaxed);
    for (uint32_t i = 0; i < FETCHED && i <= path.count; i++)
        __builtin_prefetch(&t->entries[path.hash[path.count - i] >> t->shift]);
    t = atomic_load_explicit(&leaves.current, memory_order_relaxed);
    __builtin_prefetch(&t->entries[path.hash[path.count] >> t->shift]);
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
    if (id && !find(&leaves, hash) && make_room(&leaves, 1))
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
    if (last > UINT32_MAX - missing || (missing > 0 && !make_room(&all, missing))) {
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

static void forget(struct map *m)
{
    const struct table *t = atomic_load_explicit(&m->current, memory_order_relaxed);
    forget_outgrown(m);
    if (!drop(t))
        for (uint64_t i = 0; i <= t->mask; i++)
            atomic_store_explicit(&t->entries[i].hash, 0, memory_order_relaxed);
    m->used = 0;
}

void rec_stacks_forget(void)
{
    forget(&all);
    forget(&leaves);
}

static uint64_t bytes_of(const struct map *m)
{
    const struct table *t = atomic_load_explicit(&m->current, memory_order_acquire);
    const struct table *old = atomic_load_explicit(&m->outgrown, memory_order_acquire);
    return ((t ? t->mask + 1 : 0) + (old ? old->mask + 1 : 0)) * sizeof(struct entry);
}

uint64_t rec_stacks_bytes(void)
{
    return bytes_of(&all) + bytes_of(&leaves);
}

uint32_t rec_stacks_nodes(void)
{
    return atomic_load_explicit(&nodes, memory_order_relaxed);
}
