/* SPDX-License-Identifier: MIT
 *
 * A pool as a programmer would write one, for replays that ask what it would save: blocks of one
 * size lie together, one behind the other in runs of 64 KiB, with no header; freed ones are served
 * again, the last first; nothing is given back. Blocks of 32 KiB and more are the allocator's. */
#ifndef REPLAYER_POOL_H
#define REPLAYER_POOL_H

#include "seep/replay_script.h"

#include <stddef.h>

/* Carries out one of the POOL operations; threads take turns. */
void pool_perform(const struct seep_replay_op *op);

/* What a block has, in the pool or elsewhere; 0 of NULL. */
size_t pool_usable_bytes(void *block);
#endif
