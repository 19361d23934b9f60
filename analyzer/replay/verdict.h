/* SPDX-License-Identifier: MIT
 *
 * A comparison in words: which choice saves what at which cost, and what to paste for it. */
#ifndef REPLAY_VERDICT_H
#define REPLAY_VERDICT_H

#include "analysis/result.h"

/* Adds the object `verdict` to the tree of a comparison, judging by what else is in it. */
void verdict_add(struct result *tree);

#endif
