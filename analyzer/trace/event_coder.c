/* SPDX-License-Identifier: MIT */
#include "trace/event_coder.h"

#include "trace/event_model.h"

#define INLINE static inline __attribute__((always_inline))

_Static_assert((int)SEEP_EVENT_ALLOC == TRACE_ALLOC && (int)SEEP_EVENT_FREE == TRACE_FREE &&
                   (int)SEEP_EVENT_REALLOC == TRACE_REALLOC &&
                   (int)SEEP_EVENT_REALLOC_OUT == TRACE_REALLOC_OUT &&
                   (int)SEEP_EVENT_REALLOC_IN == TRACE_REALLOC_IN &&
                   (int)SEEP_EVENT_FAILED == TRACE_FAILED &&
                   (int)SEEP_EVENT_FREE_UNKNOWN == TRACE_FREE_UNKNOWN &&
                   (int)SEEP_EVENT_INHERITED == TRACE_INHERITED &&
                   (int)SEEP_EVENT_REPAIRED == TRACE_REPAIRED &&
                   (int)SEEP_EVENT_IMPLIED == TRACE_IMPLIED,
               "events are stored under their numbers");

/* What an event of each type is made of, in the order in which it is coded. */
enum field { OF_SLOT = 1, OF_LINK = 2, OF_FLIGHT = 4, OF_KIND = 8, OF_PLACE = 16, OF_ADDRESS = 32 };
static const uint8_t fields_of[SEEP_OP_TYPE + 1] = {
    [TRACE_ALLOC] = OF_KIND | OF_PLACE,
    [TRACE_FREE] = OF_SLOT,
    [TRACE_REALLOC] = OF_SLOT | OF_KIND | OF_PLACE,
    [TRACE_REALLOC_OUT] = OF_SLOT | OF_LINK,
    [TRACE_REALLOC_IN] = OF_FLIGHT | OF_KIND | OF_PLACE,
    [TRACE_FAILED] = OF_KIND | OF_ADDRESS,
    [TRACE_FREE_UNKNOWN] = OF_ADDRESS,
};

/* One value of a column: appended, or read and returned. */
INLINE uint8_t code_u8(struct event_coder *c, unsigned id, uint8_t v, bool reading)
{
    if (!reading) {
        bytes_u8(&c->columns->column[id], v);
        return v;
    }
    v = cursor_u8(&c->cursor[id]);
    c->bad |= c->cursor[id].bad;
    return v;
}

INLINE uint64_t code_varint(struct event_coder *c, unsigned id, uint64_t v, bool reading)
{
    if (!reading) {
        bytes_varint(&c->columns->column[id], v);
        return v;
    }
    v = cursor_varint(&c->cursor[id]);
    c->bad |= c->cursor[id].bad;
    return v;
}

INLINE uint32_t code_u32(struct event_coder *c, unsigned id, uint32_t v, bool reading)
{
    uint64_t wide = code_varint(c, id, v, reading);
    c->bad |= wide > UINT32_MAX;
    return (uint32_t)wide;
}

INLINE int64_t code_svarint(struct event_coder *c, unsigned id, int64_t v, bool reading)
{
    return seep_unzigzag(code_varint(c, id, seep_zigzag(v), reading));
}

/* Which live block the event ends or changes: into ev->slot. Returns its code. */
INLINE uint8_t code_slot(struct event_coder *c, struct trace_event *ev, bool reading)
{
    struct event_model *m = c->model;
    uint8_t code = code_u8(c, SEEP_COLUMN_SLOT,
                           reading ? 0 : event_model_slot_code(m, c->live, ev->slot), reading);
    if (code == SEEP_SLOT_FAR) {
        int64_t far =
            code_svarint(c, SEEP_COLUMN_SLOT_FAR, (int64_t)ev->slot - m->last_far_slot, reading);
        ev->slot = (uint32_t)(m->last_far_slot + far);
        m->last_far_slot = ev->slot;
    } else if (reading) {
        ev->slot = event_model_slot_at(m, c->live, code);
    }
    if (reading && !live_block(c->live, ev->slot))
        c->bad = true;
    return code;
}

INLINE void code_new_kind(struct event_coder *c, struct event_kind *kind, bool reading)
{
    kind->stack = code_u32(c, SEEP_COLUMN_STACK, kind->stack, reading);
    kind->size = code_varint(c, SEEP_COLUMN_SIZE, kind->size, reading);
    uint64_t usable = SEEP_USABLE_GLIBC(kind->size);
    kind->usable = usable + (uint64_t)code_svarint(c, SEEP_COLUMN_USABLE,
                                                   (int64_t)(kind->usable - usable), reading);
    kind->call = code_u8(c, SEEP_COLUMN_CALL, kind->call, reading);
    kind->alignment = code_u32(c, SEEP_COLUMN_ALIGN, kind->alignment, reading);
}

