/* SPDX-License-Identifier: MIT
 *
 * Stacks in result trees. */
#ifndef ANALYSIS_SITE_FRAMES_H
#define ANALYSIS_SITE_FRAMES_H

#include "analysis/result.h"
#include "model/symbols.h"
#include "trace/trace_event.h"

/* Frames by stack node, each made once however many stacks run through it: with all sites shown
 * most of the tree would be copies of the same outer frames. */
struct site_frames {
    const struct trace_dict *dict;
    struct symbols *symbols;
    struct result *holder;   /* owns the arrays below */
    struct result **of_node; /* by stack node: an array of its frames; NULL: not made yet */
};

/* Both arguments outlive its use. */
void site_frames_init(struct site_frames *f, const struct trace_dict *dict,
                      struct symbols *symbols);
void site_frames_release(struct site_frames *f);

/* Adds to `site` (inline frames count; `least` 0: all):
 *
 *   frames        array, innermost first, `least` of them, or more where that ends before some
 * callers of the frame that asked for the memory, which the site is named by; each an object:
 *     function    text;  symbol  text or null: the linker's, where that is another
 *     file        text or null;  line  integer or null
 *     module      text (path) or null
 *     address     [address]
 *     inlined     bool: inlined into the next frame
 *     suspect     bool: no call stands before the return address
 *     guessed     bool: found by frame pointer, without unwind data
 *     named       bool: false where `function` is only an address
 *   cut           bool: the stack's older frames were not recorded
 *   hidden_frames [count] frames not shown because of `least`; what was inlined into the addresses
 *                 behind the last shown one is not looked up and not counted */
void site_frames_add(struct result *site, uint32_t stack, unsigned least,
                     struct site_frames *frames);

/* The same of one return address that stands in no stack, as it was at that time: its function, and
 * what that is inlined into. */
void site_frames_add_return(struct result *site, uint64_t pc, uint64_t time_ns,
                            struct site_frames *frames);

#endif
