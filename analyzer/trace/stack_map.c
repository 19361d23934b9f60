/* SPDX-License-Identifier: MIT */
#include "trace/stack_map.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

#define STACK_UNRESOLVED UINT32_MAX
/* A stack has at most SEEP_FRAME_LIMIT frames, a cut root and perhaps a few more for a later
 * recorder; a longer chain is damage or a cycle. */
#define CHAIN_LIMIT (4 * SEEP_FRAME_LIMIT)
#define DENSE_IDS 4 /* per definition, at most */
#define FIRST_IDS 1024
#define FIRST_BITS 10

static uint64_t mix(uint64_t v)
{
    v *= 0x9e3779b97f4a7c15u;
    return v ^ v >> 32;
}

void stack_map_init(struct stack_map *m)
{
    *m = (struct stack_map){.sparse_bits = FIRST_BITS, .node_bits = FIRST_BITS};
    m->sparse = mem_zalloc((size_t)1 << m->sparse_bits, sizeof *m->sparse);
    m->nodes = mem_zalloc((size_t)1 << m->node_bits, sizeof *m->nodes);
}

void stack_map_release(struct stack_map *m)
{
    free(m->dense);
    free(m->resolved);
    free(m->sparse);
    free(m->nodes);
    free(m->content);
    bytes_release(&m->log);
    *m = (struct stack_map){0};
}

/* The entry of a sparse id, or the empty one where it belongs. */
static struct stack_definition *find_sparse(const struct stack_map *m, uint32_t id)
{
    size_t mask = ((size_t)1 << m->sparse_bits) - 1;
    for (size_t i = mix(id) & mask;; i = (i + 1) & mask) {
        struct stack_definition *d = &m->sparse[i];
        if (d->id == id || d->id == 0)
            return d;
    }
}

/* The entry of `id`, or the empty one where it belongs. */
static struct stack_definition *find_definition(const struct stack_map *m, uint32_t id)
{
    return id < m->dense_count ? &m->dense[id] : find_sparse(m, id);
}

/* Moves all sparse definitions to where they belong now, with room for as many more. */
static void move_sparse(struct stack_map *m)
{
    struct stack_definition *old = m->sparse;
    size_t size = (size_t)1 << m->sparse_bits;
    m->sparse_bits += m->sparse_count * 2 > size;
    m->sparse = mem_zalloc((size_t)1 << m->sparse_bits, sizeof *m->sparse);
    m->sparse_count = 0;
    for (size_t i = 0; i < size; i++) {
        if (old[i].id == 0)
            continue;
        *find_definition(m, old[i].id) = old[i];
        m->sparse_count += old[i].id >= m->dense_count;
    }
    free(old);
}

/* Gives the ids up to `id` places among the dense ones, where there are definitions enough. */
static void make_dense(struct stack_map *m, uint32_t id)
{
    if (id < m->dense_count || id / DENSE_IDS > m->definition_count + FIRST_IDS)
        return;
    size_t was = m->dense_count, resolved = was;
    MEM_GROW(m->resolved, resolved, (size_t)id + 1);
    MEM_GROW(m->dense, m->dense_count, (size_t)id + 1);
    memset(m->resolved + was, 0, (m->dense_count - was) * sizeof *m->resolved);
    memset(m->dense + was, 0, (m->dense_count - was) * sizeof *m->dense);
    if (m->sparse_count > 0)
        move_sparse(m);
}

void stack_map_define(struct stack_map *m, uint32_t id, uint32_t parent, uint64_t pc, uint8_t flags)
{
    if (id == 0)
        return;
    make_dense(m, id);
    struct stack_definition *d = find_definition(m, id);
    if (d->id != 0)
        return;
    *d = (struct stack_definition){
        .pc = pc, .id = id, .parent = parent, .trace = STACK_UNRESOLVED, .flags = flags};
    m->definition_count++;
    if (id >= m->dense_count && ++m->sparse_count * 2 > (size_t)1 << m->sparse_bits)
        move_sparse(m);
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

static uint32_t node_hash(uint32_t parent, uint64_t pc, uint8_t flags)
{
    return (uint32_t)mix(mix(pc) + ((uint64_t)parent << 8 | flags));
}

/* Where nodes of that hash are looked for first. */
static size_t node_home(const struct stack_map *m, uint32_t hash)
{
    return hash >> (32 - m->node_bits);
}

/* Twice the places. They are visited in a row, old and new ones. */
static void grow_nodes(struct stack_map *m)
{
    struct stack_node_key *old = m->nodes;
    size_t size = (size_t)1 << m->node_bits++, mask = size * 2 - 1;
    m->nodes = mem_zalloc(size * 2, sizeof *m->nodes);
    mem_wish_huge(m->nodes, size * 2 * sizeof *m->nodes);
    for (size_t i = 0; i < size; i++) {
        size_t at = node_home(m, old[i].hash);
        if (old[i].id == 0)
            continue;
        while (m->nodes[at].id != 0)
            at = (at + 1) & mask;
        m->nodes[at] = old[i];
    }
    free(old);
}

uint32_t stack_map_fold(struct stack_map *m, uint32_t parent, uint64_t pc, uint8_t flags)
{
    uint32_t hash = node_hash(parent, pc, flags);
    size_t mask = ((size_t)1 << m->node_bits) - 1, i = node_home(m, hash);
    for (; m->nodes[i].id != 0; i = (i + 1) & mask) {
        const struct trace_stack_node *n = &m->content[m->nodes[i].id];
        if (m->nodes[i].hash == hash && n->pc == pc && n->parent == parent && n->flags == flags)
            return m->nodes[i].id;
    }
    uint32_t id = trace_writer_stack(m->writer, parent, pc, flags);
    MEM_GROW(m->content, m->content_capacity, (size_t)id + 1);
    m->content[id] = (struct trace_stack_node){.pc = pc, .parent = parent, .flags = flags};
    m->nodes[i] = (struct stack_node_key){.hash = hash, .id = id};
    if (++m->node_count * 2 > (size_t)1 << m->node_bits)
        grow_nodes(m);
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
        if (d->id < m->dense_count)
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
