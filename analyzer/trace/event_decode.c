/* SPDX-License-Identifier: MIT
 *
 * Columns to events, in two ways from one description: each event told, or many events played, of
 * which only the live blocks and sums remain. Runs of right guesses are played in a loop of their
 * own, which looks at no column. */
#include "trace/event_apply.h"
#include "trace/event_coder.h"
#include "trace/event_sums.h"

#define NOINLINE static __attribute__((noinline))
#define UNLIKELY(x) __builtin_expect((x), 0)

/* An event, before it is applied. */
struct told {
    unsigned type, op, place;
    uint32_t slot;    /* of the block that ends or changes */
    uint32_t kind;    /* made, or of the block that ends */
    uint32_t flight;  /* REALLOC_IN */
    uint64_t address; /* of the block made, or told by the event */
    uint32_t link;    /* REALLOC_OUT */
    uint32_t stack;   /* of an end that tells one */
    uint8_t call;     /* of the end */
    uint16_t *step;   /* how long it took */
};

static bool makes(unsigned type)
{
    return type == TRACE_ALLOC || type == TRACE_REALLOC || type == TRACE_REALLOC_IN;
}

static bool names_slot(unsigned type)
{
    return type == TRACE_FREE || type == TRACE_REALLOC || type == TRACE_REALLOC_OUT;
}

/* ------------------------------------------------------------------ columns */

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
    c->thread = take_u32(column);
    c->history = event_model_history(c->model, c->thread);
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
    struct cursor *size = &c->cursor[SEEP_COLUMN_SIZE], *usable = &c->cursor[SEEP_COLUMN_USABLE];
    struct cursor *call = &c->cursor[SEEP_COLUMN_CALL], *align = &c->cursor[SEEP_COLUMN_ALIGN];
    struct kind kind = {.stack = take_stack(c), .size = cursor_varint(size)};
    kind.usable = SEEP_USABLE_GLIBC(kind.size) + (uint64_t)cursor_svarint(usable);
    kind.ring = kind_ring(kind.usable);
    kind.call = cursor_u8(call);
    kind.alignment = take_u32(align);
    *number = kinds_add(&c->live->kinds, &kind);
    return !(c->cursor[SEEP_COLUMN_STACK].bad | size->bad | usable->bad | call->bad | align->bad);
}

/* The token of a kind and the way its address is named. */
static bool take_kind(struct event_coder *c, const struct event_context *x, unsigned token,
                      struct told *t)
{
    struct cursor *low = &c->cursor[SEEP_COLUMN_KIND_LOW];
    struct cursor *high = &c->cursor[SEEP_COLUMN_KIND_HIGH];
    if (token < SEEP_TOKEN_MAKE)
        return false;
    unsigned code = (token - SEEP_TOKEN_MAKE) / SEEP_ADDRESS_CODES;
    t->place = (token - SEEP_TOKEN_MAKE) % SEEP_ADDRESS_CODES;
    if (code == SEEP_KIND_NEW) {
        if (!take_new_kind(c, &t->kind))
            return false;
    } else if (code == SEEP_KIND_FAR) {
        t->kind = cursor_u8(low);
        t->kind |= (uint32_t)cursor_bounded(high, UINT32_MAX >> 8) << 8;
        if (low->bad || high->bad)
            return false;
    } else {
        t->kind = event_model_candidate(x, code);
    }
    if (t->kind >= c->live->kinds.count)
        return false;
    event_model_followed(x, t->kind);
    return true;
}

/* The block that a code names, into slot and kind. */
static bool take_slot(struct event_coder *c, unsigned code, struct told *t)
{
    if (code == SEEP_SLOT_FAR) {
        t->slot = cursor_u8(&c->cursor[SEEP_COLUMN_SLOT_LOW]);
        t->slot |= (uint32_t)cursor_u8(&c->cursor[SEEP_COLUMN_SLOT_MIDDLE]) << 8;
        t->slot |= (uint32_t)cursor_bounded(&c->cursor[SEEP_COLUMN_SLOT_HIGH], UINT16_MAX) << 16;
        if (c->cursor[SEEP_COLUMN_SLOT_LOW].bad | c->cursor[SEEP_COLUMN_SLOT_MIDDLE].bad |
            c->cursor[SEEP_COLUMN_SLOT_HIGH].bad)
            return false;
        if (!live_has(c->live, t->slot))
            return false;
    } else {
        t->slot = event_model_slot_at(c->model, c->live, code);
    }
    t->kind = c->live->slots[t->slot].kind;
    return t->slot != LIVE_NONE;
}

