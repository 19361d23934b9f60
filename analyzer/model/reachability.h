/* SPDX-License-Identifier: MIT
 *
 * Which blocks are lost, by valgrind's definitions (memcheck's manual, "Memory leak detection"):
 *
 *   reachable   from a root over pointers that mean the start of each block on the way
 *   possible    else from a root over any pointers: at least one points inside a block
 *   lost        not at all. Of lost blocks that lead to each other (a strongly connected component)
 *               to which no other lost block leads, the oldest is the leader, and definitely lost;
 *               all other lost blocks are indirectly lost
 *
 * So each definitely lost block is a root cause. An indirectly lost block belongs to one leader
 * that leads to it; of several to the oldest.
 *
 * Nodes that the program said are there on purpose, and kept ones, are roots. */
#ifndef MODEL_REACHABILITY_H
#define MODEL_REACHABILITY_H

#include "model/heap_graph.h"

enum reach_verdict {
    REACH_DEFINITE,
    REACH_INDIRECT,
    REACH_POSSIBLE,
    REACH_REACHABLE,
    REACH_IGNORED, /* reachable only from what is there on purpose */
    REACH_VERDICTS,
};

struct reachability {
    uint8_t *verdicts; /* by node, enum reach_verdict; owned, like the next one */
    uint32_t *leaders; /* by node: of lost ones, the leader; itself if it is one. Else undefined */
};

void reachability_find(struct reachability *r, const struct heap_graph *g);
void reachability_release(struct reachability *r);

#endif
