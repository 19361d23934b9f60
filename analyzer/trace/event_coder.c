/* SPDX-License-Identifier: MIT */
#include "trace/event_coder.h"

#include "trace/event_model.h"

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

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

static bool makes(unsigned type)
{
    return type == TRACE_ALLOC || type == TRACE_REALLOC || type == TRACE_REALLOC_IN;
}

static bool names_slot(unsigned type)
{
    return type == TRACE_FREE || type == TRACE_REALLOC || type == TRACE_REALLOC_OUT;
}

/* The call a block's end has most likely. */
INLINE uint8_t *expected_call(struct event_coder *c, const struct trace_event *ev)
{
    unsigned made_by = ev->type == TRACE_FREE          ? c->live->slots[ev->slot].block.call
                       : ev->type == TRACE_REALLOC_OUT ? EVENT_END_OUT
                                                       : EVENT_END_UNKNOWN;
    return &c->model->end_call[made_by];
}

/* What the block that an event made has from it. */
INLINE void complete_after(struct trace_event *ev)
{
    ev->after.time_ns = ev->time_ns;
    ev->after.birth = ev->number;
    ev->after.stack = ev->stack;
    ev->after.thread = ev->thread;
    ev->after.call = ev->call;
    ev->after.flags = ev->flags;
}

INLINE struct event_ring *ring_for(struct event_coder *c, const struct trace_event *ev)
{
    return event_model_ring(c->model, ev->thread, ev->after.usable);
}

/* Both sides, at the end of an event: to the live blocks, and to what the next one is guessed
 * from. `place` is the code of the address; `symbol` the event's. */
INLINE void apply(struct event_coder *c, struct trace_event *ev, unsigned place, uint32_t flight,
                  uint32_t symbol)
{
    struct event_model *m = c->model;
    struct live *l = c->live;
    event_model_remember(m, c->history, symbol);
    switch (ev->type) {
    case TRACE_ALLOC:
        complete_after(ev);
        event_model_placed(m, ring_for(c, ev), place, ev->after.address, ev->after.usable);
        ev->slot = live_enter(l, &ev->after);
        break;
    case TRACE_FREE:
        event_model_left(m, l, ev->slot);
        event_model_freed(m, ev->thread, &ev->before);
        live_leave(l, ev->slot);
        break;
    case TRACE_REALLOC:
        complete_after(ev);
        event_model_left(m, l, ev->slot);
        event_model_placed(m, ring_for(c, ev), place, ev->after.address, ev->after.usable);
        if (ev->before.address != ev->after.address)
            event_model_freed(m, ev->thread, &ev->before);
        live_change(l, ev->slot, &ev->after);
        break;
    case TRACE_REALLOC_OUT:
        event_model_left(m, l, ev->slot);
        event_model_freed(m, ev->thread, &ev->before);
        live_leave(l, ev->slot);
        live_start_flight(l, &ev->before, ev->link);
        break;
    case TRACE_REALLOC_IN:
        complete_after(ev);
        event_model_placed(m, ring_for(c, ev), place, ev->after.address, ev->after.usable);
        live_end_flight(l, flight);
        ev->slot = live_enter(l, &ev->after);
        break;
    case TRACE_FAILED:
    case TRACE_FREE_UNKNOWN:
    case TRACE_BESIDE:
    case TRACE_GAP: break;
    }
}

static void follow_thread(struct event_coder *c, uint32_t thread)
{
    c->thread = thread;
    c->history = event_model_history(c->model, thread);
    event_model_prepare(c->model, c->history);
}

/* The guesses learn from an event whose token said how far they were right: `level` is the place of
 * the first right one, 3 if none was. */
static void teach(const struct event_context *x, unsigned level, uint32_t right)
{
    event_teach(x->recent, right);
    if (level > 0)
        event_teach(x->pair, right);
    if (level > 1)
        event_teach(x->last, right);
}

/* ------------------------------------------------------------------ writing */

static void put_u8(struct event_coder *c, unsigned id, unsigned v)
{
    bytes_u8(&c->columns->column[id], (uint8_t)v);
}

static void put_varint(struct event_coder *c, unsigned id, uint64_t v)
{
    bytes_varint(&c->columns->column[id], v);
}

