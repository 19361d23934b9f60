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
#include "modules.h"

#define STACK_MEMO_ENTRIES 16 /* a power of two */
#define STACK_MEMO_WORDS 120
#define STACK_MEMO_STEP 4  /* words that are compared in one turn */
#define STACK_MEMO_TRUST 2 /* from here on an entry holds words */
#define STACK_MEMO_TRUST_MAX 6

struct rec_stack_memo_entry {
    uintptr_t pc, sp, fp, reach;
    uint64_t hash;
    uint32_t id;
    uint32_t generation;
    uint32_t guessed;
    uint16_t words; /* a multiple of STACK_MEMO_STEP: the first one fills up */
    int8_t trust;
    bool fp_live, cut;
    uint16_t place[STACK_MEMO_WORDS]; /* words above sp */
    uint64_t value[STACK_MEMO_WORDS];
};

/* All zeros: nothing is remembered. */
struct rec_stack_memo {
    struct rec_stack_memo_entry entries[STACK_MEMO_ENTRIES];
};

static inline struct rec_stack_memo_entry *stack_memo_entry(struct rec_stack_memo *memo,
                                                            const struct rec_context *at)
{
    uint64_t hash = (at->pc ^ at->sp << 7) * 0x9e3779b97f4a7c15ull;
    return &memo->entries[hash >> 60 & (STACK_MEMO_ENTRIES - 1)];
}

/* Whether the words are as they were. All of them lie between sp and reach, so that they may be
 * read in any order. */
static inline bool stack_memo_same_words(const struct rec_stack_memo_entry *e)
{
    const uint64_t *sp = (const uint64_t *)e->sp, *value = e->value;
    const uint16_t *place = e->place, *end = place + e->words;
    for (; place < end; place += STACK_MEMO_STEP, value += STACK_MEMO_STEP)
        if (sp[place[0]] != value[0] || sp[place[1]] != value[1] || sp[place[2]] != value[2] ||
            sp[place[3]] != value[3])
            return false;
    return true;
}

/* The entry that tells the stack at `at`: its id, cut and guessed. NULL: not known. `bounds` as for
 * rec_unwind(). */
static inline const struct rec_stack_memo_entry *
rec_stack_memo_find(struct rec_stack_memo *memo, const struct rec_context *at,
                    struct rec_stack_bounds *bounds)
{
    struct rec_stack_memo_entry *e = stack_memo_entry(memo, at);
    if (e->pc != at->pc || e->sp != at->sp || e->trust < STACK_MEMO_TRUST ||
        e->generation != rec_modules_generation() || (e->fp_live && e->fp != at->fp) ||
        e->reach > step_stack_around(at->sp, bounds).high)
        return NULL;
    if (!stack_memo_same_words(e)) {
        e->trust -= 2;
        return NULL;
    }
    if (e->trust < STACK_MEMO_TRUST_MAX)
        e->trust++;
    return e;
}

/* Takes note of what rec_last_walk() just found at `at`. */
void rec_stack_memo_learn(struct rec_stack_memo *memo, const struct rec_context *at,
                          const struct rec_last_walk *last, uint64_t hash, uint32_t id);

#endif
