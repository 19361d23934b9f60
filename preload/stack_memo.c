/* SPDX-License-Identifier: MIT */
#include "stack_memo.h"

_Static_assert(STACK_MEMO_WORDS % STACK_MEMO_LANES == 0 && STACK_MEMO_WORDS <= UINT8_MAX,
               "struct rec_stack_memo_entry counts them in one byte");

/* Fills in the words. False: they do not fit, or one is none of the stack's. */
static bool keep_words(struct rec_stack_memo_entry *e, struct rec_stack_memo_words *to,
                       const struct step_word *words, unsigned count)
{
    if (count > STACK_MEMO_WORDS)
        return false;
    unsigned kept = (count + STACK_MEMO_LANES - 1) / STACK_MEMO_LANES * STACK_MEMO_LANES;
    for (unsigned i = 0; i < kept; i++) {
        uintptr_t above = words[i < count ? i : 0].address - e->sp;
        if (above % 8 != 0 || above / 8 > UINT16_MAX)
            return false;
        to->place[i] = (uint16_t)(above / 8);
    }
    e->words = (uint8_t)kept;
    e->words_hash = stack_memo_hash_words(e->sp, to->place, kept);
    return true;
}

/* A handler that leaves for good finds no entry known that is half written. */
static inline void set_state(struct rec_stack_memo_entry *e, enum stack_memo_state state)
{
    __asm__ volatile("" ::: "memory");
    e->state = state;
    __asm__ volatile("" ::: "memory");
}

void rec_stack_memo_learn(struct rec_stack_memo *memo, const struct rec_context *at,
                          const struct rec_last_walk *last, uint64_t hash, uint32_t id)
{
    unsigned place = stack_memo_place(at);
    struct rec_stack_memo_entry *e = &memo->entries[place];
    if (e->pc != at->pc || e->sp != at->sp || e->hash != hash) {
        set_state(e, STACK_MEMO_MET);
        e->pc = at->pc;
        e->sp = at->sp;
        e->hash = hash;
        return;
    }
    if (e->state == STACK_MEMO_UNFIT)
        return;
    set_state(e, STACK_MEMO_MET);
    const struct rec_last_frame *leaf = &last->frames[last->leaf];
    if (!keep_words(e, &memo->words[place], last->words, leaf->words)) {
        set_state(e, STACK_MEMO_UNFIT);
        return;
    }
    if (e->generation == 0) /* never used */
        atomic_fetch_add_explicit(&rec_last_walk_bytes, sizeof *e + sizeof *memo->words,
                                  memory_order_relaxed);
    e->fp = at->fp;
    e->reach = last->reach;
    e->id = id;
    e->generation = last->generation;
    e->guessed = (uint16_t)last->guessed;
    e->cut = last->cut;
    e->fp_live = leaf->fp_live;
    set_state(e, STACK_MEMO_KNOWN);
}
