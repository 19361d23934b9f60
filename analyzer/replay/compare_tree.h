/* SPDX-License-Identifier: MIT
 *
 * The tree that a comparison yields: compare.h. */
#ifndef REPLAY_COMPARE_TREE_H
#define REPLAY_COMPARE_TREE_H

#include "replay/compare.h"
#include "replay/predict.h"

#define COMPARE_MISS_PERCENT 5.0 /* a replay that misses its own recording by more is not sound */

struct comparison {
    const struct compare_options *options;
    const struct trace_facts *facts;
    const struct recorded *recorded;
    const struct script *script;
    struct predict predict;
    const struct measured *measured; /* the recording allocator first, where it was replayed */
    size_t count;
    const char *self_missing; /* why it was not; NULL: it was */
    unsigned here_cpus;
};

struct result *compare_tree(const struct comparison *c);

#endif
