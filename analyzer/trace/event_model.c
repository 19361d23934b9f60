/* SPDX-License-Identifier: MIT */
#include "trace/event_model.h"

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
    kinds_release(&m->kinds);
    free(m);
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
    char *tables = (char *)&m->tables;
    kinds_clear(&m->kinds);
    if (m->events > EVENT_SHORT_GROUP)
        memset(tables, 0, sizeof m->tables);
    for (size_t unit = 0; unit < EVENT_UNITS && m->events <= EVENT_SHORT_GROUP; unit++) {
        size_t from = unit * EVENT_UNIT_BYTES;
        if (m->used[unit])
            memset(tables + from, 0,
                   from + EVENT_UNIT_BYTES <= sizeof m->tables ? EVENT_UNIT_BYTES
                                                               : sizeof m->tables - from);
    }
    memset(m->used, 0, sizeof m->used);
    memset(&m->events, 0, sizeof *m - offsetof(struct event_model, events));
    for (unsigned call = 0; call < sizeof m->end_call; call++)
        m->end_call[call] = end_of(call);
    m->near_older = m->near_younger = LIVE_NONE;
    event_model_prepare(m, event_model_history(m, 0));
}

/* ------------------------------------------------------------------ kinds */

void event_model_forget_kinds(struct event_model *m)
{
    kinds_clear(&m->kinds);
    struct event_tables *t = &m->tables;
    memset(t, 0, offsetof(struct event_tables, rings));
}

uint32_t event_model_candidate(const struct event_context *x, unsigned code)
{
    const uint32_t guesses[] = {*x->recent, *x->pair, *x->last};
    if (code >= SEEP_KIND_NEAR)
        return code < SEEP_KIND_FAR ? (uint32_t)x->near[code - SEEP_KIND_NEAR] - 1 : UINT32_MAX;
    unsigned type = event_guess_type(guesses[code]);
    if (type != TRACE_ALLOC && type != TRACE_REALLOC)
        return UINT32_MAX;
    return event_guess_kind(guesses[code]);
}

unsigned event_model_kind_code(const struct event_context *x, uint32_t number)
{
    unsigned code = 0;
    while (code < SEEP_KIND_FAR && event_model_candidate(x, code) != number)
        code++;
    return code;
}

void event_model_followed(const struct event_context *x, uint32_t number)
{
    uint16_t carried = (uint16_t)(number + 1);
    for (unsigned i = 0; i < EVENT_NEAR; i++) {
        uint16_t here = x->near[i];
        x->near[i] = carried;
        if (here == (uint16_t)(number + 1))
            return;
        carried = here;
    }
}

/* ------------------------------------------------------------------ addresses */

unsigned event_model_address_code(const struct event_model *m, const struct event_ring *ring,
                                  uint64_t address, const struct trace_block *before)
{
    if (before && before->address == address)
        return SEEP_ADDRESS_SAME;
    for (unsigned code = 0; code < SEEP_ADDRESS_SAME; code++)
        if (event_model_address(m, ring, code, NULL) == address)
            return code;
    return (address - m->carve) % 16 == 0 ? SEEP_ADDRESS_FAR16 : SEEP_ADDRESS_FAR;
}

/* ------------------------------------------------------------------ blocks */

/* The rank of `slot` on the way from `at`, LIVE_NONE beyond `steps`. The list is sorted by birth:
 * the search ends where it has passed the block. */
static uint32_t rank_from(const struct live *l, uint32_t at, bool to_younger, unsigned steps,
                          uint32_t slot)
{
    uint64_t birth = l->slots[slot].block.birth;
    for (uint32_t rank = 0; rank < steps && at != LIVE_NONE; rank++) {
        const struct live_slot *s = &l->slots[at];
        if (at == slot)
            return rank;
        if (to_younger ? s->block.birth > birth : s->block.birth < birth)
            break;
        at = to_younger ? s->younger : s->older;
    }
    return LIVE_NONE;
}

unsigned event_model_slot_code(const struct event_model *m, const struct live *l, uint32_t slot)
{
    uint32_t rank;
    if (slot == l->youngest)
        return SEEP_SLOT_YOUNG;
    rank = rank_from(l, m->near_younger, true, EVENT_NEIGHBOURS, slot);
    if (rank != LIVE_NONE)
        return SEEP_SLOT_YOUNGER + rank;
    rank = rank_from(l, m->near_older, false, EVENT_NEIGHBOURS, slot);
    if (rank != LIVE_NONE)
        return SEEP_SLOT_OLDER + rank;
    rank = rank_from(l, l->youngest, false, EVENT_RANKS, slot);
    if (rank != LIVE_NONE)
        return SEEP_SLOT_YOUNG + rank;
    rank = rank_from(l, l->oldest, true, EVENT_RANKS, slot);
    return rank != LIVE_NONE ? SEEP_SLOT_OLD + rank : SEEP_SLOT_FAR;
}
