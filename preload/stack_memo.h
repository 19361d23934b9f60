/* SPDX-License-Identifier: MIT
 *
 * Whole stacks that a thread came from often: for a place (pc and stack pointer of a hook's caller)
 * the words that the walk from there read the last time, and the id of the stack it found. If all
 * of them are as they were, so is the stack, by the rules of last_walk.h; nothing is walked or
 * looked up.
 *
 * Programs differ in how often that holds (of four measured: 98, 84, 21 and 10 of 100 allocations),
 * and to remember what is never asked for again costs more than walking. So a place is remembered
 * only when it has had the same stack several times in a row, and the longer it has not, the more
 * often. */
#ifndef REC_STACK_MEMO_H
#define REC_STACK_MEMO_H

#include "last_walk.h"

#define STACK_MEMO_ENTRIES 32 /* a power of two */
#define STACK_MEMO_WORDS 120

struct rec_stack_memo_entry {
    uintptr_t pc, sp, fp, reach;
    uint64_t hash;
    uint32_t id;
    uint32_t generation;
    uint32_t guessed;
    uint16_t words;
    int8_t trust;
    bool fp_live, cut;
    struct step_word word[STACK_MEMO_WORDS];
};

/* All zeros: nothing is remembered. */
struct rec_stack_memo {
    struct rec_stack_memo_entry entries[STACK_MEMO_ENTRIES];
};

/* The entry that tells the stack at `at`: its id, cut and guessed. NULL: not known. `bounds` as for
 * rec_unwind(). */
const struct rec_stack_memo_entry *rec_stack_memo_find(struct rec_stack_memo *memo,
                                                       const struct rec_context *at,
                                                       struct rec_stack_bounds *bounds);

/* Takes note of what rec_last_walk() just found at `at`. */
void rec_stack_memo_learn(struct rec_stack_memo *memo, const struct rec_context *at,
                          const struct rec_last_walk *last, uint64_t hash, uint32_t id);

#endif
