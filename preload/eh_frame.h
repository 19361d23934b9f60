/* SPDX-License-Identifier: MIT
 *
 * Reads call frame information (.eh_frame; DWARF 5, 6.4, and LSB 5.0, 10.6) as far as call stacks
 * need it: for one pc, how to find the caller's pc, stack pointer and rbp. Nothing else of the
 * caller's registers is known, so rules that need more (a CFA in rbx, say) are told apart by their
 * reason and left to the caller.
 *
 * Pure functions of the bytes; every read is checked against the range it must lie in. */
#ifndef REC_EH_FRAME_H
#define REC_EH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

/* Memory that may be read: low inclusive, high exclusive. */
struct eh_range {
    const uint8_t *low, *high;
};

enum eh_kind {
    EH_NONE = 0,  /* no usable rule: see the result */
    EH_FRAME = 1, /* there is a caller */
    EH_OUTERMOST = 2,
};

/* Where a value of the caller is found. */
enum eh_from {
    EH_SAME = 0, /* rbp only: unchanged */
    EH_CFA = 1,  /* in memory at CFA + offset */
    EH_SP = 2,   /* in memory at rsp + offset */
    EH_FP = 3,   /* in memory at rbp + offset */
    EH_LOST = 4, /* rbp only: overwritten, and not needed by the callers */
};

/* CFA = (deref ? *(base + offset) : base + offset) + add, where base is rsp (EH_SP) or rbp (EH_FP).
 * The caller's rsp is the CFA. */
struct eh_rule {
    uint8_t kind;     /* enum eh_kind */
    uint8_t cfa_base; /* EH_SP or EH_FP */
    uint8_t cfa_deref;
    uint8_t signal;  /* a signal frame: the caller was interrupted at its pc */
    uint8_t fp_from; /* enum eh_from */
    uint8_t pc_from; /* EH_CFA, EH_SP or EH_FP */
    int32_t cfa_offset, cfa_add, fp_offset, pc_offset;
};

enum eh_result {
    EH_OK = 0,
    EH_NO_ENTRY,        /* nothing describes this pc */
    EH_BAD_HEADER,      /* .eh_frame_hdr of an unknown form */
    EH_BAD_ENTRY,       /* entry cut, malformed, or of an unknown form */
    EH_BAD_INSTRUCTION, /* unknown opcode, or states nested too deep */
    EH_CFA_REGISTER,    /* CFA counted from another register than rsp and rbp */
    EH_CFA_EXPRESSION,  /* an expression of unknown form */
    EH_FP_RULE,         /* rbp kept where we cannot follow */
    EH_PC_RULE,         /* the return address kept where we cannot follow */
    EH_RESULT_COUNT
};

/* Finds the rule for `pc`. A return address is looked up as pc - 1: the call may be the last
 * instruction of its function.
 *   hdr       the module's .eh_frame_hdr (PT_GNU_EH_FRAME)
 *   hdr_range the readable segment around it
 *   segment   gives the readable segment around an address (.eh_frame may lie in another one than
 *             its header); false if there is none
 * Without EH_OK the rule is of kind EH_NONE. */
typedef bool eh_segment_fn(const void *context, uintptr_t address, struct eh_range *out);
enum eh_result eh_frame_rule(const uint8_t *hdr, struct eh_range hdr_range, eh_segment_fn *segment,
                             const void *context, uintptr_t pc, struct eh_rule *rule);

#endif