static void put_svarint(struct event_coder *c, unsigned id, int64_t v)
{
    bytes_svarint(&c->columns->column[id], v);
}

/* The kind that the event makes, or failed to make. */
static struct kind kind_of_event(const struct trace_event *ev)
{
    struct trace_block b = ev->after;
    if (ev->type == TRACE_FAILED)
        b = (struct trace_block){.size = ev->failed_size,
                                 .usable = SEEP_USABLE_GLIBC(ev->failed_size)};
    b.stack = ev->stack;
    b.call = ev->call;
    return kind_of_block(&b);
}

/* Whether the guess names what happened. */
INLINE bool is_right(struct event_coder *c, const struct trace_event *ev, uint32_t guess)
{
    const struct event_model *m = c->model;
    if (event_guess_type(guess) != ev->type)
        return false;
    const struct trace_block *before = NULL;
    if (ev->type != TRACE_ALLOC) {
        if (event_model_slot_at(m, c->live, event_guess_slot(guess)) != ev->slot)
            return false;
        before = &c->live->slots[ev->slot].block;
    }
    if (ev->type == TRACE_FREE)
        return true;
    if (event_guess_kind(guess) >= m->kinds.count)
        return false;
    const struct kind *k = &m->kinds.items[event_guess_kind(guess)];
    if (k->size != ev->after.size || k->stack != ev->stack || k->usable != ev->after.usable ||
        k->call != ev->call || k->alignment != ev->after.alignment)
        return false;
    unsigned place = event_guess_place(guess);
    return place <= SEEP_ADDRESS_SAME && (place < SEEP_ADDRESS_SAME || before) &&
           event_model_address(m, event_model_ring(c->model, ev->thread, k->usable), place,
                               before) == ev->after.address;
}

static void put_stack(struct event_coder *c, uint32_t stack)
{
    struct event_model *m = c->model;
    put_svarint(c, SEEP_COLUMN_STACK, (int64_t)stack - m->last_stack);
    if (stack > m->last_stack)
        m->last_stack = stack;
}

/* The kind and, with it, how the address is named: one token. Returns the kind's number. */
static uint32_t put_kind(struct event_coder *c, const struct event_context *x,
                         const struct kind *kind, unsigned place)
{
    struct event_model *m = c->model;
    uint32_t number = kinds_find(&m->kinds, kind, false);
    unsigned code = number == UINT32_MAX ? SEEP_KIND_NEW : event_model_kind_code(x, number);
    put_u8(c, SEEP_COLUMN_TOKEN, SEEP_TOKEN_MAKE + code * SEEP_ADDRESS_CODES + place);
    if (code == SEEP_KIND_FAR) {
        put_u8(c, SEEP_COLUMN_KIND_LOW, number & 0xff);
        put_u8(c, SEEP_COLUMN_KIND_HIGH, number >> 8);
    } else if (code == SEEP_KIND_NEW) {
        if (m->kinds.count == SEEP_KINDS_MAX)
            event_model_forget_kinds(m);
        number = kinds_find(&m->kinds, kind, true);
        put_stack(c, kind->stack);
        put_varint(c, SEEP_COLUMN_SIZE, kind->size);
        put_svarint(c, SEEP_COLUMN_USABLE, (int64_t)(kind->usable - SEEP_USABLE_GLIBC(kind->size)));
        put_u8(c, SEEP_COLUMN_CALL, kind->call);
        put_varint(c, SEEP_COLUMN_ALIGN, kind->alignment);
    }
    event_model_followed(x, number);
    return number;
}

static unsigned put_slot(struct event_coder *c, uint32_t slot)
{
    unsigned code = event_model_slot_code(c->model, c->live, slot);
    put_u8(c, SEEP_COLUMN_TOKEN, SEEP_TOKEN_FREE + code);
    if (code == SEEP_SLOT_FAR) {
        put_u8(c, SEEP_COLUMN_SLOT_LOW, slot & 0xff);
        put_u8(c, SEEP_COLUMN_SLOT_MIDDLE, slot >> 8 & 0xff);
        put_varint(c, SEEP_COLUMN_SLOT_HIGH, slot >> 16);
    }
    return code;
}

