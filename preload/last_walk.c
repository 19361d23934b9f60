/* SPDX-License-Identifier: MIT */
#include "last_walk.h"

#include "modules.h"
#include "stacks.h"

_Atomic uint64_t rec_last_walk_bytes;

/* A word that is never found the same. */
static const uintptr_t changing = 0;
#define ALWAYS_DIFFERS ((struct step_word){(uintptr_t)&changing, 1})

/* A handler that never returns may leave this function anywhere: what is remembered is sound at
 * each moment. */
static inline void set_count(struct rec_last_walk *last, uint32_t count)
{
    __asm__ volatile("" ::: "memory");
    last->count = count;
    __asm__ volatile("" ::: "memory");
}

/* What remember() builds up, from the outermost frame to the youngest. */
struct remembering {
    struct step_word *w;
    uintptr_t reach;
    bool live;
};

/* The words of a step are kept last read first: they are compared from the end. Saved rbp is left
 * out where nobody looks at it before it is loaded anew. A word below its own frame may be read in
 * a walk that started further down, but not in every one.
 *
 * Which frames save rbp is hard to foresee for the processor, so nothing here branches on it. */
static inline void keep_narrow(struct remembering *r, const struct rec_new_frame *f,
                               uintptr_t caller_pc, uintptr_t caller_sp, uintptr_t caller_fp)
{
    uint64_t slot = rec_rules_slot(f->rule);
    uintptr_t address = caller_sp - 8 * (slot + 1);
    bool saved = slot != 0;
    r->w[0] = (struct step_word){address, caller_fp};
    r->w += saved & r->live;
    *r->w++ = (struct step_word){caller_sp - 8, caller_pc};
    r->live = (f->rule & RULE_BASE_FP) != 0 || (r->live & !saved);
    if (__builtin_expect(address < f->sp, 0) && saved) {
        *r->w++ = ALWAYS_DIFFERS;
        r->live = true;
    }
}

static __attribute__((noinline)) struct remembering
keep_wide(struct remembering r, const struct rec_new_frame *f, const struct step_notes *notes)
{
    bool unsure = notes->unsure;
    for (unsigned i = notes->count; i-- > 0;) {
        unsure |= notes->words[i].address < f->sp;
        if (i + 1 != notes->fp_word || r.live)
            *r.w++ = notes->words[i];
        if (notes->words[i].address + 8 > r.reach)
            r.reach = notes->words[i].address + 8;
    }
    if (unsure)
        *r.w++ = ALWAYS_DIFFERS;
    r.live = notes->uses_fp || unsure || (r.live && !notes->replaces_fp);
    return r;
}

static __attribute__((noinline, cold)) void deepen(struct rec_last_walk *last, uint32_t frames)
{
    uint64_t frame_bytes =
        sizeof *last->frames + sizeof *last->fresh + sizeof last->words / LAST_WALK_FRAMES;
    atomic_fetch_add_explicit(&rec_last_walk_bytes, (frames - last->deepest) * frame_bytes,
                              memory_order_relaxed);
    last->deepest = frames;
}

/* Puts the new frames from `f` on, the oldest, on the first `n` remembered ones; the last step
 * arrived at `pc`, `sp` and `fp`. Returns the youngest, or NULL if there is no room to remember
 * them.
 */
