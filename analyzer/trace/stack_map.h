/* SPDX-License-Identifier: MIT
 *
 * Recorder's stack ids to the trace's. The recorder may give two ids to the same (parent, pc,
 * flags); the trace has one. Nodes are told to the writer when an event first needs them, so that a
 * trace holds no stack that nothing refers to, and parents always come before children. */
#ifndef TRACE_STACK_MAP_H
#define TRACE_STACK_MAP_H

#include "trace/bytes.h"
#include "trace/trace_writer.h"

struct stack_definition {
    uint64_t pc;
    uint32_t id;     /* recorder's; 0: the entry is empty */
    uint32_t parent; /* recorder's */
    uint32_t trace;  /* the trace's id once told; STACK_UNRESOLVED before */
    uint8_t flags;
};

struct stack_node_key {
    uint32_t hash; /* of parent, pc and flags */
    uint32_t id;   /* the trace's; 0: the entry is empty */
};

struct stack_map {
    /* Ids are dense but for a few, or in a damaged spool: those stand apart. */
    struct stack_definition *dense;  /* owned; by id */
    uint32_t *resolved;              /* owned; by id, like dense: the trace's, 0: look there */
    size_t dense_count;              /* ids below have their places in both */
    size_t definition_count;         /* of all */
    struct stack_definition *sparse; /* owned; open addressing by id */
    size_t sparse_count;
    unsigned sparse_bits;         /* there are 1 << sparse_bits places */
    struct stack_node_key *nodes; /* owned; open addressing, by the upper bits of the hash */
    size_t node_count;
    unsigned node_bits;
    struct trace_stack_node *content; /* owned; of the nodes told, by the trace's id */
    size_t content_capacity;
    struct trace_writer *writer;
    /* Reads more definitions; false: there are no more. Called for an id that is not defined yet.
     */
    bool (*more)(void *arg);
    void *more_arg;
    bool keep_log;
    struct bytes log;      /* owned; definitions since it was emptied, where they are kept */
    uint64_t logged_bytes; /* what its owner has put elsewhere */
    uint64_t undefined;    /* distinct ids nobody defined: rows that named them got stack 0 */
};

void stack_map_init(struct stack_map *m);
void stack_map_release(struct stack_map *m);

/* A definition was read. The first one of an id counts. */
void stack_map_define(struct stack_map *m, uint32_t id, uint32_t parent, uint64_t pc,
                      uint8_t flags);

/* Defines what a log holds. False: it is none. */
bool stack_map_define_logged(struct stack_map *m, const uint8_t *log, size_t bytes);

/* The trace's id of a node, `parent` being the trace's too; it is told where it is new. */
uint32_t stack_map_fold(struct stack_map *m, uint32_t parent, uint64_t pc, uint8_t flags);

/* Fetches what stack_map_resolve() will look at. */
static inline void stack_map_prefetch(const struct stack_map *m, uint32_t id)
{
    if (id < m->dense_count)
        __builtin_prefetch(&m->resolved[id]);
}

/* What stack_map_resolve() will return, 0 where that is not known yet. */
static inline uint32_t stack_map_peek(const struct stack_map *m, uint32_t id)
{
    return id < m->dense_count ? m->resolved[id] : 0;
}

uint32_t stack_map_look_up(struct stack_map *m, uint32_t id); /* private */

/* The trace's id for the recorder's; 0 for 0 and where the id or an ancestor was never defined. */
static inline uint32_t stack_map_resolve(struct stack_map *m, uint32_t id)
{
    if (id < m->dense_count && m->resolved[id] != 0)
        return m->resolved[id];
    return stack_map_look_up(m, id);
}

#endif
