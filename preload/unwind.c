/* SPDX-License-Identifier: MIT */
#include "unwind.h"

#include "sys.h"
#include "unwind_step.h"

_Static_assert((int)REC_FRAME_EXACT == (int)SEEP_ROW_EXACT_PC, "flags are those of rows");
_Static_assert((int)REC_FRAME_GUESSED == (int)SEEP_ROW_GUESSED, "flags are those of rows");
_Static_assert(sizeof((struct rec_walk *)0)->flags == SEEP_FRAME_LIMIT, "unwind.h keeps the limit");

#define RED_ZONE_BYTES 128u
#define FP_LOST 1u /* no frame's: unaligned, and outside of any stack */

/* Without unwind data: if the function keeps a frame pointer, rbp points to the caller's, with the
 * return address above it; 0 marks the outermost frame (psABI 3.4.1; the loader's start has it). */
static enum step step_by_guess(struct step_cursor *c, struct step_stack *s)
{
    uintptr_t pc, fp;
    if (c->fp == 0)
        return STEP_OUTERMOST;
    if (c->fp < c->sp || c->fp % 8 != 0 || !step_read(s, c->fp, &fp, NULL) ||
        !step_read(s, c->fp + 8, &pc, NULL))
        return STEP_CUT;
    if (pc >= s->low && pc < s->high)
        return STEP_CUT; /* a pointer into the stack is not code */
    return step_arrive(c, pc, c->fp + 16, fp, REC_FRAME_GUESSED);
}

static bool read_place(struct step_stack *s, const struct step_cursor *c, uintptr_t cfa,
                       uint8_t from, int32_t offset, uintptr_t *out, struct step_notes *notes)
{
    uintptr_t base = from == EH_CFA ? cfa : from == EH_SP ? c->sp : c->fp;
    if (notes && from == EH_FP)
        notes->uses_fp = true;
    return step_read(s, base + (uintptr_t)(intptr_t)offset, out, notes);
}

__attribute__((noinline)) enum step rec_step_by_wide_rule(struct step_cursor *c, uint64_t rule,
                                                          struct step_stack *s,
                                                          struct step_notes *notes)
{
    const struct eh_rule *r = &rec_rules_wide[rule & (RULE_WIDE - 1)];
    if (r->kind == EH_NONE) {
        /* A guess looks at where the stack ends, and code outside any module may be other code by
         * the next walk. */
        if (notes)
            notes->unsure = notes->uses_fp = notes->replaces_fp = true;
        return step_by_guess(c, s);
    }
    if (r->kind == EH_OUTERMOST)
        return STEP_OUTERMOST;
    if (notes)
        notes->uses_fp = r->cfa_base == EH_FP;
    uintptr_t cfa = (r->cfa_base == EH_SP ? c->sp : c->fp) + (uintptr_t)(intptr_t)r->cfa_offset;
    if (r->cfa_deref && !step_read(s, cfa, &cfa, notes))
        return STEP_CUT;
    cfa += (uintptr_t)(intptr_t)r->cfa_add;
    /* Only a signal may have come from another stack. */
    if (!r->signal && cfa <= c->sp)
        return STEP_CUT;
    uintptr_t pc, fp = r->fp_from == EH_LOST ? FP_LOST : c->fp;
    if (!read_place(s, c, cfa, r->pc_from, r->pc_offset, &pc, notes))
        return STEP_CUT;
    if (r->fp_from != EH_SAME && r->fp_from != EH_LOST) {
        if (notes)
            notes->fp_word = (uint8_t)(notes->count + 1);
        if (!read_place(s, c, cfa, r->fp_from, r->fp_offset, &fp, notes))
            return STEP_CUT;
    }
    if (notes) {
        notes->replaces_fp = r->fp_from != EH_SAME;
        notes->unsure = r->signal;
    }
    return step_arrive(c, pc, cfa, fp, r->signal ? REC_FRAME_EXACT : 0);
}

/* The stack where a signal came: at a return instruction what was saved lies below sp already, in
 * the red zone (psABI 3.2.2), and the unwind data still say so. */
static __attribute__((noinline, cold)) struct step_stack
stack_interrupted_at(uintptr_t sp, struct rec_stack_bounds *bounds)
{
    uintptr_t low = sp - RED_ZONE_BYTES;
    return step_stack_around(sys_readable((const void *)(low & ~(uintptr_t)7)) ? low : sp, bounds);
}

void rec_unwind(struct rec_walk *walk, struct rec_context at, struct rec_stack_bounds *bounds)
{
    struct step_cursor c = {.pc = at.pc, .sp = at.sp, .fp = at.fp};
    struct rec_stack_bounds interrupted = {0};
    struct step_stack s = step_stack_around(at.sp, bounds);
    uint32_t count = 0, guessed = 0;
    enum step result;
    do {
        walk->pc[count] = c.pc;
        walk->flags[count] = c.flags;
        count++;
        uint64_t key = c.pc;
        if (__builtin_expect(c.flags, 0)) {
            guessed += c.flags == REC_FRAME_GUESSED;
            if (c.flags & REC_FRAME_EXACT) {
                key |= RULE_EXACT;
                /* Perhaps interrupted on another stack. The thread's bounds stay those of the one
                 * it is on. */
                if (c.sp < s.low || c.sp > s.high)
                    s = stack_interrupted_at(c.sp, &interrupted);
            }
        }
        result = step(&c, rec_rules_find(key), &s, NULL);
    } while (result == STEP_CALLER && count < SEEP_FRAME_LIMIT);
    walk->count = count;
    walk->guessed = guessed;
    walk->cut = result != STEP_OUTERMOST;
}
