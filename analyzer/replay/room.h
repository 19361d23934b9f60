/* SPDX-License-Identifier: MIT
 *
 * What this machine has for replays. */
#ifndef REPLAY_ROOM_H
#define REPLAY_ROOM_H

#include "replay/recorded.h"
#include "util/err.h"

/* CPUs that this process may run on. */
unsigned room_cpus(void);

/* Whether a replay of a 1 / `scale` part of what was recorded fits into memory: asked before
 * anything is started. Errors: USAGE where it does not. */
enum seep_err room_check(const struct recorded *recorded, unsigned scale, struct err *err);

#endif
