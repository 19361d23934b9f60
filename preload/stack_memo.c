/* SPDX-License-Identifier: MIT */
#include "stack_memo.h"

#define TRUST_MIN (-8)

/* Fills in the words. False: they do not fit, or one is none of the stack's. */
static bool keep_words(struct rec_stack_memo_entry *e, const struct step_word *words,
                       unsigned count)
{
    if (count > STACK_MEMO_WORDS)
        return false;
    unsigned kept = (count + STACK_MEMO_STEP - 1) / STACK_MEMO_STEP * STACK_MEMO_STEP;
    for (unsigned i = 0; i < kept; i++) {
        /* youngest first: what differs is found early */
        const struct step_word *w = &words[i < count ? count - 1 - i : 0];
        uintptr_t above = w->address - e->sp;
        if (above % 8 != 0 || above / 8 > UINT16_MAX)
            return false;
        e->place[i] = (uint16_t)(above / 8);
        e->value[i] = w->value;
    }
    e->words = (uint16_t)kept;
    return true;
}

void rec_stack_memo_learn(struct rec_stack_memo *memo, const struct rec_context *at,
                          const struct rec_last_walk *last, uint64_t hash, uint32_t id)
{
    struct rec_stack_memo_entry *e = stack_memo_entry(memo, at);
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
    if (e->trust + 1 < STACK_MEMO_TRUST) {
        e->trust++;
        return;
    }
    const struct rec_last_frame *leaf = &last->frames[last->leaf];
    if (e->trust >= STACK_MEMO_TRUST)
        return;
    if (!keep_words(e, last->words, leaf->words)) {
        e->trust = TRUST_MIN;
        return;
    }
    if (e->generation == 0) /* never used */
        atomic_fetch_add_explicit(&rec_last_walk_bytes, sizeof *e, memory_order_relaxed);
    e->fp = at->fp;
    e->reach = last->reach;
    e->id = id;
    e->generation = last->generation;
    e->guessed = leaf->guessed;
    e->cut = last->cut;
    e->fp_live = leaf->fp_live;
    __asm__ volatile("" ::: "memory");
    e->trust = STACK_MEMO_TRUST;
}
