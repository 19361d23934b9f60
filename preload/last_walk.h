/* SPDX-License-Identifier: MIT
 *
 * The last walk of a thread, remembered, so that the next one need not go all the way.
 *
 * Between two allocations of a thread most of its stack stays as it was: the older frames are the
 * same, with the same words on the stack. But the same return address in the same place is no
 * proof: the function may have been left and entered anew, with another frame above it. What is
 * proof: a step of the walk is a pure function of the cursor (pc, stack pointer, and rbp where it
 * matters), the rule for pc, and the words it reads (unwind_step.h). So
 *
 *   - a walk joins a remembered one only at a frame whose cursor equals its own; rbp counts if an
 *     older frame finds something by it before it is loaded anew;
 *   - then every word that the walk would read from there on is compared, young to old, none before
 *     the younger ones were found the same: where it lies is known only then;
 *   - where one differs, the walk goes on by steps, and may join again at an older frame;
 *   - a step that rests on more than its words (a guess, the end of the readable stack) has a word
 *     that never is the same, and so is always made;
 *   - all of it holds in one generation of modules, and within the stack's known bounds.
 *
 * Comparing is a load and a branch that is always predicted, per word; a step is a look-up of its
 * rule and a chain of loads. Each remembered frame keeps the hash of the stack down to it, so a
 * joined part need not be hashed again either. */
#ifndef REC_LAST_WALK_H
#define REC_LAST_WALK_H

#include "seep/trace_format.h"
#include "unwind_step.h"

struct rec_last_frame {
    uint64_t value; /* rec_stacks_frame() */
    uintptr_t sp, fp;
    uint64_t hash;    /* of the stack from the outermost frame to this one */
    uint16_t words;   /* how many words are read from this frame on */
    uint16_t guessed; /* frames with REC_FRAME_GUESSED from this one on */
    bool fp_live;     /* fp matters */
};

struct rec_new_frame {
    uint64_t value; /* rec_stacks_frame() */
    uintptr_t sp, fp;
    uint16_t rule;  /* low bits of the rule's word */
    uint16_t notes; /* RULE_WIDE: index in `notes` of those of the step from here */
};

#define LAST_WALK_NOTES 64
#define LAST_WALK_RULE_BITS 11
/* Frames that are remembered: more than a stack keeps, for compilers recurse deeply, and a walk
 * that would not join there would go all the way. */
#define LAST_WALK_FRAMES 1024

/* All zeros: nothing is remembered. 128 KiB, of which only what walks reach is ever touched: most
 * threads have few stacks. So arrays that grow up stand behind ones that grow down, and where they
 * meet in the middle of a page, that page serves for both. */
struct rec_last_walk {
    uint32_t count; /* frames; a prefix of them is sound at every moment, also for a handler */
    uint32_t generation;
    uintptr_t reach;  /* end of the highest word that was read */
    uint32_t deepest; /* frames that were ever remembered at once */
    uint32_t leaf;    /* index of the youngest frame of the stack asked for last, */
    uint32_t guessed; /* frames of it, */
    bool cut;         /* and whether it goes on beyond the oldest of them */
    bool ends_early;  /* the remembered walk does not reach the outermost frame */
    bool keeps_rules; /* set by the caller, in a thread that walks often */
    /* outermost first, from [1]; [0] stands below all of them, and is never joined */
    struct rec_last_frame frames[LAST_WALK_FRAMES + 1];
    /* Words of the table of rules that the thread met, in the present generation. In a large
     * program few of that table's are asked for often, and they lie far apart: a look-up there may
     * cost a cache miss, or one of the TLB's. */
    uint64_t rules[1 << LAST_WALK_RULE_BITS];
    char unused[1024]; /* puts what follows across the middle of a page of struct rec_thread's */
    /* of wide steps of the walk that is being made, from the last one down; the last itself for the
     * walk's end */
    struct step_notes notes[LAST_WALK_NOTES];
    struct step_word words[2 * LAST_WALK_FRAMES]; /* oldest first */
    /* of the walk that is being made, from the last one down, young first. Behind it, for the same
     * reason, stands what is touched first of struct rec_stack_memo. */
    struct rec_new_frame fresh[LAST_WALK_FRAMES];
};

/* Memory that remembered walks and stacks of all threads have touched, bytes; 0 in a new process.
 */
extern _Atomic uint64_t rec_last_walk_bytes;

/* The hash of the stack at `at`, as rec_stacks_hash() gives it for rec_unwind()'s walk from there;
 * sets last->cut and last->guessed as that walk would. `bounds` as for rec_unwind(). 0: not to be
 * told in this way (a signal's frame, or too many frames); a full walk is due. */
uint64_t rec_last_walk(struct rec_last_walk *last, const struct rec_context *at,
                       struct rec_stack_bounds *bounds);

#endif
