/* SPDX-License-Identifier: MIT
 *
 * Blocks that are live at the end, by call site. Without a heap graph they are called "live at
 * exit" and not leaks: what is unreachable only a graph tells. With one they are told apart by what
 * leads to them (model/heap_graph.h), and lost blocks are grouped by root cause: what only a lost
 * block leads to is counted with that one. */
#ifndef ANALYSIS_LEAKS_H
#define ANALYSIS_LEAKS_H

#include "analysis/result.h"
#include "analysis/site_key.h"
#include "model/filter.h"
#include "model/suppressions.h"
#include "model/symbols.h"
#include "trace/trace_reader.h"
#include "util/err.h"

enum leaks_order { LEAKS_ORDER_BYTES, LEAKS_ORDER_BLOCKS, LEAKS_ORDER_TIME /* oldest first */ };

/* What leads to a block. Indirectly lost ones are none of these: they stand with the block that
 * leads to them. */
enum leaks_kind {
    LEAKS_DEFINITE = 1,  /* nothing: it is lost */
    LEAKS_POSSIBLE = 2,  /* a chain with a pointer into a block's inside */
    LEAKS_REACHABLE = 4, /* pointers to the start of each block on the way; or it is ignored */
};

/* Names for the command line, in the enum's order, NULL-ended. */
extern const char *const leaks_order_names[];

struct leaks_options {
    enum site_by by;
    enum leaks_order order;
    size_t top;         /* sites shown; 0 = all */
    uint64_t min_bytes; /* smaller sites are not shown but counted as hidden */
    uint64_t min_blocks;
    unsigned depth;        /* frames shown of a stack, inline ones count; 0 = all */
    bool show_builtin;     /* sites of the built-in list are listed among the others */
    bool show_suppressed;  /* the same for suppression files */
    bool inherited;        /* what a forked child has from its parent, not what it made itself */
    bool pools;            /* blocks of pools that the program told of, not those of malloc */
    unsigned kinds;        /* enum leaks_kind, together: what sites are made of, where there is a
                              graph; 0: definite ones */
    bool live;             /* all that is live, whatever leads to it: as if there were no graph */
    struct filter *filter; /* not yet bound; NULL: none. Not owned */
    struct suppressions *suppressions; /* not yet bound; NULL: none. Not owned */
    /* Called now and then while events are read, with 0 .. 1; returns false to stop (INTERRUPTED).
     * May be NULL. The symboliser has its own for the time after. */
    bool (*progress)(void *arg, double fraction);
    void *progress_arg;
};

