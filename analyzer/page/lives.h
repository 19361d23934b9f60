/* SPDX-License-Identifier: MIT
 *
 * The lives of blocks as the page has them: a tree of places, as fine as there is room for. */
#ifndef PAGE_LIVES_H
#define PAGE_LIVES_H

#include "analysis/frame_tree.h"
#include "analysis/lives.h"
#include "trace/bytes.h"

/* A parent stands before its children; place 0 is the root. */
struct place {
    uint32_t parent;
    const struct symbol_frame *frame; /* NULL: the root, an unknown stack, or smaller ones */
    bool smaller;                     /* stands for places below its parent that are too small */
};

struct places {
    struct place *items; /* owned */
    uint32_t count;
};

/* Those of the tree, by its nodes' numbers. Released by places_release(). */
void places_of_tree(struct places *p, const struct frame_tree *tree);
void places_release(struct places *p);

/* Joins the places that have less than that share (0 .. 1) of everything - of allocations, bytes
 * allocated, temporary allocations, of what is live at the peak and at the end - with all below
 * them, to one place for each parent. With 0 only those go that have nothing. The lives' keys are
 * places, and stay so. */
void places_join_small(struct places *p, struct lives *lives, double share);

/* Joins as much as is needed for a page that can be mailed. */
void places_fit(struct places *p, struct lives *lives);

/* Appends both, as the page reads it (analyzer/web/data/lives.js): numbers are LEB128, signed ones
 * zigzag. In this order:
 *
 *   version             1
 *   borders             how many; then columns: number, time_ns (each less the one before),
 *                       live_bytes, live_blocks
 *   texts               how many; each its length and its bytes
 *   places              how many beyond the root; then columns: number less the parent's, function,
 *                       module, file (texts; 0: none, else from 1), line, flags (1: smaller
 *                       ones, 2: a wrapper, model/wrappers.h, or what one that the user named
 *                       calls)
 *   rows                how many; then columns: key (less the one before), born, ended, blocks - 1,
 *                       temporary, bytes. Born: less the one before's where the key is the same.
 *                       Ended: 2 (ended - born), or where never 2 k + 1, k: 0, or the interval in
 *                       which the process ended. Bytes: signed, less what these blocks would have
 *                       if each were as large as those of the row before (rounded down)
 *   sizes, lifetimes    each: how many; then columns: interval (less the one before), class, made,
 *                       made_bytes, freed, freed_bytes */
void lives_write(struct bytes *out, const struct lives *lives, const struct places *places);

#endif
