/* SPDX-License-Identifier: MIT
 *
 * Counts a replay's system calls on memory, as its tracer: the replay has the kernel stop it at
 * these calls and no other (replayer/counted.h), so that all else runs at its own speed. */
#ifndef REPLAY_MEMORY_CALLS_H
#define REPLAY_MEMORY_CALLS_H

#include "seep/replay_script.h"

#include <stdbool.h>
#include <sys/types.h>

/* In the child, before it becomes the replay. False where it may not be traced. */
bool memory_calls_offer(void);

/* Waits for the end of the child, which may have offered to be traced or not; `counts` has
 * SEEP_REPLAY_MEMORY_CALLS. *status is as from waitpid. Returns whether it was traced. */
bool memory_calls_follow(pid_t child, uint64_t *counts, int *status);

#endif