static void put_address(struct event_coder *c, unsigned place, uint64_t address)
{
    int64_t far = (int64_t)(address - c->model->carve);
    if (place >= SEEP_ADDRESS_FAR16)
        put_svarint(c, SEEP_COLUMN_ADDRESS, place == SEEP_ADDRESS_FAR16 ? far / 16 : far);
}

/* An event that has no token of its own begins with its type. */
static void put_op(struct event_coder *c, const struct trace_event *ev, bool extra)
{
    put_u8(c, SEEP_COLUMN_TOKEN, SEEP_TOKEN_OTHER);
    put_u8(c, SEEP_COLUMN_OP, (unsigned)ev->type | ev->flags * 8u | (extra ? SEEP_OP_EXTRA : 0));
}

/* Writes what the guesses do not say. Returns the code of the address, and the event's symbol. */
NOINLINE unsigned put_token(struct event_coder *c, const struct trace_event *ev, bool plain,
                            bool extra, uint32_t flight, uint32_t *symbol)
{
    struct event_model *m = c->model;
    struct event_context x = event_model_context(m, c->history);
    unsigned type = ev->type;
    put_varint(c, SEEP_COLUMN_RUN, c->run);
    c->run = 0;
    const uint32_t *levels[] = {x.recent, x.pair, x.last};
    for (unsigned level = 1; plain && level < 3; level++) {
        uint32_t guess = *levels[level];
        if (is_right(c, ev, guess)) {
            put_u8(c, SEEP_COLUMN_TOKEN, level == 1 ? SEEP_TOKEN_PAIR : SEEP_TOKEN_LAST);
            teach(&x, level, guess & (EVENT_CONFIDENCE_ONE - 1));
            *symbol = type == TRACE_FREE ? 0 : m->kinds.items[event_guess_kind(guess)].symbol;
            if (type != TRACE_FREE)
                event_model_followed(&x, event_guess_kind(guess));
            return event_guess_place(guess);
        }
    }
    if (!plain || type == TRACE_REALLOC)
        put_op(c, ev, extra);
    unsigned slot = 0, place = 0;
    uint32_t number = 0;
    if (names_slot(type))
        slot = put_slot(c, ev->slot);
    if (type == TRACE_REALLOC_OUT)
        put_varint(c, SEEP_COLUMN_LINK, (uint32_t)(ev->link - m->last_link));
    if (type == TRACE_REALLOC_IN)
        put_varint(c, SEEP_COLUMN_LINK, flight);
    if (makes(type)) {
        place = event_model_address_code(m, ring_for(c, ev), ev->after.address,
                                         type == TRACE_REALLOC ? &c->live->slots[ev->slot].block
                                                               : NULL);
        put_address(c, place, ev->after.address);
    }
    if (makes(type) || type == TRACE_FAILED) {
        struct kind kind = kind_of_event(ev);
        number = put_kind(c, &x, &kind, place);
        *symbol = kind.symbol;
    }
    if (extra) {
        put_u8(c, SEEP_COLUMN_CALL, ev->call);
        put_stack(c, ev->stack);
    }
    if (type == TRACE_FAILED || type == TRACE_FREE_UNKNOWN) {
        put_svarint(c, SEEP_COLUMN_ADDRESS, (int64_t)(ev->address - m->last_address));
        m->last_address = ev->address;
    }
    if (type == TRACE_REALLOC_OUT)
        m->last_link = ev->link;
    if (type <= TRACE_REALLOC)
        teach(&x, 3, event_guess(type, slot, place, number));
    return place;
}

static void put_thread(struct event_coder *c, uint32_t thread)
{
    put_varint(c, SEEP_COLUMN_THREAD, c->same_thread);
    put_varint(c, SEEP_COLUMN_THREAD, thread);
    c->same_thread = 0;
    follow_thread(c, thread);
}