/* The address that a code names, of a block of the kind made. `before` is the one that the block
 * leaves, or 0. */
EVENT_INLINE bool take_place(struct event_coder *c, uint64_t before, struct told *t)
{
    struct event_model *m = c->model;
    if (t->place >= SEEP_ADDRESS_SAME) {
        struct cursor *column = &c->cursor[SEEP_COLUMN_ADDRESS];
        t->address = before;
        if (t->place == SEEP_ADDRESS_SAME)
            return before != 0;
        uint64_t far = (uint64_t)cursor_svarint(column);
        t->address = m->carve + (t->place == SEEP_ADDRESS_FAR16 ? far * 16 : far);
        return !column->bad;
    }
    const struct kind *k = &c->live->kinds.items[t->kind];
    t->address = event_model_address(m, event_ring(k, c->thread), t->place, 0);
    return true;
}

/* The call, and the stack where it has one, of an event without a kind. */
static bool take_end(struct event_coder *c, unsigned made_by, struct told *t)
{
    uint8_t *expected = &c->model->end_call[made_by];
    t->call = *expected;
    t->stack = 0;
    if (t->op & SEEP_OP_EXTRA) {
        struct cursor *column = &c->cursor[SEEP_COLUMN_CALL];
        *expected = t->call = cursor_u8(column);
        t->stack = take_stack(c);
        return !column->bad && !c->cursor[SEEP_COLUMN_STACK].bad;
    }
    return true;
}

static bool take_link(struct event_coder *c, struct told *t)
{
    struct cursor *column = &c->cursor[SEEP_COLUMN_LINK];
    t->link = c->model->last_link += take_u32(column);
    return !column->bad && t->link && c->live->flight_count < SEEP_FLIGHTS_MAX;
}

static bool take_flight(struct event_coder *c, struct told *t)
{
    struct cursor *column = &c->cursor[SEEP_COLUMN_LINK];
    t->flight = take_u32(column);
    return !column->bad && t->flight < c->live->flight_slots && c->live->flights[t->flight].link;
}

static bool take_address(struct event_coder *c, struct told *t)
{
    struct cursor *column = &c->cursor[SEEP_COLUMN_ADDRESS];
    t->address = c->model->last_address += (uint64_t)cursor_svarint(column);
    return !column->bad;
}

/* ------------------------------------------------------------------ tokens */

/* What an event begins with that has no token of its own: what guesses, too, would tell. */
static bool take_op(struct event_coder *c, const struct event_context *x, struct told *t,
                    unsigned *slot_code)
{
    struct cursor *tokens = &c->cursor[SEEP_COLUMN_TOKEN];
    t->op = cursor_u8(&c->cursor[SEEP_COLUMN_OP]);
    t->type = t->op & SEEP_OP_TYPE;
    if (c->cursor[SEEP_COLUMN_OP].bad || !t->type)
        return false;
    if (names_slot(t->type)) {
        *slot_code = cursor_u8(tokens) - SEEP_TOKEN_FREE;
        if (*slot_code > SEEP_SLOT_FAR || !take_slot(c, *slot_code, t))
            return false;
    }
    if ((makes(t->type) || t->type == TRACE_FAILED) && !take_kind(c, x, cursor_u8(tokens), t))
        return false;
    return !tokens->bad;
}

/* The second or third guess is right. */
static bool take_guess(struct event_coder *c, const struct event_context *x, uint32_t guess,
                       struct told *t)
{
    t->type = event_guess_type(guess);
    t->place = t->type == TRACE_ALLOC     ? event_guess_place(guess)
               : t->type == TRACE_REALLOC ? event_guess_realloc_place(guess)
                                          : 0;
    if (!t->type || (t->type != TRACE_ALLOC && !take_slot(c, event_guess_slot(guess), t)))
        return false;
    t->kind = event_guess_kind(guess);
    if (t->type != TRACE_FREE)
        event_model_followed(x, t->kind);
    return true;
}