static inline const struct rec_last_frame *remember(struct rec_last_walk *last, uint32_t n,
                                                    const struct rec_new_frame *f, uintptr_t pc,
                                                    uintptr_t sp, uintptr_t fp)
{
    const struct rec_new_frame *end = last->fresh + LAST_WALK_FRAMES;
    const struct rec_last_frame *joined = &last->frames[n];
    struct remembering r = {last->words + joined->words, last->reach, joined->fp_live};
    uint64_t hash = joined->hash;
    uint16_t guessed = joined->guessed;
    if (n == 0) {
        hash = rec_stacks_root(last->generation, last->ends_early);
        r.reach = 0;
    }
    /* Of a narrow step no word lies above the caller's stack pointer; a wide one's are looked at.
     */
    if (sp > r.reach)
        r.reach = sp;
    set_count(last, n);
    const struct step_word *words_end = last->words + sizeof last->words / sizeof *last->words;
    uint32_t count = n + (uint32_t)(end - f);
    if (count > LAST_WALK_FRAMES || words_end - r.w < (STEP_WORDS + 1) * (end - f))
        return NULL;
    struct rec_last_frame *to = &last->frames[n];
    do {
        uint64_t value = f->value;
        hash = rec_stacks_mix(hash, value);
        to++;
        to->value = value;
        to->sp = f->sp;
        to->fp = f->fp;
        to->hash = hash;
        if (__builtin_expect(f->rule & RULE_WIDE, 0))
            r = keep_wide(r, f, &last->notes[f->notes]);
        else
            keep_narrow(&r, f, pc, sp, fp);
        if (__builtin_expect(value >> 48 != 0, 0))
            guessed++;
        to->words = (uint16_t)(r.w - last->words);
        to->guessed = guessed;
        to->fp_live = r.live;
        pc = rec_stacks_pc(value);
        sp = f->sp;
        fp = f->fp;
    } while (++f < end);
    last->reach = r.reach;
    set_count(last, count);
    if (__builtin_expect(count > last->deepest, 0))
        deepen(last, count);
    return to;
}

/* Notes the step from the last frame, which did not get on: it found the outermost frame's mark, a
 * return address of 0, or was cut. A walk that was cut may get further the next time. */
static __attribute__((noinline)) void note_end(struct rec_last_walk *last, struct rec_new_frame *f)
{
    struct step_notes *notes = &last->notes[f->rule & RULE_WIDE ? f->notes : LAST_WALK_NOTES - 1];
    if (last->ends_early) {
        *notes = (struct step_notes){.unsure = true};
    } else if (!(f->rule & RULE_WIDE)) {
        uintptr_t base = f->rule & RULE_BASE_FP ? f->fp : f->sp;
        uintptr_t cfa = base + (f->rule & RULE_CFA_MASK);
        uint64_t slot = rec_rules_slot(f->rule);
        *notes = (struct step_notes){
            .count = slot ? 2 : 1,
            .fp_word = 2, /* of no frame: never compared, its value need not be known */
            .uses_fp = f->rule & RULE_BASE_FP,
            .words = {{cfa - 8, 0}, {cfa - 8 * (slot + 1), 0}},
        };
    }
    f->rule |= RULE_WIDE;
    f->notes = (uint16_t)(notes - last->notes);
}

/* Of a stack that is deeper than those that are kept. */
static __attribute__((noinline)) uint64_t hash_of_youngest(struct rec_last_walk *last)
{
    const struct rec_last_frame *leaf = &last->frames[last->leaf];
    const struct rec_last_frame *f = leaf - SEEP_FRAME_LIMIT;
    last->guessed = leaf->guessed - f->guessed;
    last->cut = true;
    uint64_t hash = rec_stacks_root(last->generation, true);
    while (f < leaf)
        hash = rec_stacks_mix(hash, (++f)->value);
    return rec_stacks_hash_of(hash);
}

/* A rule that the thread does not know. It keeps none that the table does not: there may be another
 * one for that pc at any time. */
static __attribute__((noinline)) uint64_t learn_rule(struct rec_last_walk *last, uintptr_t pc)
{
    uint64_t word = rec_rules_known(pc);
    if (__builtin_expect(word == 0, 0))
        return rec_rules_miss(pc);
    if (last->keeps_rules)
        last->rules[rec_rules_hash(pc, 64 - LAST_WALK_RULE_BITS)] = word;
    return word;
}

static __attribute__((noinline, cold)) void start_generation(struct rec_last_walk *last,
                                                             uint32_t generation)
{
    /* First, for a handler that leaves for good */
    for (unsigned i = 0; last->keeps_rules && i < 1u << LAST_WALK_RULE_BITS; i++)
        last->rules[i] = 0;
    __asm__ volatile("" ::: "memory");
    last->generation = generation;
}

/* A walk on its way. */
struct walking {
    struct step_cursor at;
    struct step_stack stack;
};

/* Any step, where the common one, which is written out below, does not do. */
static __attribute__((noinline)) enum step step_otherwise(struct walking *w, uint64_t rule,
                                                          struct step_notes *notes)
{
    return step(&w->at, rule, &w->stack, notes);
}