void event_coder_put(struct event_coder *c, struct trace_event *ev, uint32_t flight)
{
    struct event_model *m = c->model;
    if (ev->thread != c->thread)
        put_thread(c, ev->thread);
    c->same_thread++;
    bool extra = false, plain = ev->type <= TRACE_REALLOC && !ev->flags;
    if (!makes(ev->type) && ev->type != TRACE_FAILED) {
        uint8_t *expected = expected_call(c, ev);
        extra = ev->stack || ev->call != *expected;
        plain &= !extra;
        *expected = ev->call;
    }
    uint32_t *recent = event_model_recent(m, c->history), symbol = 0;
    unsigned place;
    if (plain && is_right(c, ev, *recent)) {
        c->run++;
        place = event_guess_place(*recent);
        if (ev->type != TRACE_FREE)
            symbol = m->kinds.items[event_guess_kind(*recent)].symbol;
        event_confirm(recent);
    } else {
        place = put_token(c, ev, plain, extra, flight, &symbol);
    }
    if (names_slot(ev->type))
        live_copy_block(&ev->before, &c->live->slots[ev->slot].block);
    if (ev->type == TRACE_REALLOC_IN) {
        ev->before = c->live->flights[flight].before;
        ev->link = c->live->flights[flight].link;
    }
    if (ev->type == TRACE_FREE || ev->type == TRACE_REALLOC_OUT)
        symbol = kind_symbol(ev->before.stack, ev->before.size);
    symbol = event_symbol(symbol, ev->type);
    event_clock_put(&c->clock, event_clock_step(m->last_symbol, symbol), ev->time_ns);
    apply(c, ev, place, flight, symbol);
}

void event_coder_flush(struct event_coder *c)
{
    c->run = c->same_thread = 0;
    event_clock_flush(&c->clock);
}

/* ------------------------------------------------------------------ reading */

static uint32_t take_u32(struct cursor *c)
{
    return (uint32_t)cursor_bounded(c, UINT32_MAX);
}

static void next_run(struct event_coder *c)
{
    c->run = cursor_done(&c->cursor[SEEP_COLUMN_TOKEN])
                 ? UINT64_MAX
                 : cursor_varint(&c->cursor[SEEP_COLUMN_RUN]);
}

static void next_thread_run(struct event_coder *c)
{
    struct cursor *column = &c->cursor[SEEP_COLUMN_THREAD];
    c->same_thread = cursor_done(column) ? UINT64_MAX : cursor_varint(column);
}

NOINLINE bool take_thread(struct event_coder *c)
{
    struct cursor *column = &c->cursor[SEEP_COLUMN_THREAD];
    follow_thread(c, take_u32(column));
    if (c->thread > c->highest_thread)
        c->highest_thread = c->thread;
    next_thread_run(c);
    return !column->bad && c->same_thread;
}

static uint32_t take_stack(struct event_coder *c)
{
    struct event_model *m = c->model;
    struct cursor *column = &c->cursor[SEEP_COLUMN_STACK];
    uint64_t stack = m->last_stack + (uint64_t)cursor_svarint(column);
    if (stack > UINT32_MAX)
        cursor_fail(column);
    if (column->bad)
        return 0;
    if (stack > m->last_stack)
        m->last_stack = (uint32_t)stack;
    if (stack > c->highest_stack)
        c->highest_stack = (uint32_t)stack;
    return (uint32_t)stack;
}

static bool take_new_kind(struct event_coder *c, uint32_t *number)
{
    struct event_model *m = c->model;
    struct cursor *size = &c->cursor[SEEP_COLUMN_SIZE], *usable = &c->cursor[SEEP_COLUMN_USABLE];
    struct cursor *call = &c->cursor[SEEP_COLUMN_CALL], *align = &c->cursor[SEEP_COLUMN_ALIGN];
    if (m->kinds.count == SEEP_KINDS_MAX)
        event_model_forget_kinds(m);
    struct kind kind = {.stack = take_stack(c), .size = cursor_varint(size)};
    kind.usable = SEEP_USABLE_GLIBC(kind.size) + (uint64_t)cursor_svarint(usable);
    kind.call = cursor_u8(call);
    kind.alignment = take_u32(align);
    kind.symbol = kind_symbol(kind.stack, kind.size);
    *number = kinds_add(&m->kinds, &kind);
    return !(c->cursor[SEEP_COLUMN_STACK].bad | size->bad | usable->bad | call->bad | align->bad);
}

