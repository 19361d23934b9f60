/* SPDX-License-Identifier: MIT */
#include "trace/event_model.h"

#define MAP_BITS 17 /* twice SEEP_KINDS_MAX */
_Static_assert(1u << MAP_BITS == 2 * SEEP_KINDS_MAX, "half full at most");

struct event_model *event_model_new(void)
{
    struct event_model *m = mem_zalloc(1, sizeof *m);
    event_model_reset(m);
    return m;
}

void event_model_free(struct event_model *m)
{
    if (!m)
        return;
    free(m->kinds);
    free(m->kind_map);
    free(m);
}

static void forget_kinds(struct event_model *m)
{
    m->kind_count = 0;
    memset(m->deep, 0, sizeof m->deep);
    memset(m->near, 0, sizeof m->near);
    if (m->kind_map)
        memset(m->kind_map, 0, sizeof *m->kind_map << MAP_BITS);
}

static uint8_t end_of(unsigned call)
{
    switch (call) {
    case SEEP_CALL_NEW: return SEEP_CALL_DELETE;
    case SEEP_CALL_NEW_ARRAY: return SEEP_CALL_DELETE_ARRAY;
    case SEEP_CALL_MALLOCX:
    case SEEP_CALL_RALLOCX:
    case SEEP_CALL_XALLOCX: return SEEP_CALL_DALLOCX;
    case EVENT_END_OUT: return SEEP_CALL_REALLOC;
    default: return SEEP_CALL_FREE;
    }
}

void event_model_reset(struct event_model *m)
{
    forget_kinds(m);
    memset(m->duration_ns, 0, sizeof m->duration_ns);
    memset(m->ring, 0, sizeof m->ring);
    memset(m->history, 0, sizeof m->history);
    for (unsigned call = 0; call < sizeof m->end_call; call++)
        m->end_call[call] = end_of(call);
    m->last_symbol = m->last_link = m->last_far_slot = 0;
    m->near_older = m->near_younger = LIVE_NONE;
    m->last_address = m->carve = m->behind = 0;
}

static bool same_kind(const struct event_kind *a, const struct event_kind *b)
{
    return a->stack == b->stack && a->size == b->size && a->usable == b->usable &&
           a->call == b->call && a->alignment == b->alignment;
}

/* Where the kind stands in the map, or the free place where it would. */
static uint32_t *map_place(struct event_model *m, const struct event_kind *kind)
{
    uint64_t key = kind->stack * UINT64_C(0x100000001b3) ^ kind->size;
    key = key * UINT64_C(0x100000001b3) ^ kind->usable;
    key = key * UINT64_C(0x100000001b3) ^ (uint64_t)kind->alignment << 8 ^ kind->call;
    uint32_t at = event_hash(key, MAP_BITS);
    while (m->kind_map[at] && !same_kind(&m->kinds[m->kind_map[at] - 1], kind))
        at = (at + 1) & ((1u << MAP_BITS) - 1);
    return &m->kind_map[at];
}

uint8_t event_model_kind_code(struct event_model *m, const struct event_context *context,
                              const struct event_kind *kind, uint32_t *number)
{
    for (unsigned code = 0; code < SEEP_KIND_FAR; code++) {
        *number = event_model_candidate(context, (uint8_t)code);
        if (*number < m->kind_count && same_kind(&m->kinds[*number], kind))
            return (uint8_t)code;
    }
    if (!m->kind_map)
        m->kind_map = mem_zalloc(1u << MAP_BITS, sizeof *m->kind_map);
    uint32_t found = *map_place(m, kind);
    *number = found - 1;
    return found ? SEEP_KIND_FAR : SEEP_KIND_NEW;
}

uint32_t event_model_declare(struct event_model *m, const struct event_kind *kind, bool map)
{
    if (m->kind_count == SEEP_KINDS_MAX)
        forget_kinds(m);
    uint32_t number = m->kind_count++;
    MEM_GROW(m->kinds, m->kind_capacity, m->kind_count);
    m->kinds[number] = *kind;
    if (map)
        *map_place(m, kind) = number + 1;
    return number;
}

