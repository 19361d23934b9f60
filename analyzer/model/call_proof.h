/* SPDX-License-Identifier: MIT
 *
 * Whether an address can be a return address: does a call end there?
 *
 * Reading code backwards is ambiguous where instructions differ in length: the last five bytes of
 * "movl $1, -0x18(%rbp)" read as a call. So an instruction that could be a call is only a
 * candidate; the function around it is decoded once from its start, which its unwind data or symbol
 * tells, and the calls found in it decide. Where there is no start, or the decoder does not know an
 * instruction, the candidate counts.
 *
 * Some return addresses no call has put there. They are told by what the code says of itself, not
 * by name:
 *   - code whose unwind data says "signal frame": the trampoline that handlers return through
 *     (__restore_rt);
 *   - the very start of a function: somebody put that address on a stack by hand (the start of
 *     contexts made by makecontext, of fibres). A compiler never makes a call return to there
 * without a call before it, which is looked for first. Such an address is itself the place to be
 * named, not the byte before it. */
#ifndef MODEL_CALL_PROOF_H
#define MODEL_CALL_PROOF_H

#include "model/elf_file.h"
#include "model/symbol_table.h"

enum call_verdict {
    CALL_FOUND = 0, /* a call ends there */
    CALL_BY_HAND,   /* no call, but a place made to be returned to */
    CALL_NONE,      /* neither */
    CALL_UNKNOWN,   /* the code is not of a kind this can read */
};

struct call_proof;

/* A prover for the code of `f`, which outlives it, as does `symbols` (may be NULL): function starts
 * for code without unwind data. Owned by the caller, call_proof_free(). */
struct call_proof *call_proof_new(const struct elf_file *f, const struct symbol_table *symbols);
void call_proof_free(struct call_proof *p);

/* `address` is link-time. */
enum call_verdict call_proof_check(struct call_proof *p, uint64_t address);

#endif