/* The token of a kind and the way its address is named: into *guess. */
static bool take_kind(struct event_coder *c, const struct event_context *x, unsigned token,
                      uint32_t *guess)
{
    struct cursor *low = &c->cursor[SEEP_COLUMN_KIND_LOW];
    struct cursor *high = &c->cursor[SEEP_COLUMN_KIND_HIGH];
    if (token < SEEP_TOKEN_MAKE)
        return false;
    unsigned code = (token - SEEP_TOKEN_MAKE) / SEEP_ADDRESS_CODES;
    unsigned place = (token - SEEP_TOKEN_MAKE) % SEEP_ADDRESS_CODES;
    uint32_t number;
    if (code == SEEP_KIND_NEW) {
        if (!take_new_kind(c, &number))
            return false;
    } else if (code == SEEP_KIND_FAR) {
        number = cursor_u8(low);
        number |= (uint32_t)cursor_u8(high) << 8;
        if (low->bad || high->bad)
            return false;
    } else {
        number = event_model_candidate(x, code);
    }
    if (number >= c->model->kinds.count)
        return false;
    event_model_followed(x, number);
    *guess |= event_guess(0, 0, place, number);
    return true;
}

static bool take_slot(unsigned token, uint32_t *guess)
{
    if (token < SEEP_TOKEN_FREE || token > SEEP_TOKEN_FREE + SEEP_SLOT_FAR)
        return false;
    *guess |= event_guess(0, token - SEEP_TOKEN_FREE, 0, 0);
    return true;
}

/* An event without a token of its own. *op is how it began. */
static bool take_op(struct event_coder *c, const struct event_context *x, unsigned *op,
                    uint32_t *guess)
{
    struct cursor *tokens = &c->cursor[SEEP_COLUMN_TOKEN];
    *op = cursor_u8(&c->cursor[SEEP_COLUMN_OP]);
    unsigned type = *op & SEEP_OP_TYPE;
    *guess = type;
    if (c->cursor[SEEP_COLUMN_OP].bad || !type)
        return false;
    if (names_slot(type) && !take_slot(cursor_u8(tokens), guess))
        return false;
    if ((makes(type) || type == TRACE_FAILED) && !take_kind(c, x, cursor_u8(tokens), guess))
        return false;
    return !tokens->bad;
}

/* The event as a guess would have told it; *op where it says more. */
NOINLINE bool take_token(struct event_coder *c, unsigned *op, uint32_t *guess)
{
    struct event_context x = event_model_context(c->model, c->history);
    struct cursor *tokens = &c->cursor[SEEP_COLUMN_TOKEN];
    unsigned token = cursor_u8(tokens), level = 3;
    bool good = !tokens->bad && !c->cursor[SEEP_COLUMN_RUN].bad;
    if (token == SEEP_TOKEN_PAIR || token == SEEP_TOKEN_LAST) {
        level = token == SEEP_TOKEN_PAIR ? 1 : 2;
        *guess = (level == 1 ? *x.pair : *x.last) & (EVENT_CONFIDENCE_ONE - 1);
        good &= event_guess_type(*guess) != 0;
        if (event_guess_type(*guess) != TRACE_FREE)
            event_model_followed(&x, event_guess_kind(*guess));
    } else if (token == SEEP_TOKEN_OTHER) {
        good = good && take_op(c, &x, op, guess);
    } else if (token >= SEEP_TOKEN_MAKE) {
        *guess = TRACE_ALLOC;
        good = good && take_kind(c, &x, token, guess);
    } else {
        *guess = TRACE_FREE;
        good = good && take_slot(token, guess);
    }
    if (good && event_guess_type(*guess) <= TRACE_REALLOC)
        teach(&x, level, *guess);
    next_run(c);
    return good;
}