/* Reads the trace from where the reader stands (the beginning) to the end, or to the window's end.
 * With a time window: the blocks made (or last reallocated) within it and still live at its end.
 * With a heap graph, where options->live and options->pools are not set: the moment looked at is
 * that of the last graph up to the window's end.
 * On success *out is owned by the caller, result_free(). Errors: those of the reader, USAGE from
 * filter_bind(), INTERRUPTED. The tree (units in brackets):
 *
 *   word            text: "live at exit", or "live at 1.5s" with the window's end; "live where the
 *                   trace ends" and "live when recording stopped" where that came before the exit,
 *                   "live when SIGKILL killed it" where there was none.
 *                   With a graph what the sites are, at that moment: "definitely lost",
 *                   "definitely or possibly lost", "possibly lost", "still reachable", ...
 *   graph           null: there is none, or it is not used; or object:
 *     number [count], trigger text: "exit", "call", "signal" or "mark"; time_ns [ns]
 *     missed_threads [count] that did not answer in time: their whole stacks count
 *   no_graph        null, or text: why there is none: "no snapshot was taken", ...
 *   kinds           array of texts: the kinds of `sites`, of "definite", "possible", "reachable";
 *                   empty without a graph
 *   definite, indirect, possible, reachable   each null without a graph, or object {blocks [count],
 *                   bytes [bytes]}: what filters and suppressions leave, shown or not. A filter or
 *                   a rule that takes a lost block out takes out what it leads to
 *   by, order       texts as in site_by_names, leaks_order_names
 *   window          null, or object {from, to: texts as given or null; from_ns, to_ns [ns]}
 *   end_ns          [ns] the moment looked at
 *   total           object: everything live at that moment, before filters:
 *     blocks [count], bytes [bytes], usable_bytes [bytes]
 *     peak_live_bytes [bytes], peak_time_ns [ns], share_of_peak_percent [percent]
 *     definite, indirect, possible, reachable   as above, before filters and suppressions
 *   inherited       null, or object: what a forked child has from its parent
 *     fork_parent_pid, parent_trace, fork_ns: see analysis/fork.h
 *     blocks, bytes [count, bytes] at the fork; held_blocks, held_bytes: of them, still live
 *     shown         bool: the sites are of those; their first_ns and last_ns are then how long
 *                   before the start of this recording
 *   pools           null, or object: blocks of pools that the program told of; null if there never
 *                   was one and none was asked for
 *     blocks [count], bytes [bytes] live at that moment; allocated_blocks [count] where shown
 *     shown         bool: the sites, and the figures above, are of those
 *   matched         object {sites, blocks, bytes}: what filters and suppressions leave of the
 *                   kinds asked for: sites shown + hidden. With a graph also indirect_blocks,
 *                   indirect_bytes: those that stand with them
 *   sites           array, ordered; each an object:
 *     name          text: what it was grouped by: the allocating function, module or source file
 *     kind          null without a graph, or text: "definite", "possible" or "reachable"
 *     blocks [count], bytes [bytes], usable_bytes [bytes]
 *     indirect      null without a graph, or object {blocks [count], bytes [bytes]}: what is lost
 *                   with these blocks, for they alone lead to it; each block counts at one site, of
 *                   several that lead to it at the one whose block is the oldest. Sites are
 *                   ordered by what they hold with it
 *     ignored_blocks [count] reachable only because the program said that they, or what leads to
 *                   them, are there on purpose; 0 without a graph
 *     share_percent [percent] of matched.bytes + matched.indirect_bytes, with its indirect bytes
 *     allocated_blocks [count], allocated_bytes [bytes]: all that was ever made there in the window
 *                   (reallocations count where they took place)
 *     first_ns, last_ns [ns] when the oldest and the youngest of the live blocks were made
 *     sizes         object {min, typical (the median), max [bytes]} requested
 *     threads       array of integers: the threads that made them, at most 8; thread_count [count]
 *     calls         array of texts: "malloc", "new", ...
 *     stacks        [count] distinct stacks in this site; 1 when by stack
 *     suppressed    null, or text: the rule, where show_builtin or show_suppressed lists it
 *     builtin       bool: that rule is a built-in one
 *     frames, cut, hidden_frames   of the site's heaviest stack: analysis/site_frames.h
 *   hidden          object {sites [count], blocks [count], bytes [bytes], small_sites [count]}:
 *                   matched but not shown; small ones because of min_bytes or min_blocks
 *   filtered_out    object {blocks [count], bytes [bytes],
 *                   by_window bool: no filter but the window's start was given}
 *   suppressed      object {sites [count], blocks [count], bytes [bytes], shown bool,
 *                   rules array of {pattern, file texts, line integer, sites, blocks, bytes},
 *                   unused array of {pattern, file, line}}: by suppression files
 *   builtin         object {sites, blocks, bytes, shown bool,
 *                   rules array of {pattern, reason texts, sites, blocks, bytes}}: only rules hit
 *
 *   by_way_of       null, or object: a function by way of which nearly all of it comes:
 *                   by_way_of.h
 *
 * In `suppressed` and `builtin`, `sites` are stacks, however the others are merged. One that is
 * shown counts in `matched` as well.
 */
enum seep_err leaks_analyse(struct result **out, struct trace_reader *reader,
                            struct symbols *symbols, const struct leaks_options *options,
                            struct err *err);

#endif
