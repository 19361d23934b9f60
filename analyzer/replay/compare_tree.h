/* SPDX-License-Identifier: MIT
 *
 * The tree that a comparison yields: compare.h. */
#ifndef REPLAY_COMPARE_TREE_H
#define REPLAY_COMPARE_TREE_H

#include "replay/compare.h"
#include "replay/predict.h"

/* A replay that misses its own recording by more than both is not sound. The bytes are what differs
 * from one run of a small program to the next: which pages of its libraries the kernel maps beside
 * those that are touched goes by where they were loaded. */
#define COMPARE_MISS_PERCENT 5.0
#define COMPARE_MISS_BYTES (256u << 10)

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

/* Adds how far the replay of the recording allocator is off to an object: of compare.h's
 * `self_check`, all but its name. */
void compare_tree_add_check(struct result *object, const struct predict *p);

#endif
