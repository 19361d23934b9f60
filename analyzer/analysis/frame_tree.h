/* SPDX-License-Identifier: MIT
 *
 * Stacks merged by function into a tree, outermost frame first: what a flame graph draws; or from
 * the allocating function outwards; or from a function to its callers or callees. Inlined calls are
 * frames of their own. */
#ifndef ANALYSIS_FRAME_TREE_H
#define ANALYSIS_FRAME_TREE_H

#include "analysis/cost_kind.h"
#include "model/symbols.h"
#include "trace/trace_event.h"
#include "util/err.h"

struct frame_node {
    const struct symbol_frame *frame; /* one of those merged; NULL: the root, or unknown */
    uint32_t parent;                  /* index; of the root 0 */
    uint32_t first_child, next;       /* children, heaviest first; 0: none */
    uint64_t self, total;             /* cost of stacks that end here, and of all through here */
};

struct frame_tree {
    struct frame_node *nodes; /* nodes[0] is the root; a parent stands before its children; owned */
    uint32_t count;
    size_t capacity;
};

/* Builds the tree of all stacks that have any of the cost. Names are looked up first. Released by
 * frame_tree_release(), also after an error. The frames are the symboliser's. Errors: INTERRUPTED
 * by its progress function. */
enum seep_err frame_tree_build(struct frame_tree *t, const struct costs *costs, enum cost_kind kind,
                               const struct trace_dict *dict, struct symbols *symbols,
                               struct err *err);

/* Which frames of a stack make its way down the tree. Zero-initialised: all, from the outermost.
 * Where functions were named that are a part of the allocator (symbols.h), stacks are taken to
 * begin at who asked for the memory (wrappers.h), unless the way begins with one of those
 * functions. */
struct frame_path {
    bool outward;         /* from the inner frames to their callers */
    const char *function; /* only of stacks through a function that matches (pattern.h), and from
                             its outermost call on, so that recursion counts once; NULL: of all */
    unsigned depth;       /* at most so many frames; 0: all. What goes on costs where it stops */
};

/* The same along such a path. The root's total is the cost of all stacks that have one. */
enum seep_err frame_tree_build_path(struct frame_tree *t, const struct costs *costs,
                                    enum cost_kind kind, const struct frame_path *path,
                                    const struct trace_dict *dict, struct symbols *symbols,
                                    struct err *err);

/* The tree of all stacks, without costs and links to children; `by_line`: places of a function that
 * differ by line are frames of their own. (*places)[stack], by stack id, owned by the caller, is
 * the node where each ends; NULL after an error. */
enum seep_err frame_tree_place(struct frame_tree *t, uint32_t **places, bool by_line,
                               const struct trace_dict *dict, struct symbols *symbols,
                               struct err *err);
void frame_tree_release(struct frame_tree *t);

#endif
