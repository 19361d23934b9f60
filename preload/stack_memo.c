/* SPDX-License-Identifier: MIT */
#include "stack_memo.h"

#include "modules.h"

#define TRUSTED 2 /* from here on an entry holds words */
#define TRUST_MAX 6
#define TRUST_MIN (-8)

static struct rec_stack_memo_entry *entry_of(struct rec_stack_memo *memo,
                                             const struct rec_context *at)
{
    uint64_t hash = (at->pc ^ at->sp << 7) * 0x9e3779b97f4a7c15ull;
    return &memo->entries[hash >> 59 & (STACK_MEMO_ENTRIES - 1)];
}

const struct rec_stack_memo_entry *rec_stack_memo_find(struct rec_stack_memo *memo,
                                                       const struct rec_context *at,
                                                       struct rec_stack_bounds *bounds)
{
    struct rec_stack_memo_entry *e = entry_of(memo, at);
    if (e->trust < TRUSTED || e->pc != at->pc || e->sp != at->sp ||
        e->generation != rec_modules_generation() || (e->fp_live && e->fp != at->fp) ||
        e->reach > step_stack_around(at->sp, bounds).high)
        return NULL;
    if (step_words_left(e->word, e->word + e->words) != e->word) {
        e->trust -= 2;
        return NULL;
    }
    if (e->trust < TRUST_MAX)
        e->trust++;
    return e;
}

void rec_stack_memo_learn(struct rec_stack_memo *memo, const struct rec_context *at,
                          const struct rec_last_walk *last, uint64_t hash, uint32_t id)
{
    struct rec_stack_memo_entry *e = entry_of(memo, at);
    bool same_place = e->pc == at->pc && e->sp == at->sp;
    if (!same_place || e->hash != hash) {
        /* Remembered is what comes for the third time in a row; where that is rare, later. */
        int trust = same_place && e->trust <= 0 ? e->trust - 1 : 0;
        e->trust = TRUST_MIN; /* a handler that leaves for good finds nothing half written */
        __asm__ volatile("" ::: "memory");
        e->pc = at->pc;
        e->sp = at->sp;
        e->hash = hash;
        __asm__ volatile("" ::: "memory");
        e->trust = (int8_t)(trust < TRUST_MIN ? TRUST_MIN : trust);
        return;
    }
    if (e->trust + 1 < TRUSTED) {
        e->trust++;
        return;
    }
    const struct rec_last_frame *leaf = &last->frames[last->leaf];
    if (e->trust >= TRUSTED || leaf->words > STACK_MEMO_WORDS)
        return;
    if (e->generation == 0) /* never used */
        atomic_fetch_add_explicit(&rec_last_walk_bytes, sizeof *e, memory_order_relaxed);
    e->fp = at->fp;
    e->reach = last->reach;
    e->id = id;
    e->generation = last->generation;
    e->guessed = leaf->guessed;
    e->cut = last->cut;
    e->fp_live = leaf->fp_live;
    e->words = leaf->words;
    for (unsigned i = 0; i < leaf->words; i++)
        e->word[i] = last->words[i];
    __asm__ volatile("" ::: "memory");
    e->trust = TRUSTED;
}
