/* SPDX-License-Identifier: MIT
 *
 * The walk. One step of it is a pure function of the cursor (pc, sp, fp), the rule for pc, and the
 * words of the stack that it reads through read_word(): see step(). Whoever compares those words
 * with an earlier walk's may reuse its frames from there on. */
#include "unwind.h"

#include "rules.h"
#include "seep/trace_format.h"
#include "stack_bounds.h"
#include "sys.h"

_Static_assert((int)REC_FRAME_EXACT == (int)SEEP_ROW_EXACT_PC, "flags are those of rows");
_Static_assert((int)REC_FRAME_GUESSED == (int)SEEP_ROW_GUESSED, "flags are those of rows");
_Static_assert(sizeof((struct rec_walk *)0)->flags == SEEP_FRAME_LIMIT, "unwind.h keeps the limit");

#define PC_MIN 4096u /* nothing is mapped below */
#define RED_ZONE_BYTES 128u
#define FP_LOST 1u /* no frame's: unaligned, and outside of any stack */

struct cursor {
    uintptr_t pc, sp, fp;
    uint8_t flags; /* of the frame at pc: enum rec_frame_flag */
};

/* The stack that is read: from the youngest frame on it up. */
struct stack {
    uintptr_t low;
    uintptr_t high; /* bounds->high, kept in a register */
    struct rec_stack_bounds *bounds;
};

enum step { STEP_CALLER, STEP_OUTERMOST, STEP_CUT };

static inline bool read_word(struct stack *s, uintptr_t address, uintptr_t *out)
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
    return true;
}

static inline enum step arrive(struct cursor *c, uintptr_t pc, uintptr_t sp, uintptr_t fp,
                               uint8_t flags)
{
    if (__builtin_expect(pc == 0, 0))
        return STEP_OUTERMOST; /* as the ABI marks the outermost frame */
    if (__builtin_expect(pc - PC_MIN >= RULE_PC_LIMIT - PC_MIN, 0))
        return STEP_CUT;
    c->pc = pc;
    c->sp = sp;
    c->fp = fp;
    c->flags = flags;
    return STEP_CALLER;
}

/* Without unwind data: if the function keeps a frame pointer, rbp points to the caller's, with the
 * return address above it; 0 marks the outermost frame (psABI 3.4.1; the loader's start has it). */
static enum step step_by_guess(struct cursor *c, struct stack *s)
{
    uintptr_t pc, fp;
    if (c->fp == 0)
        return STEP_OUTERMOST;
    if (c->fp < c->sp || c->fp % 8 != 0 || !read_word(s, c->fp, &fp) ||
        !read_word(s, c->fp + 8, &pc))
        return STEP_CUT;
    if (pc >= s->low && pc < s->high)
        return STEP_CUT; /* a pointer into the stack is not code */
    return arrive(c, pc, c->fp + 16, fp, REC_FRAME_GUESSED);
}

static bool read_place(struct stack *s, const struct cursor *c, uintptr_t cfa, uint8_t from,
                       int32_t offset, uintptr_t *out)
{
    uintptr_t base = from == EH_CFA ? cfa : from == EH_SP ? c->sp : c->fp;
    return read_word(s, base + (uintptr_t)(intptr_t)offset, out);
}

static __attribute__((noinline)) enum step step_by_wide_rule(struct cursor *c, uint64_t rule,
                                                             struct stack *s)
{
    const struct eh_rule *r = &rec_rules_wide[rule & (RULE_WIDE - 1)];
    if (r->kind == EH_NONE)
        return step_by_guess(c, s);
    if (r->kind == EH_OUTERMOST)
        return STEP_OUTERMOST;
    uintptr_t cfa = (r->cfa_base == EH_SP ? c->sp : c->fp) + (uintptr_t)(intptr_t)r->cfa_offset;
    if (r->cfa_deref && !read_word(s, cfa, &cfa))
        return STEP_CUT;
    cfa += (uintptr_t)(intptr_t)r->cfa_add;
    /* Only a signal may have come from another stack. */
    if (!r->signal && cfa <= c->sp)
        return STEP_CUT;
    uintptr_t pc, fp = r->fp_from == EH_LOST ? FP_LOST : c->fp;
    if (!read_place(s, c, cfa, r->pc_from, r->pc_offset, &pc))
        return STEP_CUT;
    if (r->fp_from != EH_SAME && r->fp_from != EH_LOST &&
        !read_place(s, c, cfa, r->fp_from, r->fp_offset, &fp))
        return STEP_CUT;
    return arrive(c, pc, cfa, fp, r->signal ? REC_FRAME_EXACT : 0);
}

/* From a frame to its caller's. */
static inline enum step step(struct cursor *c, uint64_t rule, struct stack *s)
{
    if (__builtin_expect(rule & RULE_WIDE, 0)) {
        /* Through copies: what has its address taken is not kept in registers. */
        struct cursor cursor = *c;
        struct stack stack = *s;
        enum step result = step_by_wide_rule(&cursor, rule, &stack);
        *c = cursor;
        *s = stack;
        return result;
    }
    uintptr_t cfa = (rule & RULE_BASE_FP ? c->fp : c->sp) + (rule & RULE_CFA_MASK);
    uintptr_t pc, fp = c->fp;
    if (__builtin_expect(cfa <= c->sp, 0) || !read_word(s, cfa - 8, &pc))
        return STEP_CUT;
    uintptr_t slot = rec_rules_slot(rule);
    if (slot && !read_word(s, cfa - 8 * (slot + 1), &fp))
        return STEP_CUT;
    return arrive(c, pc, cfa, fp, 0);
}

/* The stack around `sp`, for which `bounds` may not hold yet. */
static inline struct stack stack_around(uintptr_t sp, struct rec_stack_bounds *bounds)
{
    if (__builtin_expect(sp < bounds->low || sp > bounds->high, 0))
        rec_stack_bounds_enter(bounds, sp);
    return (struct stack){.low = sp, .high = bounds->high, .bounds = bounds};
}

/* The same where a signal came: at a return instruction what was saved lies below sp already, in
 * the red zone (psABI 3.2.2), and the unwind data still say so. */
static __attribute__((noinline, cold)) struct stack
stack_interrupted_at(uintptr_t sp, struct rec_stack_bounds *bounds)
{
    uintptr_t low = sp - RED_ZONE_BYTES;
    return stack_around(sys_readable((const void *)(low & ~(uintptr_t)7)) ? low : sp, bounds);
}

void rec_unwind(struct rec_walk *walk, struct rec_context at, struct rec_stack_bounds *bounds)
{
    struct cursor c = {.pc = at.pc, .sp = at.sp, .fp = at.fp};
    struct rec_stack_bounds interrupted = {0};
    struct stack s = stack_around(at.sp, bounds);
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
        result = step(&c, rec_rules_find(key), &s);
    } while (result == STEP_CALLER && count < SEEP_FRAME_LIMIT);
    walk->count = count;
    walk->guessed = guessed;
    walk->cut = result != STEP_OUTERMOST;
}