/* What else there is of an event, but for its time. */
static bool take_rest(struct event_coder *c, struct told *t)
{
    const struct live *l = c->live;
    switch (t->type) {
    case TRACE_ALLOC: return take_place(c, 0, t);
    case TRACE_FREE: return take_end(c, l->kinds.items[l->slots[t->slot].kind].call, t);
    case TRACE_REALLOC: return take_place(c, l->slots[t->slot].address, t);
    case TRACE_REALLOC_OUT: return take_link(c, t) && take_end(c, EVENT_END_OUT, t);
    case TRACE_REALLOC_IN: return take_flight(c, t) && take_place(c, 0, t);
    case TRACE_FAILED: return !t->place && take_address(c, t);
    default: return take_end(c, EVENT_END_UNKNOWN, t) && take_address(c, t);
    }
}

/* The next event, which is not the first guess. */
NOINLINE bool take_token(struct event_coder *c, struct told *t)
{
    struct event_model *m = c->model;
    struct event_context x = event_model_context(m, c->history);
    struct cursor *tokens = &c->cursor[SEEP_COLUMN_TOKEN];
    __builtin_prefetch(x.recent, 1);
    __builtin_prefetch(x.pair, 1);
    __builtin_prefetch(x.last, 1);
    unsigned token = cursor_u8(tokens), level = 3, slot_code = 0;
    uint32_t guess = 0;
    bool good;
    t->op = 0;
    t->place = 0;
    if (token >= SEEP_TOKEN_MAKE) {
        t->type = TRACE_ALLOC;
        good = take_kind(c, &x, token, t);
    } else if (token >= SEEP_TOKEN_FREE) {
        t->type = TRACE_FREE;
        slot_code = token - SEEP_TOKEN_FREE;
        good = slot_code <= SEEP_SLOT_FAR && take_slot(c, slot_code, t);
    } else if (token == SEEP_TOKEN_OTHER) {
        t->kind = 0;
        good = take_op(c, &x, t, &slot_code);
    } else {
        level = token == SEEP_TOKEN_PAIR ? 1 : 2;
        guess = (level == 1 ? *x.pair : *x.last) & EVENT_GUESS_MASK;
        good = token <= SEEP_TOKEN_LAST && take_guess(c, &x, guess, t);
    }
    if (!good || tokens->bad || c->cursor[SEEP_COLUMN_RUN].bad || !take_rest(c, t))
        return false;
    if (t->type <= TRACE_REALLOC)
        event_teach_all(&x, level,
                        guess ? guess : event_guess_of(t->type, slot_code, t->place, t->kind));
    next_run(c);
    uint32_t key = event_key(t->type, t->kind);
    t->step = event_model_step(m, key);
    event_history_add(c->history, key);
    m->last_key = key;
    return true;
}

/* The next event, which is the first guess. */
EVENT_INLINE bool take_hit(struct event_coder *c, struct told *t)
{
    struct event_model *m = c->model;
    const struct live *l = c->live;
    struct event_recent *recent = event_model_recent(m, c->history->recent);
    uint32_t guess = recent->guess, key = guess & EVENT_KEY_MASK;
    c->run--;
    recent->guess = event_confirmed(guess);
    event_history_add(c->history, key);
    m->last_key = key;
    t->step = &recent->ticks;
    t->op = 0;
    t->type = event_guess_type(guess);
    t->place = event_guess_place(guess);
    t->kind = event_guess_kind(guess);
    if (t->type == TRACE_ALLOC) {
        t->address =
            event_model_address(m, event_ring(&l->kinds.items[t->kind], c->thread), t->place, 0);
        return true;
    }
    t->slot = event_model_slot_at(m, l, event_guess_slot(guess));
    if (!t->type || !t->slot)
        return false;
    if (t->type == TRACE_FREE) {
        t->stack = 0;
        t->call = m->end_call[l->kinds.items[l->slots[t->slot].kind].call];
        return true;
    }
    t->place = event_guess_realloc_place(guess);
    t->address = event_model_address(m, event_ring(&l->kinds.items[t->kind], c->thread), t->place,
                                     l->slots[t->slot].address);
    return true;
}

/* ------------------------------------------------------------------ telling */

