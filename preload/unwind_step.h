/* SPDX-License-Identifier: MIT
 *
 * One step of a walk: from a frame to its caller's. It is a pure function of the cursor, the rule
 * for its pc, and the words of the stack that it reads. These it notes where it is asked to, so
 * that a later walk may compare them instead of stepping; and where more than that went into it,
 * such as how far the stack is known to reach, it says so: see `unsure` and last_walk.h. */
#ifndef REC_UNWIND_STEP_H
#define REC_UNWIND_STEP_H

#include "rules.h"
#include "seep/trace_format.h"
#include "stack_bounds.h"
#include "unwind.h"

#include <stddef.h>

#define STEP_PC_MIN 4096u /* nothing is mapped below */
#define STEP_WORDS 3      /* at most; what one step reads */

struct step_cursor {
    uintptr_t pc, sp, fp;
    uint8_t flags; /* of the frame at pc: enum rec_frame_flag */
};

/* The stack that is read: from the youngest frame on it up. */
struct step_stack {
    uintptr_t low;
    uintptr_t high; /* bounds->high, kept in a register */
    struct rec_stack_bounds *bounds;
};

struct step_word {
    uintptr_t address, value;
};

struct step_notes {
    uint8_t count;
    uint8_t fp_word;                    /* index of the word that became rbp, or STEP_WORDS */
    bool uses_fp;                       /* where something lies was counted from rbp */
    bool replaces_fp;                   /* the caller's rbp is another one */
    bool unsure;                        /* the outcome rests on more than the words */
    struct step_word words[STEP_WORDS]; /* in the order they were read */
};

static inline uintptr_t step_word_changed(const struct step_word *w)
{
    return *(const uintptr_t *)w->address ^ w->value;
}

/* Compares the words [words, end) that earlier steps read, from the end. Returns the end of those
 * that are left when one differs: it is the last of them; `words` if none does. Reads up to three
 * words ahead: all of them lie within the bounds of the stack. */
static inline const struct step_word *step_words_left(const struct step_word *words,
                                                      const struct step_word *end)
{
    while (end - words >= 4 && (step_word_changed(end - 1) | step_word_changed(end - 2) |
                                step_word_changed(end - 3) | step_word_changed(end - 4)) == 0)
        end -= 4;
    while (end > words && step_word_changed(end - 1) == 0)
        end--;
    return end;
}

enum step { STEP_CALLER, STEP_OUTERMOST, STEP_CUT };

static inline bool step_read(struct step_stack *s, uintptr_t address, uintptr_t *out,
                             struct step_notes *notes)
{
    if (__builtin_expect(address < s->low, 0))
        return false;
    if (__builtin_expect(address + 8 > s->high, 0)) {
        if (!rec_stack_bounds_reach(s->bounds, address))
            return false;
        s->high = s->bounds->high;
    }
    /* NOLINTNEXTLINE(clang-analyzer-unix.cstring.NullArg): not below s->low, a stack's */
    __builtin_memcpy(out, (const void *)address, sizeof *out);
    if (notes)
        notes->words[notes->count++] = (struct step_word){address, *out};
    return true;
}

static inline enum step step_arrive(struct step_cursor *c, uintptr_t pc, uintptr_t sp, uintptr_t fp,
                                    uint8_t flags)
{
    if (__builtin_expect(pc == 0, 0))
        return STEP_OUTERMOST; /* as the ABI marks the outermost frame */
    if (__builtin_expect(pc - STEP_PC_MIN >= RULE_PC_LIMIT - STEP_PC_MIN, 0))
        return STEP_CUT;
    c->pc = pc;
    c->sp = sp;
    c->fp = fp;
    c->flags = flags;
    return STEP_CALLER;
}

/* The step by a rule of the side table; `notes` may be NULL. */
enum step rec_step_by_wide_rule(struct step_cursor *c, uint64_t rule, struct step_stack *s,
                                struct step_notes *notes);

/* The step by any other rule. It reads the return address below the caller's stack pointer, and
 * rbp, if the rule has a slot for it, as many words below that: from the two cursors whoever asks
 * can tell what was read. */
static inline enum step step_by_narrow_rule(struct step_cursor *c, uint64_t rule,
                                            struct step_stack *s)
{
    uintptr_t cfa = (rule & RULE_BASE_FP ? c->fp : c->sp) + (rule & RULE_CFA_MASK);
    uintptr_t pc, fp = c->fp;
    if (__builtin_expect(cfa <= c->sp, 0) || !step_read(s, cfa - 8, &pc, NULL))
        return STEP_CUT;
    uint64_t slot = rec_rules_slot(rule);
    if (slot && !step_read(s, cfa - 8 * (slot + 1), &fp, NULL))
        return STEP_CUT;
    return step_arrive(c, pc, cfa, fp, 0);
}

/* From a frame to its caller's. `notes`, which may be NULL, are taken by a wide rule only. */
static inline enum step step(struct step_cursor *c, uint64_t rule, struct step_stack *s,
                             struct step_notes *notes)
{
    if (__builtin_expect(rule & RULE_WIDE, 0)) {
        /* Through copies: what has its address taken is not kept in registers. */
        struct step_cursor cursor = *c;
        struct step_stack stack = *s;
        enum step result = rec_step_by_wide_rule(&cursor, rule, &stack, notes);
        *c = cursor;
        *s = stack;
        return result;
    }
    return step_by_narrow_rule(c, rule, s);
}

/* The stack around `sp`, for which `bounds` may not hold yet. */
static inline struct step_stack step_stack_around(uintptr_t sp, struct rec_stack_bounds *bounds)
{
    if (__builtin_expect(sp < bounds->low || sp > bounds->high, 0))
        rec_stack_bounds_enter(bounds, sp);
    return (struct step_stack){.low = sp, .high = bounds->high, .bounds = bounds};
}

#endif
