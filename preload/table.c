/* SPDX-License-Identifier: MIT */
#include "table.h"

#include "sys.h"

#include <string.h>
#include <sys/mman.h>

/* The next table is begun when the present one is full to 9/16 and has to be complete at 5/8, that
 * is, after as many entries as are a sixteenth of its places. */
#define COPIED_AT_ONCE 18
/* The kernel clears 64 KiB in 10 us. */
#define READY_AT_ONCE (64u << 10)
/* Entries that one such piece is for: else many at a time would leave no time to copy. */
#define ENTRIES_A_PIECE 8
#define GIVEN_AT_ONCE (256u << 10)

static uint64_t bytes_of(const struct rec_table *t, const struct rec_places *p)
{
    return p ? (p->mask + 1) * t->entry_bytes : 0;
}

static unsigned bits_of(const struct rec_places *p)
{
    return 64 - p->shift;
}

/* Gives pages back: they read as zeros. By hand where the program locked its memory. */
static void clear(void *p, uint64_t bytes)
{
    if (sys_failed(sys_call(SYS_madvise, p, bytes, MADV_DONTNEED)))
        memset(p, 0, bytes);
}

static struct rec_places *make_places(struct rec_table *t, unsigned bits)
{
    if (bits > REC_TABLE_BITS_MAX)
        return NULL;
    struct rec_places *p = &t->sizes[bits];
    *p = (struct rec_places){
        .entries = p->entries, .shift = 64 - bits, .mask = (UINT64_C(1) << bits) - 1};
    /* One that is there already is the parent's, in a forked child, or of an earlier start. */
    if (p->entries)
        clear(p->entries, bytes_of(t, p));
    else
        p->entries = sys_memory(bytes_of(t, p));
    /* In small pages: a hook that waits for a huge one to be found and cleared waits 4 ms. */
    return p->entries ? p : NULL;
}

static void count_bytes(struct rec_table *t)
{
    uint64_t next = t->next ? t->ready_bytes : 0;
    uint64_t former = t->former ? bytes_of(t, t->former) - t->given_bytes : 0;
    atomic_store_explicit(&t->bytes, bytes_of(t, rec_table_places(t)) + next + former,
                          memory_order_relaxed);
}

bool rec_table_init(struct rec_table *t)
{
    t->next = t->former = NULL;
    t->used = 0;
    struct rec_places *p = make_places(t, REC_TABLE_BITS_MIN);
    atomic_store_explicit(&t->current, p, memory_order_release);
    count_bytes(t);
    return p != NULL;
}

void rec_table_forget(struct rec_table *t)
{
    if (t->former)
        clear(t->former->entries, bytes_of(t, t->former));
    const struct rec_places *p = rec_table_places(t);
    clear(p->entries, bytes_of(t, p));
    t->next = t->former = NULL;
    t->used = 0;
    count_bytes(t);
}

static void give_back(struct rec_table *t)
{
    uint64_t bytes = bytes_of(t, t->former), some = bytes - t->given_bytes;
    if (some > GIVEN_AT_ONCE)
        some = GIVEN_AT_ONCE;
    clear((char *)t->former->entries + t->given_bytes, some);
    t->given_bytes += some;
    if (t->given_bytes == bytes)
        t->former = NULL;
    count_bytes(t);
}

static bool begin_next(struct rec_table *t, unsigned bits)
{
    t->next = make_places(t, bits);
    t->ready_bytes = t->copied = t->next_used = 0;
    return t->next != NULL;
}

static void copy_some(struct rec_table *t, uint64_t places)
{
    struct rec_places *now = rec_table_places(t);
    uint64_t left = now->mask + 1 - t->copied;
    if (places > left)
        places = left;
    t->next_used += t->copy(now, t->copied, places, t->next);
    t->copied += places;
    if (t->copied <= now->mask)
        return;
    if (t->former) /* not where entries are added a few at a time */
        clear(t->former->entries, bytes_of(t, t->former));
    t->former = now;
    t->given_bytes = 0;
    t->used = t->next_used;
    atomic_store_explicit(&t->current, t->next, memory_order_release);
    t->next = NULL;
    count_bytes(t);
}

static void make_ready(struct rec_table *t, uint64_t more)
{
    uint64_t some = bytes_of(t, t->next) - t->ready_bytes;
    uint64_t pieces = (more + ENTRIES_A_PIECE - 1) / ENTRIES_A_PIECE;
    if (some > pieces * READY_AT_ONCE)
        some = pieces * READY_AT_ONCE;
    sys_populate((char *)t->next->entries + t->ready_bytes, some);
    t->ready_bytes += some;
    count_bytes(t);
}

static bool fits(const struct rec_table *t, uint64_t used)
{
    return used * 8 <= 5 * (rec_table_places(t)->mask + 1);
}

/* Not a little at a time: for many entries at once. */
static bool make_room(struct rec_table *t, uint64_t more)
{
    while (!fits(t, t->used + more)) {
        unsigned bits = bits_of(rec_table_places(t)) + 1;
        while ((t->used + more) * 8 > 5ull << bits)
            bits++;
        if (t->next && bits_of(t->next) < bits)
            t->next = NULL;
        if (!t->next && !begin_next(t, bits))
            return false;
        copy_some(t, UINT64_MAX);
    }
    return true;
}

bool rec_table_room(struct rec_table *t, uint64_t more)
{
    const struct rec_places *now = rec_table_places(t);
    if (__builtin_expect(t->former != NULL, 0))
        give_back(t);
    else if (__builtin_expect(t->next != NULL, 0) && t->ready_bytes < bytes_of(t, t->next))
        make_ready(t, more);
    else if (t->next)
        copy_some(t, COPIED_AT_ONCE * more);
    else if (__builtin_expect((t->used + more) * 16 > 9 * (now->mask + 1), 0))
        begin_next(t, bits_of(now) + 1); /* without memory now, there may be later */
    return make_room(t, more);
}