static void tell_made(struct event_coder *c, const struct told *t, struct trace_event *ev,
                      struct live_slot *b)
{
    const struct kind *k = &c->live->kinds.items[t->kind];
    *b = (struct live_slot){.address = t->address,
                            .time_ns = ev->time_ns,
                            .birth = ev->number | (uint64_t)ev->flags << LIVE_FLAGS_SHIFT,
                            .kind = t->kind,
                            .thread = c->thread};
    live_show(c->live, b, &ev->after);
    ev->call = k->call;
    ev->stack = k->stack;
}

static void tell_ended(struct event_coder *c, const struct told *t, struct trace_event *ev)
{
    live_show(c->live, &c->live->slots[t->slot], &ev->before);
    ev->slot = t->slot;
    ev->call = t->call;
    ev->stack = t->stack;
}

/* Fills the event and applies it. */
static void tell(struct event_coder *c, const struct told *t, struct trace_event *ev)
{
    struct event_model *m = c->model;
    struct live *l = c->live;
    struct live_slot b;
    ev->type = (enum trace_event_type)t->type;
    ev->flags = (t->op & SEEP_OP_FLAGS) >> 3;
    ev->thread = c->thread;
    switch (t->type) {
    case TRACE_ALLOC:
        tell_made(c, t, ev, &b);
        ev->slot = event_make(m, l, &b, t->place);
        break;
    case TRACE_FREE:
        tell_ended(c, t, ev);
        event_end(m, l, c->thread, t->slot);
        break;
    case TRACE_REALLOC:
        live_show(l, &l->slots[t->slot], &ev->before);
        ev->slot = t->slot;
        tell_made(c, t, ev, &b);
        event_change(m, l, t->slot, &b, t->place);
        break;
    case TRACE_REALLOC_OUT:
        tell_ended(c, t, ev);
        ev->link = t->link;
        event_end(m, l, c->thread, t->slot);
        live_start_flight(l, &l->slots[t->slot], t->link);
        break;
    case TRACE_REALLOC_IN:
        live_show(l, &l->flights[t->flight].before, &ev->before);
        ev->link = l->flights[t->flight].link;
        tell_made(c, t, ev, &b);
        live_end_flight(l, t->flight);
        ev->slot = event_make(m, l, &b, t->place);
        break;
    case TRACE_FAILED:
        ev->failed_size = l->kinds.items[t->kind].size;
        ev->stack = l->kinds.items[t->kind].stack;
        ev->call = l->kinds.items[t->kind].call;
        ev->address = t->address;
        break;
    default:
        ev->call = t->call;
        ev->stack = t->stack;
        ev->address = t->address;
    }
}

/* ------------------------------------------------------------------ playing */

EVENT_INLINE void sum_made(struct event_sums *s, struct kind *k, uint64_t number, uint64_t time_ns)
{
    struct event_total *t = &s->total[k->call == SEEP_CALL_POOL];
    k->made++;
    t->live_blocks++;
    t->live_bytes += k->size;
    if (t->live_bytes > t->peak.bytes)
        t->peak = (struct trace_peak){t->live_bytes, t->live_blocks, time_ns, number};
}

EVENT_INLINE void sum_ended(struct event_sums *s, const struct kind *k, uint8_t call)
{
    struct event_total *t = &s->total[k->call == SEEP_CALL_POOL];
    t->live_blocks--;
    t->live_bytes -= k->size;
    s->ended[k->call][call]++;
}

/* `last_made` is the thread's. */
EVENT_INLINE void play_alloc(struct event_coder *c, const struct live_slot *b, unsigned place,
                             struct event_sums *s, uint64_t *last_made)
{
    struct kind *k = &c->live->kinds.items[b->kind];
    event_make(c->model, c->live, b, place);
    sum_made(s, k, b->birth, b->time_ns);
    last_made[k->call == SEEP_CALL_POOL] = b->birth + 1;
}

EVENT_INLINE void play_free(struct event_coder *c, uint32_t slot, const uint8_t *call,
                            struct event_sums *s, const uint64_t *last_made)
{
    struct live *l = c->live;
    const struct live_slot *b = &l->slots[slot];
    const struct kind *k = &l->kinds.items[b->kind];
    bool pool = k->call == SEEP_CALL_POOL;
    s->total[pool].temporary += LIVE_NUMBER(b->birth) + 1 == last_made[pool];
    s->total[pool].frees++;
    sum_ended(s, k, call ? *call : c->model->end_call[k->call]);
    event_end(c->model, l, c->thread, slot);
}

