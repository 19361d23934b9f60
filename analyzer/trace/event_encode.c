/* SPDX-License-Identifier: MIT
 *
 * Events to columns. */
#include "trace/event_apply.h"
#include "trace/event_coder.h"

static bool makes(unsigned type)
{
    return type == TRACE_ALLOC || type == TRACE_REALLOC || type == TRACE_REALLOC_IN;
}

static bool names_slot(unsigned type)
{
    return type == TRACE_FREE || type == TRACE_REALLOC || type == TRACE_REALLOC_OUT;
}

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

static unsigned place_of(uint32_t guess)
{
    return event_guess_type(guess) == TRACE_REALLOC ? event_guess_realloc_place(guess)
                                                    : event_guess_place(guess);
}

/* Whether the guess names what happened. A FREE is named by its block alone, whatever kind was
 * expected; `strictly` where a wrong one should rather not be learnt from. */
EVENT_INLINE bool is_right(struct event_coder *c, const struct trace_event *ev, uint32_t guess,
                           bool strictly)
{
    const struct event_model *m = c->model;
    const struct live *l = c->live;
    uint64_t before = 0;
    if (event_guess_type(guess) != ev->type)
        return false;
    if (ev->type != TRACE_ALLOC) {
        if (event_model_slot_at(m, l, event_guess_slot(guess)) != ev->slot)
            return false;
        before = l->slots[ev->slot].address;
    }
    if (ev->type == TRACE_FREE)
        return !strictly || l->slots[ev->slot].kind == event_guess_kind(guess);
    const struct kind *k = &l->kinds.items[event_guess_kind(guess)];
    unsigned place = place_of(guess);
    return k->size == ev->after.size && k->stack == ev->stack && k->usable == ev->after.usable &&
           k->call == ev->call && k->alignment == ev->after.alignment &&
           event_model_address(m, event_ring(k, ev->thread), place, before) == ev->after.address;
}

static void put_stack(struct event_coder *c, uint32_t stack)
{
    struct event_model *m = c->model;
    put_svarint(c, SEEP_COLUMN_STACK, (int64_t)stack - m->last_stack);
    if (stack > m->last_stack)
        m->last_stack = stack;
}

/* The kind and, with it, how the address is named: one token. `number` is UINT32_MAX for a kind
 * that has none yet; returns its number. */
static uint32_t put_kind(struct event_coder *c, const struct event_context *x,
                         const struct kind *kind, uint32_t number, unsigned place)
{
    unsigned code = number == UINT32_MAX ? SEEP_KIND_NEW : event_model_kind_code(x, number);
    put_u8(c, SEEP_COLUMN_TOKEN, SEEP_TOKEN_MAKE + code * SEEP_ADDRESS_CODES + place);
    if (code == SEEP_KIND_FAR) {
        put_u8(c, SEEP_COLUMN_KIND_LOW, number & 0xff);
        put_varint(c, SEEP_COLUMN_KIND_HIGH, number >> 8);
    } else if (code == SEEP_KIND_NEW) {
        number = kinds_find(&c->live->kinds, kind, true);
        put_stack(c, kind->stack);
        put_varint(c, SEEP_COLUMN_SIZE, kind->size);
        put_svarint(c, SEEP_COLUMN_USABLE, (int64_t)(kind->usable - SEEP_USABLE_GLIBC(kind->size)));
        put_u8(c, SEEP_COLUMN_CALL, kind->call);
        put_varint(c, SEEP_COLUMN_ALIGN, kind->alignment);
    }
    event_model_followed(x, number);
    return number;
}

/* The number of the kind, UINT32_MAX if it has none: the one that was guessed, perhaps, whose place
 * only was wrong. */
