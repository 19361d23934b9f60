/* SPDX-License-Identifier: MIT
 *
 * A build of the recorder that checks itself (-DREC_VERIFY_WALKS; libseep-verify.so, for tests):
 * each walk that started from a remembered one is made in full too, and must come to the same
 * stack. */
#ifndef REC_VERIFY_H
#define REC_VERIFY_H

#include "unwind.h"

#include <stdint.h>

struct rec_thread;

#ifdef REC_VERIFY_WALKS
/* Compares what rec_last_walk() or a memo told of the stack at `at` with a full walk; the first few
 * that differ are told on standard error. */
void rec_verify_walk(struct rec_thread *t, struct rec_context at, uint64_t hash, bool cut,
                     uint32_t guessed);
/* Tells on standard error how many were compared. */
void rec_verify_report(void);
#else
static inline void rec_verify_walk(struct rec_thread *t, struct rec_context at, uint64_t hash,
                                   bool cut, uint32_t guessed)
{
    (void)t, (void)at, (void)hash, (void)cut, (void)guessed;
}
static inline void rec_verify_report(void) {}
#endif

#endif
