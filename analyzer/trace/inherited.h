/* SPDX-License-Identifier: MIT
 *
 * The blocks that a forked child has from its parent, as a file of the child's spool: `inherited`,
 * written while the parent is packed (handout.h) and read when the child is. It is a picture of the
 * parent's live blocks taken at one place of its order, and behind it what belongs before the fork
 * all the same: those are told apart by the child's own word on how far each lane was.
 *
 * The file: SEEP_INHERITED_MAGIC, varint time of the fork (ns since the parent's start), varint
 * generation of the modules then, as the parent's trace counts them, and
 * records, each a byte (enum inherited_record) and varints, and INHERITED_END. Without that it is
 * not whole, and counts as missing. It never leaves the machine: there is no version. */
#ifndef TRACE_INHERITED_H
#define TRACE_INHERITED_H

#include "trace/dict.h"
#include "trace/spool.h"

#define INHERITED_MAGIC "SEEPINH\n"
#define INHERITED_FILE "inherited"
/* Ids of the parent's stack nodes, moved out of the way of the child's recorder. */
#define INHERITED_STACK 0x80000000u

enum inherited_record {
    INHERITED_NODE = 1, /* id, parent, pc, flags; parents first */
    INHERITED_BLOCK,    /* place_key(), size, usable, alignment, CLOCK_MONOTONIC when it was made,
                           event    that made it, stack, tid of the thread that made it, call */
    INHERITED_GONE,     /* place_key() of a block that the picture still has */
    INHERITED_MODULE,   /* length, and the module as in the MODULES chunk */
    INHERITED_END,
};

struct inherited_block {
    uint64_t address; /* as of place_key() */
    uint64_t size, usable;
    uint64_t made_ns; /* CLOCK_MONOTONIC */
    uint64_t order;   /* among those made at the same time */
    uint32_t alignment, stack, tid;
    uint8_t call;
};

struct inherited_node {
    uint64_t pc;
    uint32_t id, parent;
    uint8_t flags;
};

struct inherited {
    struct inherited_block *blocks; /* owned; oldest first */
    size_t count, capacity;
    struct inherited_node *nodes; /* owned; parents first */
    size_t node_count, node_capacity;
    struct dict modules;
    uint64_t fork_ns;    /* since the parent's start */
    uint32_t generation; /* of the modules then, which the child's first one continues */
    bool known;          /* false: there was no such file */
};

/* Whether the spool has the file. */
bool inherited_is_there(const struct spool *spool);

/* Reads the file of the spool. What makes no sense counts as no file. Released in any case. */
void inherited_read(struct inherited *in, const struct spool *spool);
void inherited_release(struct inherited *in);

#endif