uint8_t event_model_address_code(const struct event_model *m, const uint64_t *ring,
                                 uint64_t address, const struct trace_block *before)
{
    if (before && before->address == address)
        return SEEP_ADDRESS_SAME;
    for (unsigned rank = 0; rank < EVENT_RING_DEPTH; rank++)
        if (ring[rank] == address)
            return (uint8_t)rank;
    if (address == m->carve)
        return SEEP_ADDRESS_CARVE;
    if (address == m->behind)
        return SEEP_ADDRESS_BEHIND;
    return (address - m->carve) % 16 == 0 ? SEEP_ADDRESS_FAR16 : SEEP_ADDRESS_FAR;
}

/* The rank of `slot` on the way from `at`, LIVE_NONE beyond `steps`. The list is sorted by birth:
 * the search ends where it has passed the block. */
static uint32_t rank_from(const struct live *l, uint32_t at, bool to_younger, unsigned steps,
                          uint32_t slot)
{
    uint64_t birth = l->blocks[slot].birth;
    for (uint32_t rank = 0; rank < steps && at != LIVE_NONE; rank++) {
        if (at == slot)
            return rank;
        if (to_younger ? l->blocks[at].birth > birth : l->blocks[at].birth < birth)
            break;
        at = to_younger ? l->links[at].younger : l->links[at].older;
    }
    return LIVE_NONE;
}

static uint32_t walk(const struct live *l, uint32_t at, bool to_younger, unsigned steps)
{
    while (steps-- && at != LIVE_NONE)
        at = to_younger ? l->links[at].younger : l->links[at].older;
    return at;
}

/* The ways of naming a block, in the order in which they are tried. */
static const struct way {
    uint8_t code, steps;
    bool to_younger;
    uint8_t start;
} ways[] = {
    {SEEP_SLOT_YOUNG, 1, false, 0},
    {SEEP_SLOT_YOUNGER, EVENT_NEIGHBOURS, true, 1},
    {SEEP_SLOT_OLDER, EVENT_NEIGHBOURS, false, 2},
    {SEEP_SLOT_YOUNG, EVENT_RANKS, false, 0},
    {SEEP_SLOT_OLD, EVENT_RANKS, true, 3},
};

static uint32_t start_of(const struct event_model *m, const struct live *l, const struct way *way)
{
    const uint32_t starts[] = {l->youngest, m->near_younger, m->near_older, l->oldest};
    return starts[way->start];
}

uint8_t event_model_slot_code(const struct event_model *m, const struct live *l, uint32_t slot)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const struct way *way = &ways[i];
        uint32_t rank = rank_from(l, start_of(m, l, way), way->to_younger, way->steps, slot);
        if (rank != LIVE_NONE)
            return (uint8_t)(way->code + rank);
    }
    return SEEP_SLOT_FAR;
}

uint32_t event_model_slot_at(const struct event_model *m, const struct live *l, uint8_t code)
{
    /* the first way is within the fourth */
    for (size_t i = 1; i < sizeof ways / sizeof *ways; i++) {
        const struct way *way = &ways[i];
        if (code >= way->code && code < way->code + way->steps)
            return walk(l, start_of(m, l, way), way->to_younger, code - way->code);
    }
    return LIVE_NONE;
}

void event_model_left(struct event_model *m, const struct live *l, const struct trace_event *ev)
{
    const struct trace_block *b = &l->blocks[ev->slot];
    m->near_older = l->links[ev->slot].older;
    m->near_younger = l->links[ev->slot].younger;
    if (ev->type == TRACE_REALLOC && ev->after.address == b->address)
        return;
    uint64_t *ring = event_model_ring(m, ev->thread, b->usable);
    memmove(ring + 1, ring, (EVENT_RING_DEPTH - 1) * sizeof *ring);
    ring[0] = b->address;
}