/* The block that the event ends or changes: into slot and before. */
INLINE bool take_before(struct event_coder *c, struct trace_event *ev, unsigned code)
{
    uint32_t slot = event_model_slot_at(c->model, c->live, code);
    if (__builtin_expect(slot == LIVE_NONE, 0)) {
        if (code != SEEP_SLOT_FAR)
            return false;
        slot = cursor_u8(&c->cursor[SEEP_COLUMN_SLOT_LOW]);
        slot |= (uint32_t)cursor_u8(&c->cursor[SEEP_COLUMN_SLOT_MIDDLE]) << 8;
        slot |= (uint32_t)cursor_bounded(&c->cursor[SEEP_COLUMN_SLOT_HIGH], UINT16_MAX) << 16;
        if (c->cursor[SEEP_COLUMN_SLOT_LOW].bad | c->cursor[SEEP_COLUMN_SLOT_MIDDLE].bad |
                c->cursor[SEEP_COLUMN_SLOT_HIGH].bad ||
            !live_has(c->live, slot))
            return false;
    }
    ev->slot = slot;
    live_copy_block(&ev->before, &c->live->slots[slot].block);
    return true;
}

/* The kind and address of the block that is made: into `after`, stack and call. `before` is the
 * block that changes in one place, or NULL. Returns the kind, NULL where it makes no sense. */
INLINE const struct kind *take_after(struct event_coder *c, struct trace_event *ev, uint32_t guess,
                                     const struct trace_block *before)
{
    struct event_model *m = c->model;
    uint32_t number = event_guess_kind(guess);
    unsigned place = event_guess_place(guess);
    if (number >= m->kinds.count || (place == SEEP_ADDRESS_SAME && !before))
        return NULL;
    const struct kind *k = &m->kinds.items[number];
    ev->after.address =
        event_model_address(m, event_model_ring(m, ev->thread, k->usable), place, before);
    if (place >= SEEP_ADDRESS_FAR16) {
        struct cursor *column = &c->cursor[SEEP_COLUMN_ADDRESS];
        uint64_t far = (uint64_t)cursor_svarint(column);
        ev->after.address = m->carve + (place == SEEP_ADDRESS_FAR16 ? far * 16 : far);
        if (column->bad)
            return NULL;
    }
    ev->after.size = k->size;
    ev->after.usable = k->usable;
    ev->after.alignment = k->alignment;
    ev->stack = k->stack;
    ev->call = k->call;
    return k;
}

/* The call, and the stack where it has one, of an event without a kind. */
INLINE bool take_end(struct event_coder *c, struct trace_event *ev, unsigned op)
{
    uint8_t *expected = expected_call(c, ev);
    ev->call = *expected;
    ev->stack = 0;
    if (op & SEEP_OP_EXTRA) {
        struct cursor *column = &c->cursor[SEEP_COLUMN_CALL];
        *expected = ev->call = cursor_u8(column);
        ev->stack = take_stack(c);
        return !column->bad && !c->cursor[SEEP_COLUMN_STACK].bad;
    }
    return true;
}

INLINE bool take_time(struct event_coder *c, struct trace_event *ev, uint32_t symbol)
{
    if (!event_clock_take(&c->clock, event_clock_step(c->model->last_symbol, symbol)))
        return false;
    ev->time_ns = event_clock_ns(&c->clock);
    return true;
}

static bool take_link(struct event_coder *c, struct trace_event *ev)
{
    struct cursor *column = &c->cursor[SEEP_COLUMN_LINK];
    ev->link = c->model->last_link += take_u32(column);
    return !column->bad && ev->link && c->live->flight_count < SEEP_FLIGHTS_MAX;
}

static bool take_flight(struct event_coder *c, struct trace_event *ev, uint32_t *flight)
{
    struct cursor *column = &c->cursor[SEEP_COLUMN_LINK];
    *flight = take_u32(column);
    if (column->bad || *flight >= c->live->flight_slots || !c->live->flights[*flight].link)
        return false;
    ev->before = c->live->flights[*flight].before;
    ev->link = c->live->flights[*flight].link;
    return true;
}

static bool take_address(struct event_coder *c, struct trace_event *ev)
{
    struct cursor *column = &c->cursor[SEEP_COLUMN_ADDRESS];
    ev->address = c->model->last_address += (uint64_t)cursor_svarint(column);
    return !column->bad;
}