EVENT_INLINE void play_realloc(struct event_coder *c, uint32_t slot, const struct live_slot *b,
                               unsigned place, struct event_sums *s, uint64_t *last_made)
{
    struct live *l = c->live;
    struct kind *k = &l->kinds.items[b->kind];
    const struct kind *was = &l->kinds.items[l->slots[slot].kind];
    s->total[k->call == SEEP_CALL_POOL].reallocations++;
    sum_ended(s, was, k->call);
    event_change(c->model, l, slot, b, place);
    sum_made(s, k, b->birth, b->time_ns);
    last_made[k->call == SEEP_CALL_POOL] = b->birth + 1;
}

/* What a run of first guesses works on. */
struct run {
    struct event_history history;
    uint64_t number; /* of the next event */
    int64_t ticks, end_ticks;
    uint64_t *last_made; /* the thread's */
};

/* Plays `count` first guesses of one thread and without a correction of the clock, or fewer, where
 * the clock would reach r->end_ticks. False where one makes no sense. */
EVENT_INLINE bool play_hits(struct event_coder *c, struct run *r, uint64_t count,
                            struct event_sums *s)
{
    struct event_model *m = c->model;
    struct live *l = c->live;
    const uint32_t thread = c->thread;
    const uint64_t end = r->number + count;
    while (r->number < end) {
        struct event_recent *recent = event_model_recent(m, r->history.recent);
        uint32_t guess = recent->guess, slot = 0;
        int64_t ticks = r->ticks + recent->ticks;
        if (UNLIKELY(ticks >= r->end_ticks))
            break;
        r->ticks = ticks;
        recent->guess = event_confirmed(guess);
        event_history_add(&r->history, guess & EVENT_KEY_MASK);
        unsigned type = event_guess_type(guess);
        if (type == TRACE_FREE) {
            slot = event_model_slot_at(m, l, event_guess_slot(guess));
            if (UNLIKELY(!slot))
                return false;
            play_free(c, slot, NULL, s, r->last_made);
            r->number++;
            continue;
        }
        struct live_slot b = {.time_ns = c->clock.base_ns + (uint64_t)(r->ticks * 125 >> 2),
                              .birth = r->number++,
                              .kind = event_guess_kind(guess),
                              .thread = thread};
        /* a guess that was never made names the first kind, before there is any */
        if (UNLIKELY(b.kind >= l->kinds.count))
            return false;
        uint32_t ring = event_ring(&l->kinds.items[b.kind], thread);
        unsigned place = event_guess_place(guess);
        if (type == TRACE_ALLOC) {
            b.address = event_model_address(m, ring, place, 0);
            play_alloc(c, &b, place, s, r->last_made);
            continue;
        }
        place = event_guess_realloc_place(guess);
        slot = event_model_slot_at(m, l, event_guess_slot(guess));
        b.address = event_model_address(m, ring, place, l->slots[slot].address);
        if (type != TRACE_REALLOC || !slot)
            return false;
        play_realloc(c, slot, &b, place, s, r->last_made);
    }
    return true;
}

/* Any other event. */
static void sum_event(struct event_sums *s, struct kinds *kinds, uint32_t kind,
                      const struct trace_event *ev)
{
    struct event_total *t = &s->total[trace_event_in_pool(ev)];
    bool ends = names_slot(ev->type);
    uint64_t *last_made = &last_made_by(&s->last_made, ev->thread)[trace_event_in_pool(ev)];
    if (ends) {
        struct event_total *left = &s->total[trace_block_in_pool(&ev->before)];
        left->live_blocks--;
        left->live_bytes -= ev->before.size;
        s->ended[ev->before.call][ev->call] += !(ev->flags & TRACE_IMPLIED);
    }
    switch (ev->type) {
    case TRACE_ALLOC:
        if (ev->flags & TRACE_INHERITED) {
            t->inherited_blocks++;
            t->inherited_bytes += ev->after.size;
        }
        break;
    case TRACE_FREE:
        t->frees++;
        t->temporary += ev->before.birth + 1 == *last_made;
        break;
    case TRACE_REALLOC:
    case TRACE_REALLOC_IN: t->reallocations++; break;
    case TRACE_FAILED: t->failed++; break;
    case TRACE_FREE_UNKNOWN: t->inherited_frees += (ev->flags & TRACE_INHERITED) != 0; break;
    default: break;
    }
    if (!makes(ev->type))
        return;
    sum_made(s, &kinds->items[kind], ev->number, ev->time_ns);
    if (ev->flags & TRACE_INHERITED && ev->type == TRACE_ALLOC)
        kinds->items[kind].made--;
    else
        *last_made = ev->number + 1;
}

