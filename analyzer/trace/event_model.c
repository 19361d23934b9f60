/* SPDX-License-Identifier: MIT */
#include "trace/event_model.h"

#include <sys/mman.h>

/* The tables are visited all over: in one huge page they do not wait for addresses to be looked up,
 * too. */
#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)
#define MODEL_BYTES                                                                                \
    ((sizeof(struct event_model) + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES)

struct event_model *event_model_new(void)
{
    struct event_model *m = mem_aligned(HUGE_PAGE_BYTES, MODEL_BYTES);
    m->bits = 0;
    m->untouched = false;
    event_model_reset(m, SEEP_TABLE_BITS_MIN);
    return m;
}

void event_model_free(struct event_model *m)
{
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

void event_model_reset(struct event_model *m, unsigned bits)
{
    struct event_tables *t = &m->tables;
    if (bits == SEEP_TABLE_BITS_MAX)
        madvise(m, MODEL_BYTES, MADV_HUGEPAGE); /* only a wish */
    if (!m->untouched || bits > m->bits) {
        memset(t->recent, 0, sizeof *t->recent << bits);
        memset(t->pair, 0, sizeof *t->pair << bits);
        memset(t->last, 0, sizeof *t->last << bits);
        memset(t->step, 0, sizeof *t->step << (bits - 1));
        memset(t->near, 0, sizeof *t->near << (bits - 4));
        memset(t->ring, 0, sizeof *t - offsetof(struct event_tables, ring));
    }
    m->bits = bits;
    m->untouched = true;
    memset(&m->end_call, 0, sizeof *m - offsetof(struct event_model, end_call));
    for (unsigned call = 0; call < sizeof m->end_call; call++)
        m->end_call[call] = end_of(call);
}

/* ------------------------------------------------------------------ kinds */

uint32_t event_model_candidate(const struct event_context *x, unsigned code)
{
    const uint32_t guesses[] = {*x->recent, *x->pair, *x->last};
    if (code >= SEEP_KIND_NEAR)
        return code < SEEP_KIND_FAR ? x->near[code - SEEP_KIND_NEAR] - 1 : UINT32_MAX;
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
    uint32_t carried = number + 1;
    for (unsigned i = 0; i < EVENT_NEAR; i++) {
        uint32_t here = x->near[i];
        x->near[i] = carried;
        if (here == number + 1)
            return;
        carried = here;
    }
}

/* ------------------------------------------------------------------ addresses */

unsigned event_model_address_code(const struct event_model *m, uint32_t ring, uint64_t address,
                                  uint64_t before)
{
    if (before && before == address)
        return SEEP_ADDRESS_SAME;
    for (unsigned code = 0; code < SEEP_ADDRESS_SAME; code++)
        if (event_model_address(m, ring, code, 0) == address)
            return code;
    return (address - m->carve) % 16 == 0 ? SEEP_ADDRESS_FAR16 : SEEP_ADDRESS_FAR;
}

/* ------------------------------------------------------------------ blocks */

#define MARK_STEPS (4 * EVENT_RANKS) /* a mark is set so far from its end of the list */

static uint32_t next_of(const struct live *l, uint32_t at, bool to_younger)
{
    return to_younger ? l->links[at].younger : l->links[at].older;
}

/* The rank of `slot` on the way from `near`, which lies on its other side, UINT32_MAX where it is
 * not below EVENT_NEIGHBOURS. It is walked from the slot, whose neighbours were fetched. */
static uint32_t rank_near(const struct live *l, uint32_t near, bool to_younger, uint32_t slot)
{
    for (uint32_t rank = 0; rank < EVENT_NEIGHBOURS && slot; rank++) {
        if (slot == near)
            return rank;
        slot = next_of(l, slot, !to_younger);
    }
    return UINT32_MAX;
}

/* The rank of `slot` on the way from `at`, an end of the list, UINT32_MAX where it is not below
 * EVENT_RANKS. Then a mark is set farther on, so that most blocks need not be looked for. */
static uint32_t rank_from(const struct live *l, uint32_t at, bool to_younger, uint32_t slot,
                          struct event_mark *mark)
{
    uint32_t rank = 0;
    for (; rank < EVENT_RANKS && at; rank++) {
        if (at == slot)
            return rank;
        at = next_of(l, at, to_younger);
    }
    for (; rank < MARK_STEPS && at; rank++)
        at = next_of(l, at, to_younger);
    if (at)
        *mark = (struct event_mark){LIVE_NUMBER(l->slots[at].birth), rank};
    return UINT32_MAX;
}

unsigned event_model_slot_code(struct event_model *m, const struct live *l, uint32_t slot)
{
    uint64_t birth = LIVE_NUMBER(l->slots[slot].birth);
    uint32_t rank = UINT32_MAX;
    if (slot == live_youngest(l))
        return SEEP_SLOT_YOUNG;
    if (m->near_younger && birth > m->left_birth)
        rank = rank_near(l, m->near_younger, true, slot);
    if (rank != UINT32_MAX)
        return SEEP_SLOT_YOUNGER + rank;
    if (m->near_older && birth < m->left_birth)
        rank = rank_near(l, m->near_older, false, slot);
    if (rank != UINT32_MAX)
        return SEEP_SLOT_OLDER + rank;
    if (birth > m->younger.birth || m->younger.count < EVENT_RANKS)
        rank = rank_from(l, live_youngest(l), false, slot, &m->younger);
    if (rank != UINT32_MAX)
        return SEEP_SLOT_YOUNG + rank;
    if (birth < m->older.birth || m->older.count < EVENT_RANKS)
        rank = rank_from(l, live_oldest(l), true, slot, &m->older);
    return rank != UINT32_MAX ? SEEP_SLOT_OLD + rank : SEEP_SLOT_FAR;
}