/* Events of the types that are never guessed. */
NOINLINE bool take_rare(struct event_coder *c, struct trace_event *ev, unsigned op, uint32_t guess)
{
    const struct kind *kind;
    uint32_t flight = 0, symbol = 0;
    switch (ev->type) {
    case TRACE_REALLOC_OUT:
        if (!take_before(c, ev, event_guess_slot(guess)) || !take_link(c, ev) ||
            !take_end(c, ev, op))
            return false;
        symbol = kind_symbol(ev->before.stack, ev->before.size);
        break;
    case TRACE_REALLOC_IN:
        if (!take_flight(c, ev, &flight) || !(kind = take_after(c, ev, guess, NULL)))
            return false;
        symbol = kind->symbol;
        break;
    case TRACE_FAILED:
        if (event_guess_place(guess) || !(kind = take_after(c, ev, guess, NULL)) ||
            !take_address(c, ev))
            return false;
        ev->failed_size = kind->size;
        symbol = kind->symbol;
        break;
    default:
        if (!take_end(c, ev, op) || !take_address(c, ev))
            return false;
    }
    symbol = event_symbol(symbol, ev->type);
    if (!take_time(c, ev, symbol))
        return false;
    apply(c, ev, event_guess_place(guess), flight, symbol);
    return true;
}

void event_coder_begin(struct event_coder *c)
{
    for (unsigned id = EVENT_COLUMNS_BEGIN; id < EVENT_COLUMNS_END; id++)
        c->cursor[id] = cursor_of(&c->columns->column[id]);
    next_run(c);
    next_thread_run(c);
    event_clock_begin(&c->clock);
}

bool event_coder_take(struct event_coder *c, struct trace_event *ev)
{
    unsigned op = 0;
    uint32_t guess, symbol;
    const struct kind *kind;
    if (c->same_thread == 0 && !take_thread(c))
        return false;
    c->same_thread--;
    if (c->run) {
        uint32_t *recent = event_model_recent(c->model, c->history);
        c->run--;
        guess = *recent;
        event_confirm(recent);
    } else if (!take_token(c, &op, &guess)) {
        return false;
    }
    ev->type = (enum trace_event_type)event_guess_type(guess);
    ev->flags = (op & SEEP_OP_FLAGS) >> 3;
    ev->thread = c->thread;
    switch (ev->type) {
    case TRACE_ALLOC:
        if (!(kind = take_after(c, ev, guess, NULL)))
            return false;
        symbol = event_symbol(kind->symbol, TRACE_ALLOC);
        if (!take_time(c, ev, symbol))
            return false;
        apply(c, ev, event_guess_place(guess), 0, symbol);
        return true;
    case TRACE_FREE:
        if (!take_before(c, ev, event_guess_slot(guess)) || !take_end(c, ev, op))
            return false;
        symbol = event_symbol(kind_symbol(ev->before.stack, ev->before.size), TRACE_FREE);
        if (!take_time(c, ev, symbol))
            return false;
        apply(c, ev, 0, 0, symbol);
        return true;
    case TRACE_REALLOC:
        if (!take_before(c, ev, event_guess_slot(guess)) ||
            !(kind = take_after(c, ev, guess, &ev->before)))
            return false;
        symbol = event_symbol(kind->symbol, TRACE_REALLOC);
        if (!take_time(c, ev, symbol))
            return false;
        apply(c, ev, event_guess_place(guess), 0, symbol);
        return true;
    default: return (int)ev->type && take_rare(c, ev, op, guess);
    }
}

/* ------------------------------------------------------------------ both */

void event_coder_init(struct event_coder *c, struct live *live, struct columns *columns)
{
    *c = (struct event_coder){.live = live, .columns = columns, .model = event_model_new()};
    event_clock_init(&c->clock, columns);
    event_coder_reset(c, 0, 1);
}

void event_coder_release(struct event_coder *c)
{
    if (!c)
        return;
    event_model_free(c->model);
    event_clock_release(&c->clock);
    *c = (struct event_coder){0};
}

void event_coder_reset(struct event_coder *c, uint64_t time_ns, uint32_t unit_us)
{
    event_model_reset(c->model);
    event_clock_reset(&c->clock, time_ns, unit_us);
    c->thread = 0;
    c->history = event_model_history(c->model, 0);
    c->run = c->same_thread = 0;
}