/* Stack, size, usable, call and alignment. Returns the kind's number. */
INLINE uint32_t code_kind(struct event_coder *c, struct event_history *history,
                          struct event_kind *kind, bool reading)
{
    struct event_model *m = c->model;
    struct event_context context = event_model_context(m, history);
    uint32_t number = 0;
    uint8_t code = reading ? 0 : event_model_kind_code(m, &context, kind, &number);
    code = code_u8(c, SEEP_COLUMN_KIND, code, reading);
    if (code == SEEP_KIND_NEW) {
        code_new_kind(c, kind, reading);
        number = event_model_declare(m, kind, !reading);
    } else {
        if (code == SEEP_KIND_FAR)
            number = code_u32(c, SEEP_COLUMN_KIND_FAR, number, reading);
        else if (reading)
            number = event_model_candidate(&context, code);
        if (reading) {
            if (number >= m->kind_count) {
                c->bad = true;
                return 0;
            }
            *kind = m->kinds[number];
        }
    }
    event_model_followed(&context, number);
    return number;
}

/* The address of the block that is made: into ev->after. `before` is the block that changes in one
 * place, or NULL. */
INLINE void code_place(struct event_coder *c, struct trace_event *ev,
                       const struct trace_block *before, bool reading)
{
    struct event_model *m = c->model;
    uint64_t *ring = event_model_ring(m, ev->thread, ev->after.usable);
    uint64_t address = ev->after.address;
    uint8_t code = reading ? 0 : event_model_address_code(m, ring, address, before);
    code = code_u8(c, SEEP_COLUMN_ADDRESS_CODE, code, reading);
    int64_t far;
    switch (code) {
    case SEEP_ADDRESS_CARVE: address = m->carve; break;
    case SEEP_ADDRESS_BEHIND: address = m->behind; break;
    case SEEP_ADDRESS_SAME:
        if (before)
            address = before->address;
        else
            c->bad = true;
        break;
    case SEEP_ADDRESS_FAR16:
        far = (int64_t)(address - m->carve) / 16;
        address = m->carve + 16 * (uint64_t)code_svarint(c, SEEP_COLUMN_ADDRESS, far, reading);
        break;
    case SEEP_ADDRESS_FAR:
        far = (int64_t)(address - m->carve);
        address = m->carve + (uint64_t)code_svarint(c, SEEP_COLUMN_ADDRESS, far, reading);
        break;
    default:
        if (code >= SEEP_ADDRESS_CARVE) {
            c->bad = true;
            break;
        }
        address = ring[code];
        event_ring_remove(ring, code);
    }
    m->behind = address + ev->after.usable + EVENT_CHUNK_HEADER_BYTES;
    if (code >= SEEP_ADDRESS_CARVE && code != SEEP_ADDRESS_SAME)
        m->carve = m->behind;
    ev->after.address = address;
}

/* The call, and the stack where it has one, of an event without a kind. */
INLINE void code_extra(struct event_coder *c, struct trace_event *ev, bool reading)
{
    ev->call = code_u8(c, SEEP_COLUMN_CALL, ev->call, reading);
    ev->stack = code_u32(c, SEEP_COLUMN_STACK, ev->stack, reading);
}

/* `floor_ns`: see event_coder_put(). */
INLINE void code_time(struct event_coder *c, struct trace_event *ev, uint32_t symbol,
                      uint64_t floor_ns, bool reading)
{
    uint32_t *duration = event_model_duration(c->model, symbol);
    uint64_t code = 0;
    if (!reading)
        code = event_model_time_code(c->time_ns, *duration, ev->time_ns, floor_ns);
    code = code_varint(c, SEEP_COLUMN_TIME, code, reading);
    if (code == 0) {
        c->time_ns += *duration;
    } else {
        uint64_t step_ns = (code - 1) * 1000;
        c->time_ns += step_ns;
        event_model_learn(duration, step_ns);
    }
    ev->time_ns = c->time_ns;
}

/* The call a block's end has most likely. */
INLINE uint8_t *expected_call(struct event_coder *c, const struct trace_event *ev)
{
    unsigned made_by = ev->type == TRACE_FREE          ? c->live->blocks[ev->slot].call
                       : ev->type == TRACE_REALLOC_OUT ? EVENT_END_OUT
                                                       : EVENT_END_UNKNOWN;
    return &c->model->end_call[made_by];
}