/* Plays an event of a kind that no guess could tell. */
NOINLINE void play_rare(struct event_coder *c, const struct told *t, uint64_t number,
                        struct event_sums *s)
{
    struct trace_event ev = {.number = number, .time_ns = event_clock_ns(&c->clock)};
    tell(c, t, &ev);
    sum_event(s, &c->live->kinds, t->kind, &ev);
}

/* Plays the next event, which is no first guess, or has a correction of the clock. */
EVENT_INLINE bool play_other(struct event_coder *c, struct run *r, struct event_sums *s)
{
    struct told t;
    event_history_copy(c->history, &r->history);
    if (!(c->run ? take_hit(c, &t) : take_token(c, &t)) || !event_clock_take(&c->clock, t.step))
        return false;
    event_history_copy(&r->history, c->history);
    struct live_slot b = {.address = t.address,
                          .time_ns = event_clock_ns(&c->clock),
                          .birth = r->number,
                          .kind = t.kind,
                          .thread = c->thread};
    if (t.op || t.type > TRACE_FREE)
        play_rare(c, &t, r->number, s);
    else if (t.type == TRACE_ALLOC)
        play_alloc(c, &b, t.place, s, r->last_made);
    else
        play_free(c, t.slot, &t.call, s, r->last_made);
    r->number++;
    return true;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The clock goes back by corrections only. */
static void note_time(struct event_coder *c, struct event_sums *s)
{
    uint64_t time_ns = event_clock_ns(&c->clock);
    if (time_ns > s->last_ns)
        s->last_ns = time_ns;
}

bool event_coder_play(struct event_coder *c, uint64_t *number, uint64_t end, uint64_t end_ns,
                      struct event_sums *s)
{
    struct run r = {*c->history, *number, 0, event_clock_ticks(&c->clock, end_ns), NULL};
    bool good = c->thread <= c->play_threads;
    if (good)
        r.last_made = last_made_by(&s->last_made, c->thread);
    while (good) {
        uint64_t hits = least(least(c->run, c->same_thread), least(c->clock.gap, end - r.number));
        uint64_t from = r.number;
        r.ticks = c->clock.ticks;
        good = play_hits(c, &r, hits, s);
        c->clock.ticks = r.ticks;
        if (r.number != from)
            c->model->last_key = r.history.last;
        c->run -= r.number - from;
        c->same_thread -= r.number - from;
        c->clock.gap -= r.number - from;
        note_time(c, s);
        if (!good || r.number == end || r.number - from < hits ||
            (end_ns != UINT64_MAX && event_clock_latest(&c->clock) >= r.end_ticks))
            break;
        if (c->same_thread) {
            c->same_thread--;
            good = play_other(c, &r, s);
            note_time(c, s);
            continue;
        }
        event_history_copy(c->history, &r.history);
        good = take_thread(c) && c->thread <= c->play_threads;
        event_history_copy(&r.history, c->history);
        if (!good)
            break;
        r.last_made = last_made_by(&s->last_made, c->thread);
    }
    event_history_copy(c->history, &r.history);
    *number = r.number;
    return good;
}

void event_coder_begin(struct event_coder *c)
{
    for (unsigned id = EVENT_COLUMNS_BEGIN; id < EVENT_COLUMNS_END; id++)
        c->cursor[id] = cursor_of(&c->columns->column[id]);
    c->model->untouched = false;
    next_run(c);
    next_thread_run(c);
    event_clock_begin(&c->clock);
}

bool event_coder_take(struct event_coder *c, struct trace_event *ev)
{
    struct told t;
    if (c->same_thread == 0 && !take_thread(c))
        return false;
    c->same_thread--;
    if (!(c->run ? take_hit(c, &t) : take_token(c, &t)) || !event_clock_take(&c->clock, t.step))
        return false;
    ev->time_ns = event_clock_ns(&c->clock);
    tell(c, &t, ev);
    return true;
}