static uint32_t find_kind(struct kinds *kinds, const struct event_context *x,
                          const struct kind *kind)
{
    for (unsigned code = 0; code < SEEP_KIND_NEAR; code++) {
        uint32_t number = event_model_candidate(x, code);
        if (number < kinds->count && kind_same(&kinds->items[number], kind))
            return number;
    }
    return kinds_find(kinds, kind, false);
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

/* Of an event that is ALLOC, FREE or REALLOC with nothing else to be told, whether the second or
 * third guess is right; writes which. */
static bool put_level(struct event_coder *c, const struct trace_event *ev,
                      const struct event_context *x, uint32_t *guess)
{
    const uint32_t *levels[] = {x->recent, x->pair, x->last};
    for (unsigned level = 1; level < 3; level++) {
        *guess = *levels[level] & EVENT_GUESS_MASK;
        if (!is_right(c, ev, *guess, true))
            continue;
        put_u8(c, SEEP_COLUMN_TOKEN, level == 1 ? SEEP_TOKEN_PAIR : SEEP_TOKEN_LAST);
        if (ev->type != TRACE_FREE)
            event_model_followed(x, event_guess_kind(*guess));
        event_teach_all(x, level, *guess);
        return true;
    }
    return false;
}

/* Writes what the guesses do not say. Returns the code of the address, and the kind made or ended.
 */
static __attribute__((noinline)) uint32_t put_token(struct event_coder *c,
                                                    const struct trace_event *ev, bool plain,
                                                    bool extra, uint32_t flight, uint32_t *kind)
{
    struct event_model *m = c->model;
    struct live *l = c->live;
    struct event_context x = event_model_context(m, c->history);
    unsigned type = ev->type, slot = 0, place = 0;
    uint32_t guess;
    put_varint(c, SEEP_COLUMN_RUN, c->run);
    c->run = 0;
    if (plain && put_level(c, ev, &x, &guess)) {
        *kind = event_guess_kind(guess);
        return place_of(guess);
    }
    if (!plain || type == TRACE_REALLOC)
        put_op(c, ev, extra);
    if (names_slot(type)) {
        slot = put_slot(c, ev->slot);
        *kind = l->slots[ev->slot].kind;
    }
    if (type == TRACE_REALLOC_OUT)
        put_varint(c, SEEP_COLUMN_LINK, (uint32_t)(ev->link - m->last_link));
    if (type == TRACE_REALLOC_IN)
        put_varint(c, SEEP_COLUMN_LINK, flight);
    if (makes(type) || type == TRACE_FAILED) {
        struct kind k = kind_of_event(ev);
        if (makes(type)) {
            place =
                event_model_address_code(m, event_ring(&k, ev->thread), ev->after.address,
                                         type == TRACE_REALLOC ? l->slots[ev->slot].address : 0);
            put_address(c, place, ev->after.address);
        }
        *kind = put_kind(c, &x, &k, find_kind(&l->kinds, &x, &k), place);
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
        event_teach_all(&x, 3, event_guess_of(type, slot, place, *kind));
    return place;
}

static void put_thread(struct event_coder *c, uint32_t thread)
{
    put_varint(c, SEEP_COLUMN_THREAD, c->same_thread);
    put_varint(c, SEEP_COLUMN_THREAD, thread);
    c->same_thread = 0;
    c->thread = thread;
    c->history = event_model_history(c->model, thread);
}

/* The call a block's end has most likely. */
static uint8_t *expected_call(struct event_coder *c, const struct trace_event *ev)
{
    const struct live *l = c->live;
    unsigned made_by = ev->type == TRACE_FREE ? l->kinds.items[l->slots[ev->slot].kind].call
                       : ev->type == TRACE_REALLOC_OUT ? EVENT_END_OUT
                                                       : EVENT_END_UNKNOWN;
    return &c->model->end_call[made_by];
}

/* What the block that an event made has from it. */
static void complete_after(struct trace_event *ev)
{
    ev->after.time_ns = ev->time_ns;
    ev->after.birth = ev->number;
    ev->after.stack = ev->stack;
    ev->after.thread = ev->thread;
    ev->after.call = ev->call;
    ev->after.flags = ev->flags;
}

static void apply(struct event_coder *c, struct trace_event *ev, unsigned place, uint32_t flight,
                  uint32_t kind)
{
    struct event_model *m = c->model;
    struct live *l = c->live;
    struct live_slot b = {.address = ev->after.address,
                          .time_ns = ev->time_ns,
                          .birth = ev->number | (uint64_t)ev->flags << LIVE_FLAGS_SHIFT,
                          .kind = kind,
                          .thread = ev->thread};
    if (names_slot(ev->type))
        event_model_count_left(m, ev->before.birth);
    if (makes(ev->type))
        event_model_count_entered(m);
    switch (ev->type) {
    case TRACE_ALLOC: ev->slot = event_make(m, l, &b, place); break;
    case TRACE_FREE: event_end(m, l, ev->thread, ev->slot); break;
    case TRACE_REALLOC: event_change(m, l, ev->slot, &b, place); break;
    case TRACE_REALLOC_OUT:
        event_end(m, l, ev->thread, ev->slot);
        live_start_flight(l, &l->slots[ev->slot], ev->link);
        break;
    case TRACE_REALLOC_IN:
        live_end_flight(l, flight);
        ev->slot = event_make(m, l, &b, place);
        break;
    case TRACE_FAILED:
    case TRACE_FREE_UNKNOWN:
    case TRACE_BESIDE:
    case TRACE_GAP: break;
    }
}

/* Where the next event will be guessed at, if it is one of the same thread: in tables too large for
 * the nearest cache, and some time before it comes. Always inlined, since gcc drops the call of a
 * function that does nothing but fetch. */
EVENT_INLINE void fetch_guesses(const struct event_coder *c)
{
    struct event_context x = event_model_context(c->model, c->history);
    __builtin_prefetch(x.recent);
    __builtin_prefetch(x.pair);
    __builtin_prefetch(x.last);
    __builtin_prefetch(x.near);
}

void event_coder_put(struct event_coder *c, struct trace_event *ev, uint32_t flight)
{
    struct event_model *m = c->model;
    struct live *l = c->live;
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
    if (names_slot(ev->type))
        live_show(l, &l->slots[ev->slot], &ev->before);
    if (ev->type == TRACE_REALLOC_IN) {
        live_show(l, &l->flights[flight].before, &ev->before);
        ev->link = l->flights[flight].link;
    }
    if (makes(ev->type))
        complete_after(ev);
    struct event_recent *recent = event_model_recent(m, c->history->recent);
    uint32_t kind = 0, key;
    unsigned place;
    if (plain && is_right(c, ev, recent->guess, false)) {
        c->run++;
        place = place_of(recent->guess);
        kind = event_guess_kind(recent->guess);
        key = event_key(ev->type, kind);
        recent->guess = event_confirmed(recent->guess);
        event_clock_put(&c->clock, &recent->ticks, ev->time_ns);
    } else {
        place = put_token(c, ev, plain, extra, flight, &kind);
        key = event_key(ev->type, kind);
        event_clock_put(&c->clock, event_model_step(m, key), ev->time_ns);
    }
    event_history_add(c->history, key);
    fetch_guesses(c);
    m->last_key = key;
    m->untouched = false;
    apply(c, ev, place, flight, kind);
}

void event_coder_flush(struct event_coder *c)
{
    c->run = c->same_thread = 0;
    event_clock_flush(&c->clock);
}
