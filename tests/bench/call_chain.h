/* SPDX-License-Identifier: MIT
 *
 * Stacks of a given depth, of functions with frames of several kinds that call one another in turn.
 */
#ifndef BENCH_CALL_CHAIN_H
#define BENCH_CALL_CHAIN_H

/* Calls `leaf` so many times from a stack of depth + 1 functions. */
void call_chain(int depth, void (*leaf)(void), int calls);

/* A leaf that calls turning_leaf through five frames, other ones in turn: what changes on the stack
 * between one allocation of a program and the next. */
#define TURNING 5
extern __thread void (*turning_leaf)(void);
void turn(void);

#endif