uint64_t rec_last_walk(struct rec_last_walk *last, const struct rec_context *at,
                       struct rec_stack_bounds *bounds)
{
    /* The cursor, each part in a register: through memory a step takes twice as long. */
    uint64_t value = at->pc;
    uintptr_t sp = at->sp, fp = at->fp;
    const uintptr_t low = sp;
    uintptr_t high = step_stack_around(sp, bounds).high;
    uint32_t generation = rec_modules_generation();
    if (__builtin_expect(last->generation != generation || last->reach > high, 0)) {
        set_count(last, 0);
        if (last->generation != generation)
            start_generation(last, generation);
    }
    /* The youngest remembered frame that may be joined: as old as the cursor, or older. */
    last->frames[0].sp = UINTPTR_MAX;
    const struct rec_last_frame *known = &last->frames[last->count];
    struct rec_new_frame *f = last->fresh + LAST_WALK_FRAMES;
    uint32_t wide = LAST_WALK_NOTES - 1;
    for (;;) {
        while (known->sp < sp)
            known--;
        if (known->sp == sp && known->value == value && (!known->fp_live || known->fp == fp)) {
            const struct step_word *left = step_words_left(last->words, last->words + known->words);
            if (__builtin_expect(left == last->words, 1))
                break;
            /* Past the frame whose step reads the word that differs. */
            do
                known--;
            while (known->words >= left - last->words);
        }
        if (__builtin_expect(f == last->fresh, 0))
            return 0;
        f--;
        uintptr_t pc = rec_stacks_pc(value);
        uint64_t rule = last->rules[rec_rules_hash(pc, 64 - LAST_WALK_RULE_BITS)];
        if (__builtin_expect(rule >> 16 != pc, 0))
            rule = learn_rule(last, pc);
        f->value = value;
        f->sp = sp;
        f->fp = fp;
        f->rule = (uint16_t)rule;
        /* As step_by_narrow_rule(), where all it reads is known to be the stack's. */
        uint64_t slot = rec_rules_slot(rule);
        uintptr_t cfa = (rule & RULE_BASE_FP ? fp : sp) + (rule & RULE_CFA_MASK);
        uintptr_t lowest = cfa - 8 * (slot + 1);
        if (__builtin_expect(!(rule & RULE_WIDE) && cfa > sp && cfa <= high && lowest >= low, 1)) {
            uintptr_t saved = *(const uintptr_t *)lowest;
            pc = ((const uintptr_t *)cfa)[-1];
            if (__builtin_expect(pc - STEP_PC_MIN < RULE_PC_LIMIT - STEP_PC_MIN, 1)) {
                value = pc;
                sp = cfa;
                fp = slot ? saved : fp;
                continue;
            }
        }
        if (rule & RULE_WIDE) {
            if (wide == 0)
                return 0;
            f->notes = (uint16_t)--wide;
            last->notes[wide] = (struct step_notes){.count = 0};
        }
        struct walking w = {
            {.pc = rec_stacks_pc(value), .sp = sp, .fp = fp},
            {.low = low, .high = high, .bounds = bounds},
        };
        enum step result = step_otherwise(&w, rule, &last->notes[wide]);
        high = w.stack.high;
        if (result != STEP_CALLER) {
            set_count(last, 0);
            last->ends_early = result == STEP_CUT;
            note_end(last, f);
            known = last->frames;
            break;
        }
        if (__builtin_expect(w.at.flags & REC_FRAME_EXACT, 0))
            return 0;
        value = rec_stacks_frame(w.at.pc, w.at.flags);
        sp = w.at.sp;
        fp = w.at.fp;
    }
    if (f < last->fresh + LAST_WALK_FRAMES)
        known = remember(last, (uint32_t)(known - last->frames), f, rec_stacks_pc(value), sp, fp);
    if (__builtin_expect(known == NULL, 0))
        return 0;
    last->leaf = (uint32_t)(known - last->frames);
    if (__builtin_expect(last->leaf > SEEP_FRAME_LIMIT, 0))
        return hash_of_youngest(last);
    last->guessed = known->guessed;
    last->cut = last->ends_early;
    return rec_stacks_hash_of(known->hash);
}
