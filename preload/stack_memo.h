/* SPDX-License-Identifier: MIT
 *
 * Whole stacks that a thread came from lately: for a place (pc and stack pointer of a hook's
 * caller) which words the walk from there read the last time, and the id of the stack it found. If
 * all of them are as they were, so is the stack, by the rules of last_walk.h; nothing is walked or
 * looked up.
 *
 * To remember what is never asked for again costs time, so words are taken only where a place has
 * had the same stack twice in a row. Measured, by share of all allocations: 256 places serve 100 %
 * in perl, 72 % in python, 53 % in clang and 27 % in gcc (16 places: 100, 43, 30 and 14 %; 1024:
 * 100, 77, 68 and 31 %), and two to four in a hundred are compared in vain.
 *
 * Of the words' values a hash is kept rather than the values: they would take five times the
 * memory, and as many cache lines. Each word goes into it by a bijection, so that stacks which
 * differ in one word always differ in it; others, by chance, about once in 2^60 comparisons:
 * stacks.c takes the like for granted of whole stacks. */
#ifndef REC_STACK_MEMO_H
#define REC_STACK_MEMO_H

#include "hidden.h"
#include "last_walk.h"
#include "modules.h"
#include "stacks.h"

#define STACK_MEMO_BITS 8
#define STACK_MEMO_ENTRIES (1u << STACK_MEMO_BITS)
#define STACK_MEMO_WORDS 96

enum stack_memo_state {
    STACK_MEMO_MET,   /* pc, sp and hash hold */
    STACK_MEMO_KNOWN, /* all does */
    STACK_MEMO_UNFIT, /* as MET; but its words cannot be kept */
};

/* One cache line: most events look at one, and often in vain. */
struct rec_stack_memo_entry {
    uintptr_t pc, sp, fp, reach;
    uint64_t hash;       /* of the stack */
    uint64_t words_hash; /* stack_memo_hash_words() */
    uint32_t id;
    uint32_t generation;
    uint16_t guessed;
    uint8_t words;
    uint8_t state; /* enum stack_memo_state */
    bool fp_live, cut;
} __attribute__((aligned(64)));

struct rec_stack_memo_words {
    uint16_t place[STACK_MEMO_WORDS]; /* words above sp */
};

/* All zeros: nothing is remembered. */
struct rec_stack_memo {
    struct rec_stack_memo_entry entries[STACK_MEMO_ENTRIES];
    struct rec_stack_memo_words words[STACK_MEMO_ENTRIES]; /* of each */
};

static inline unsigned stack_memo_place(const struct rec_context *at)
{
    uint64_t hash = (at->pc ^ at->sp << 7) * 0x9e3779b97f4a7c15ull;
    return hash >> (64 - STACK_MEMO_BITS);
}

/* Lets come what rec_stack_memo_find() will look at: the entry, and if `words`, for it is likely to
 * be known, of its words those that most stacks have. Always inline: to gcc a function that only
 * fetches has no effect, and a call of it is left out. */
static inline __attribute__((always_inline)) void
rec_stack_memo_fetch(const struct rec_stack_memo *memo, const struct rec_context *at, bool words)
{
    unsigned place = stack_memo_place(at);
    const char *entry = (const char *)&memo->entries[place];
    const char *to = (const char *)memo->words[place].place;
    /* the entry thrice rather than a branch that is hard to foresee */
    ptrdiff_t apart = (to - entry) & -(ptrdiff_t)words;
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + apart);
    __builtin_prefetch(entry + apart + (64 & -(ptrdiff_t)words));
}

/* Odd numbers without a pattern, one for each word. */
extern const uint64_t rec_stack_memo_keys[STACK_MEMO_WORDS] REC_HIDDEN;

/* All of the words lie between sp and reach, so that they may be read in any order. No product
 * waits for another one. */
static inline uint64_t stack_memo_hash_words(uintptr_t stack_pointer, const uint16_t *place,
                                             unsigned words)
{
    const uint64_t *sp = (const uint64_t *)stack_pointer;
    const uint64_t *key = rec_stack_memo_keys;
    const uint64_t *end = key + words;
    uint64_t a = 0, b = 0;
    for (; end - key >= 4; key += 4, place += 4) {
        a += sp[place[0]] * key[0];
        b += sp[place[1]] * key[1];
        a += sp[place[2]] * key[2];
        b += sp[place[3]] * key[3];
    }
    for (; key < end; key++, place++)
        a += sp[*place] * *key;
    return a + b;
}

/* The entry that tells the stack at `at`: its id, cut and guessed. NULL: not known. `bounds` as for
 * rec_unwind(). */
static inline const struct rec_stack_memo_entry *
rec_stack_memo_find(struct rec_stack_memo *memo, const struct rec_context *at,
                    struct rec_stack_bounds *bounds)
{
    unsigned place = stack_memo_place(at);
    struct rec_stack_memo_entry *e = &memo->entries[place];
    if (e->pc != at->pc || e->sp != at->sp || e->state != STACK_MEMO_KNOWN ||
        e->generation != rec_modules_generation() || (e->fp_live && e->fp != at->fp) ||
        e->reach > step_stack_around(at->sp, bounds).high)
        return NULL;
    if (stack_memo_hash_words(e->sp, memo->words[place].place, e->words) != e->words_hash) {
        e->state = STACK_MEMO_MET;
        return NULL;
    }
    return e;
}

/* Takes note of what rec_last_walk() just found at `at`. */
void rec_stack_memo_learn(struct rec_stack_memo *memo, const struct rec_context *at,
                          const struct rec_last_walk *last, uint64_t hash, uint32_t id);

#endif
