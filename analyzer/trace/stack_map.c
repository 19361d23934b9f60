/* SPDX-License-Identifier: MIT */
#include "trace/stack_map.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define STACK_UNRESOLVED UINT32_MAX
/* A stack has at most SEEP_FRAME_LIMIT frames, a cut root and perhaps a few more for a later
 * recorder; a longer chain is damage or a cycle. */
#define CHAIN_LIMIT (4 * SEEP_FRAME_LIMIT)
#define DENSE_IDS 2 /* per place for a definition, at most */

static uint64_t mix(uint64_t v)
{
    v *= 0x9e3779b97f4a7c15u;
    return v ^ v >> 32;
}

void stack_map_init(struct stack_map *m)
{
    *m = (struct stack_map){.definition_size = 1024, .node_size = 1024};
    m->definitions = mem_zalloc(m->definition_size, sizeof *m->definitions);
    m->nodes = mem_zalloc(m->node_size, sizeof *m->nodes);
}

void stack_map_release(struct stack_map *m)
{
    free(m->definitions);
    free(m->resolved);
    free(m->nodes);
    free(m->content);
    bytes_release(&m->log);
    *m = (struct stack_map){0};
}

/* Ids are dense, and those made together are looked for together: sixteen in a row stand in a row.
 */
static size_t home_of(const struct stack_map *m, uint32_t id)
{
    return (mix(id >> 4) << 4 | (id & 15)) & (m->definition_size - 1);
}

/* The entry of `id`, or the empty one where it belongs. */
static struct stack_definition *find_definition(const struct stack_map *m, uint32_t id)
{
    size_t mask = m->definition_size - 1;
    for (size_t i = home_of(m, id);; i = (i + 1) & mask) {
        struct stack_definition *d = &m->definitions[i];
        if (d->id == id || d->id == 0)
            return d;
    }
}

static void grow_definitions(struct stack_map *m)
{
    struct stack_definition *old = m->definitions;
    size_t size = m->definition_size;
    m->definition_size = size * 2;
    m->definitions = mem_zalloc(m->definition_size, sizeof *m->definitions);
    mem_wish_huge(m->definitions, m->definition_size * sizeof *m->definitions);
    for (size_t i = 0; i < size; i++) {
        if (old[i].id != 0)
            *find_definition(m, old[i].id) = old[i];
    }
    free(old);
}

/* Ids are dense but for a few, or in a damaged spool: those far above the number of definitions get
 * no place among the resolved ones. */
static void make_resolvable(struct stack_map *m, uint32_t id)
{
    if (id < m->resolved_count || id / DENSE_IDS > m->definition_count + m->definition_size)
        return;
    MEM_GROW(m->resolved, m->resolved_capacity, (size_t)id + 1);
    memset(m->resolved + m->resolved_count, 0,
           (m->resolved_capacity - m->resolved_count) * sizeof *m->resolved);
    m->resolved_count = m->resolved_capacity;
}

void stack_map_define(struct stack_map *m, uint32_t id, uint32_t parent, uint64_t pc, uint8_t flags)
{
    if (id == 0)
        return;
    struct stack_definition *d = find_definition(m, id);
    if (d->id != 0)
        return;
    *d = (struct stack_definition){
        .pc = pc, .id = id, .parent = parent, .trace = STACK_UNRESOLVED, .flags = flags};
    make_resolvable(m, id);
    if (++m->definition_count * 2 > m->definition_size)
        grow_definitions(m);
    if (m->keep_log) {
        bytes_varint(&m->log, id);
        bytes_varint(&m->log, parent);
        bytes_varint(&m->log, pc);
        bytes_u8(&m->log, flags);
    }
}

bool stack_map_define_logged(struct stack_map *m, const uint8_t *log, size_t bytes)
{
    struct cursor c = cursor_at(log, bytes);
    while (!cursor_done(&c)) {
        uint64_t id = cursor_bounded(&c, UINT32_MAX), parent = cursor_bounded(&c, UINT32_MAX);
        uint64_t pc = cursor_varint(&c);
        uint8_t flags = cursor_u8(&c);
        if (!c.bad)
            stack_map_define(m, (uint32_t)id, (uint32_t)parent, pc, flags);
    }
    return !c.bad;
}