INLINE bool code_event(struct event_coder *c, struct trace_event *ev, uint32_t flight,
                       uint64_t floor_ns, bool reading)
{
    struct event_model *m = c->model;
    uint8_t op = 0;
    if (!reading) {
        op = (uint8_t)(ev->type | ev->flags << 3);
        if (ev->thread != c->thread)
            op |= SEEP_OP_THREAD;
        if (!(fields_of[ev->type] & OF_KIND) && (ev->stack || ev->call != *expected_call(c, ev)))
            op |= SEEP_OP_EXTRA;
    }
    op = code_u8(c, SEEP_COLUMN_OP, op, reading);
    ev->type = op & SEEP_OP_TYPE;
    ev->flags = (op & SEEP_OP_FLAGS) >> 3;
    if (op & SEEP_OP_THREAD)
        c->thread = code_u32(c, SEEP_COLUMN_THREAD, ev->thread, reading);
    ev->thread = c->thread;
    struct event_history *history = event_model_history(m, ev->thread);
    const uint8_t fields = fields_of[ev->type];
    const struct trace_block *old = NULL;
    uint32_t symbol = 0;
    if (!fields)
        c->bad = true;

    if (fields & OF_SLOT) {
        symbol = code_slot(c, ev, reading);
        if (c->bad)
            return false;
        old = &c->live->blocks[ev->slot];
    }
    if (fields & OF_LINK) {
        ev->link = m->last_link + code_u32(c, SEEP_COLUMN_LINK, ev->link - m->last_link, reading);
        m->last_link = ev->link;
        c->bad |= !ev->link || c->live->flight_count >= SEEP_FLIGHTS_MAX;
    }
    if (fields & OF_FLIGHT) {
        flight = code_u32(c, SEEP_COLUMN_LINK, flight, reading);
        if (reading && (flight >= c->live->flight_slots || !c->live->flights[flight].link)) {
            c->bad = true;
            return false;
        }
    }
    if (c->bad)
        return false;
    if (fields & OF_KIND) {
        struct event_kind kind = {.stack = ev->stack, .call = ev->call};
        if (ev->type == TRACE_FAILED) {
            kind.size = ev->failed_size;
            kind.usable = SEEP_USABLE_GLIBC(kind.size);
        } else {
            kind.size = ev->after.size;
            kind.usable = ev->after.usable;
            kind.alignment = ev->after.alignment;
        }
        symbol = code_kind(c, history, &kind, reading);
        ev->stack = kind.stack;
        ev->call = kind.call;
        if (ev->type == TRACE_FAILED) {
            ev->failed_size = kind.size;
        } else {
            ev->after.size = kind.size;
            ev->after.usable = kind.usable;
            ev->after.alignment = kind.alignment;
        }
    } else {
        uint8_t *expected = expected_call(c, ev);
        if (op & SEEP_OP_EXTRA)
            code_extra(c, ev, reading);
        else
            ev->call = *expected;
        *expected = ev->call;
    }
    if (fields & OF_PLACE)
        code_place(c, ev, old, reading);
    if (fields & OF_ADDRESS) {
        ev->address = m->last_address +
                      (uint64_t)code_svarint(c, SEEP_COLUMN_ADDRESS,
                                             (int64_t)(ev->address - m->last_address), reading);
        m->last_address = ev->address;
    }
    symbol = symbol << 3 | ev->type;
    code_time(c, ev, symbol, floor_ns, reading);
    if (c->bad)
        return false;

    if (old)
        event_model_left(m, c->live, ev);
    event_model_remember(m, history, symbol);
    live_apply(c->live, ev, flight);
    return true;
}

void event_coder_init(struct event_coder *c, struct live *live, struct columns *columns)
{
    *c = (struct event_coder){.live = live, .columns = columns, .model = event_model_new()};
}

void event_coder_release(struct event_coder *c)
{
    if (!c)
        return;
    event_model_free(c->model);
    *c = (struct event_coder){0};
}

void event_coder_reset(struct event_coder *c, uint64_t time_ns)
{
    event_model_reset(c->model);
    c->time_ns = time_ns;
    c->thread = 0;
}

void event_coder_put(struct event_coder *c, struct trace_event *ev, uint32_t flight,
                     uint64_t floor_ns)
{
    code_event(c, ev, flight, floor_ns, false);
}

void event_coder_begin(struct event_coder *c)
{
    for (unsigned id = EVENT_COLUMNS_BEGIN; id < EVENT_COLUMNS_END; id++)
        c->cursor[id] = cursor_of(&c->columns->column[id]);
    c->bad = false;
}

bool event_coder_take(struct event_coder *c, struct trace_event *ev)
{
    return code_event(c, ev, 0, 0, true);
}
