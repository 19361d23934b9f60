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

static inline void keep_word(struct remembering *r, uintptr_t address, uintptr_t value)
{
    *r->w++ = (struct step_word){address, value};
}

/* The words of a step are kept last read first: they are compared from the end. Saved rbp is left
 * out where nobody looks at it before it is loaded anew. A word below its own frame may be read in
 * a walk that started further down, but not in every one. */
static inline void keep_narrow(struct remembering *r, const struct rec_new_frame *f,
                               const struct step_cursor *caller)
{
    uint64_t slot = rec_rules_slot(f->rule);
    bool unsure = false;
    if (slot) {
        uintptr_t address = caller->sp - 8 * (slot + 1);
        unsure = address < f->at.sp;
        if (r->live)
            keep_word(r, address, caller->fp);
    }
    keep_word(r, caller->sp - 8, caller->pc);
    if (__builtin_expect(unsure, 0))
        *r->w++ = ALWAYS_DIFFERS;
    r->live = f->rule & RULE_BASE_FP || unsure || (r->live && !slot);
}

static __attribute__((noinline)) void
keep_wide(struct remembering *r, const struct rec_new_frame *f, const struct step_notes *notes)
{
    bool unsure = notes->unsure;
    for (unsigned i = notes->count; i-- > 0;) {
        unsure |= notes->words[i].address < f->at.sp;
        if (i + 1 != notes->fp_word || r->live)
            keep_word(r, notes->words[i].address, notes->words[i].value);
        if (notes->words[i].address + 8 > r->reach)
            r->reach = notes->words[i].address + 8;
    }
    if (unsure)
        *r->w++ = ALWAYS_DIFFERS;
    r->live = notes->uses_fp || unsure || (r->live && !notes->replaces_fp);
}

static __attribute__((noinline, cold)) void deepen(struct rec_last_walk *last, uint32_t frames)
{
    uint64_t frame_bytes =
        sizeof *last->frames + sizeof *last->fresh + sizeof last->words / LAST_WALK_FRAMES;
    atomic_fetch_add_explicit(&rec_last_walk_bytes, (frames - last->deepest) * frame_bytes,
                              memory_order_relaxed);
    last->deepest = frames;
}

/* Puts `fresh` new frames on the first `n` remembered ones; `c` is where the last step arrived.
 * Returns the youngest, or NULL if there is no room to remember them. */
static inline const struct rec_last_frame *remember(struct rec_last_walk *last, uint32_t n,
                                                    uint32_t fresh, const struct step_cursor *c)
{
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
    if (c->sp > r.reach)
        r.reach = c->sp;
    set_count(last, n);
    const struct step_word *end = last->words + sizeof last->words / sizeof *last->words;
    if (n + fresh > LAST_WALK_FRAMES || end - r.w < (STEP_WORDS + 1) * (ptrdiff_t)fresh)
        return NULL;
    struct rec_last_frame *to = &last->frames[n];
    for (const struct rec_new_frame *f = &last->fresh[fresh]; f-- > last->fresh; c = &f->at) {
        if (__builtin_expect(f->rule & RULE_WIDE, 0))
            keep_wide(&r, f, &last->notes[f->notes]);
        else
            keep_narrow(&r, f, c);
        if (__builtin_expect(f->at.flags == REC_FRAME_GUESSED, 0))
            guessed++;
        uint64_t value = rec_stacks_frame(f->at.pc, f->at.flags);
        hash = rec_stacks_mix(hash, value);
        to++;
        to->value = value;
        to->sp = f->at.sp;
        to->fp = f->at.fp;
        to->hash = hash;
        to->words = (uint16_t)(r.w - last->words);
        to->guessed = guessed;
        to->fp_live = r.live;
    }
    last->reach = r.reach;
    set_count(last, n + fresh);
    if (__builtin_expect(n + fresh > last->deepest, 0))
        deepen(last, n + fresh);
    return to;
}

/* Notes the step from the last frame, which did not get on: it found the outermost frame's mark, a
 * return address of 0, or was cut. A walk that was cut may get further the next time. */
static __attribute__((noinline)) void note_end(struct rec_last_walk *last, struct rec_new_frame *f)
{
    struct step_notes *notes = &last->notes[f->rule & RULE_WIDE ? f->notes : 0];
    if (last->ends_early) {
        *notes = (struct step_notes){.unsure = true};
    } else if (!(f->rule & RULE_WIDE)) {
        uintptr_t base = f->rule & RULE_BASE_FP ? f->at.fp : f->at.sp;
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

uint64_t rec_last_walk(struct rec_last_walk *last, const struct rec_context *at,
                       struct rec_stack_bounds *bounds)
{
    struct step_cursor c = {.pc = at->pc, .sp = at->sp, .fp = at->fp};
    struct step_stack s = step_stack_around(at->sp, bounds);
    uint32_t generation = rec_modules_generation();
    if (__builtin_expect(last->generation != generation || last->reach > s.high, 0)) {
        set_count(last, 0);
        last->generation = generation;
    }
    /* The youngest remembered frame that may be joined: as old as c, or older. */
    last->frames[0].sp = UINTPTR_MAX;
    const struct rec_last_frame *known = &last->frames[last->count];
    uint32_t fresh = 0, wide = 1;
    for (;;) {
        while (known->sp < c.sp)
            known--;
        if (known->sp == c.sp && known->value == rec_stacks_frame(c.pc, c.flags) &&
            (!known->fp_live || known->fp == c.fp)) {
            const struct step_word *left = step_words_left(last->words, last->words + known->words);
            if (__builtin_expect(left == last->words, 1))
                break;
            /* Past the frame whose step reads the word that differs. */
            do
                known--;
            while (known->words >= left - last->words);
        }
        if (__builtin_expect(fresh == LAST_WALK_FRAMES, 0))
            return 0;
        struct rec_new_frame *f = &last->fresh[fresh++];
        uint64_t rule = rec_rules_find(c.pc);
        f->at = c;
        f->rule = (uint16_t)rule;
        if (__builtin_expect(rule & RULE_WIDE, 0)) {
            if (wide == LAST_WALK_NOTES)
                return 0;
            last->notes[wide] = (struct step_notes){.count = 0};
            f->notes = (uint16_t)wide++;
        }
        enum step result = step(&c, rule, &s, &last->notes[f->notes]);
        if (__builtin_expect(result != STEP_CALLER, 0)) {
            set_count(last, 0);
            last->ends_early = result == STEP_CUT;
            note_end(last, f);
            known = last->frames;
            break;
        }
        if (__builtin_expect(c.flags & REC_FRAME_EXACT, 0))
            return 0;
    }
    if (fresh)
        known = remember(last, (uint32_t)(known - last->frames), fresh, &c);
    if (__builtin_expect(known == NULL, 0))
        return 0;
    last->leaf = (uint32_t)(known - last->frames);
    if (__builtin_expect(last->leaf > SEEP_FRAME_LIMIT, 0))
        return hash_of_youngest(last);
    last->guessed = known->guessed;
    last->cut = last->ends_early;
    return rec_stacks_hash_of(known->hash);
}
