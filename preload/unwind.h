/* SPDX-License-Identifier: MIT
 *
 * Call stacks: from the registers at a hook's caller to the id of a stack node.
 *
 * Everything here may run inside malloc, in any thread, in a signal handler: no allocation, no
 * libc call that may lock, nothing on the stack beyond a few words.
 */
#ifndef REC_UNWIND_H
#define REC_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

/* The caller of a hook as it will be when the hook has returned. */
struct rec_context {
    uintptr_t pc; /* the hook's return address */
    uintptr_t sp; /* CFA of the hook: the stack pointer after its return */
    uintptr_t fp; /* rbp of the caller */
};

/* To be used in the body of the interposed function itself, never inlined elsewhere. */
#define REC_CONTEXT_HERE                                                                           \
    ((struct rec_context){                                                                         \
        .pc = (uintptr_t)__builtin_return_address(0),                                              \
        .sp = (uintptr_t)__builtin_frame_address(0) + 16,                                          \
        .fp = *(uintptr_t *)__builtin_frame_address(0),                                            \
    })

/* The values of enum seep_row_flag, see trace_format.h. */
enum rec_frame_flag {
    REC_FRAME_EXACT = 0x10,   /* interrupted there by a signal: not a return address */
    REC_FRAME_GUESSED = 0x20, /* found by frame pointer */
};

/* The frames of a stack, youngest first. */
struct rec_walk {
    uint32_t count;
    bool cut;          /* older frames exist but are not known */
    uint32_t guessed;  /* frames with REC_FRAME_GUESSED */
    uintptr_t pc[512]; /* SEEP_FRAME_LIMIT */
    uint8_t flags[512];
};

/* Bounds of the memory a walk may read. Words outside end the walk as cut. */
struct rec_stack_bounds {
    uintptr_t low, high; /* low inclusive, high exclusive; high 0: unknown */
};

/* Prepares the rule table. False: no memory. */
bool rec_unwind_init(void);

/* Walks from `at`. `bounds` is the calling thread's cache, found anew when `at->sp` lies outside it
 * (alternate stacks, fibres). */
void rec_unwind(struct rec_walk *walk, struct rec_context at, struct rec_stack_bounds *bounds);

/* Memory that rules hold, bytes. */
uint64_t rec_unwind_bytes(void);

#endif