static uint64_t node_hash(uint32_t parent, uint64_t pc, uint8_t flags)
{
    return mix(mix(pc) + ((uint64_t)parent << 8 | flags));
}

static struct stack_node_key *find_node(const struct stack_map *m, uint32_t parent, uint64_t pc,
                                        uint8_t flags)
{
    size_t mask = m->node_size - 1;
    for (size_t i = node_hash(parent, pc, flags) & mask;; i = (i + 1) & mask) {
        struct stack_node_key *n = &m->nodes[i];
        if (n->id == 0 || (n->pc == pc && n->parent == parent && n->flags == flags))
            return n;
    }
}

uint32_t stack_map_fold(struct stack_map *m, uint32_t parent, uint64_t pc, uint8_t flags)
{
    struct stack_node_key *n = find_node(m, parent, pc, flags);
    if (n->id != 0)
        return n->id;
    uint32_t id = trace_writer_stack(m->writer, parent, pc, flags);
    MEM_GROW(m->content, m->content_capacity, (size_t)id + 1);
    m->content[id] = (struct trace_stack_node){.pc = pc, .parent = parent, .flags = flags};
    *n = (struct stack_node_key){.pc = pc, .parent = parent, .id = id, .flags = flags};
    if (++m->node_count * 2 > m->node_size) {
        struct stack_node_key *old = m->nodes;
        size_t size = m->node_size;
        m->node_size = size * 2;
        m->nodes = mem_zalloc(m->node_size, sizeof *m->nodes);
        mem_wish_huge(m->nodes, m->node_size * sizeof *m->nodes);
        for (size_t i = 0; i < size; i++) {
            if (old[i].id != 0)
                *find_node(m, old[i].parent, old[i].pc, old[i].flags) = old[i];
        }
        free(old);
    }
    return id;
}

/* Reads definitions until `id` has one. What is never defined is entered as stack 0. */
static bool is_defined(struct stack_map *m, uint32_t id)
{
    while (find_definition(m, id)->id == 0) {
        if (m->more == NULL || !m->more(m->more_arg)) {
            stack_map_define(m, id, 0, 0, 0);
            find_definition(m, id)->trace = 0;
            m->undefined++;
            return false;
        }
    }
    return true;
}

/* The same for a stack that no event has needed yet. */
static __attribute__((noinline)) uint32_t resolve_first(struct stack_map *m, uint32_t id)
{
    uint32_t chain[CHAIN_LIMIT];
    size_t length = 0;
    uint32_t trace = 0;
    bool whole = false;
    for (uint32_t at = id; length < CHAIN_LIMIT && is_defined(m, at);) {
        const struct stack_definition *d = find_definition(m, at);
        if (d->trace != STACK_UNRESOLVED) {
            trace = d->trace;
            whole = trace != 0;
            break;
        }
        chain[length++] = at;
        if (d->flags & SEEP_ROW_ROOT) {
            whole = true;
            break;
        }
        if (d->parent == 0)
            break; /* only a root has no parent */
        at = d->parent;
    }
    while (length > 0) {
        struct stack_definition *d = find_definition(m, chain[--length]);
        /* a node met twice is part of a cycle, which `whole` excludes */
        trace = d->trace = whole ? stack_map_fold(m, trace, d->pc, d->flags) : 0;
        if (d->id < m->resolved_count)
            m->resolved[d->id] = trace;
    }
    return trace;
}

uint32_t stack_map_look_up(struct stack_map *m, uint32_t id)
{
    if (id == 0)
        return 0;
    const struct stack_definition *d = find_definition(m, id);
    return d->id != 0 && d->trace != STACK_UNRESOLVED ? d->trace : resolve_first(m, id);
}
