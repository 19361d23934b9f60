/* SPDX-License-Identifier: MIT */
#include "trace/order.h"

#include "util/mem.h"

#include <stdlib.h>
#include <string.h>

/* Places ahead of the one being written. What is fetched earlier has left the nearest cache again
 * when it is needed. */
#define FETCH_FIRST 40
#define FETCH_FAR 24
#define FETCH_NEAR 12

static uint32_t ring_index(const struct order *o, uint32_t i)
{
    return (o->head + i) & (ORDER_AHEAD - 1);
}

static struct place *ahead_at(const struct order *o, uint32_t i)
{
    return &o->ahead[ring_index(o, i)];
}

void order_init(struct order *o, struct trace_writer *writer, struct stack_map *stacks,
                struct beside *beside, struct stamp_clock *clock, bool inherited)
{
    *o = (struct order){.writer = writer,
                        .stacks = stacks,
                        .beside = beside,
                        .clock = clock,
                        .inherited = inherited};
    address_map_init(&o->live);
    o->ahead = mem_aligned(sizeof *o->ahead, ORDER_AHEAD * sizeof *o->ahead);
    o->ahead_ns = mem_alloc(ORDER_AHEAD * sizeof *o->ahead_ns);
    o->lane_flights = mem_zalloc(SEEP_LANE_LIMIT, sizeof *o->lane_flights);
}

void order_release(struct order *o)
{
    if (o->ahead == NULL)
        return;
    for (uint32_t i = 0; i < o->count; i++) {
        if (ahead_at(o, i)->type == PLACE_BESIDE)
            free(ahead_at(o, i)->payload);
    }
    address_map_release(&o->live);
    free(o->ahead);
    free(o->ahead_ns);
    free(o->flights);
    free(o->lane_flights);
    *o = (struct order){0};
}

/* ------------------------------------------------------------------ events */

/* Begins an event at the present time, made by the place's call. It lies in the order, since
 * filling its 250 bytes anew would cost more than all else here: what a type does not use keeps old
 * values, as the writer's contract allows. Valid until the next one is begun. */
static struct trace_event *begin_event(struct order *o, enum trace_event_type type,
                                       const struct place *p, uint8_t flags)
{
    struct trace_event *ev = &o->event;
    ev->type = type;
    ev->call = p->call;
    ev->flags = flags;
    ev->thread = beside_thread(o->beside, p->thread, o->beside->time_ns);
    ev->stack = stack_map_resolve(o->stacks, p->stack);
    ev->slot = ev->link = 0;
    ev->address = ev->failed_size = 0;
    return ev;
}

static enum seep_err write_event(struct order *o, struct trace_event *ev, struct err *err)
{
    ev->time_ns = o->beside->time_ns;
    return trace_writer_event(o->writer, ev, err);
}

static void set_after(struct trace_event *ev, const struct place *p)
{
    ev->after.address = place_address(p);
    ev->after.size = p->size;
    ev->after.usable = p->usable;
    ev->after.alignment = p->alignment;
}

/* ------------------------------------------------------------------ reallocations in flight */

static struct order_flight *begin_flight(struct order *o, const struct place *start, uint8_t flags)
{
    uint32_t index = o->free_flight;
    if (index != 0) {
        o->free_flight = o->flights[index - 1].next;
    } else {
        MEM_GROW(o->flights, o->flight_capacity, o->flight_count + 1);
        index = (uint32_t)++o->flight_count;
    }
    struct order_flight *f = &o->flights[index - 1];
    *f = (struct order_flight){.old_address = start->address,
                               .lane = start->lane,
                               .row = start->row,
                               .next = o->lane_flights[start->lane],
                               .stack = start->stack,
                               .thread = start->thread,
                               .call = start->call,
                               .flags = flags};
    o->lane_flights[start->lane] = index;
    return f;
}

static struct order_flight *find_flight(const struct order *o, uint32_t lane, uint32_t row)
{
    uint32_t index = o->lane_flights[lane];
    while (index != 0 && o->flights[index - 1].row != row)
        index = o->flights[index - 1].next;
    return index != 0 ? &o->flights[index - 1] : NULL;
}

static void end_flight(struct order *o, struct order_flight *f)
{
    uint32_t index = (uint32_t)(f - o->flights) + 1;
    uint32_t *at = &o->lane_flights[f->lane];
    while (*at != index)
        at = &o->flights[*at - 1].next;
    *at = f->next;
    f->next = o->free_flight;
    o->free_flight = index;
}

/* Something else happens on the address that a reallocation is moving away from. */
static enum seep_err split_flight(struct order *o, struct address_entry *entry, struct err *err)
{
    struct order_flight *f = &o->flights[entry->flight - 1];
    struct place start = {.call = f->call, .thread = f->thread, .stack = f->stack};
    struct trace_event *ev = begin_event(o, TRACE_REALLOC_OUT, &start, f->flags);
    if (++o->last_link == 0)
        o->last_link = 1;
    f->state = ORDER_FLIGHT_OUT;
    f->link = o->last_link;
    ev->slot = entry->slot;
    ev->link = f->link;
    address_map_remove(&o->live, entry);
    return write_event(o, ev, err);
}

/* ------------------------------------------------------------------ what belongs before */

static const struct place *next_on(const struct order *o, uint64_t address, uint32_t *i)
{
    for (; *i < o->count; ++*i) {
        const struct place *p = ahead_at(o, *i);
        if (p->address == address && (place_enters(p) || place_leaves(p)))
            return p;
    }
    return NULL;
}

/* The place ahead where `address` leaves (or enters) that belongs before one of `lane` now. */
static struct place *find_ahead(const struct order *o, uint64_t address, uint32_t lane, bool leaves)
{
    uint32_t i = 0;
    const struct place *p = next_on(o, address, &i);
    if (p == NULL || p->lane == lane || place_leaves(p) != leaves ||
        o->ahead_ns[ring_index(o, i)] > o->beside->time_ns + ORDER_REPAIR_NS)
        return NULL;
    uint32_t found = i++;
    const struct place *after = next_on(o, address, &i);
    if (after != NULL && place_leaves(after) != leaves)
        return NULL; /* goes on alternating as it is */
    return ahead_at(o, found);
}

static enum seep_err take_place(struct order *o, const struct place *p, uint8_t flags,
                                struct err *err);

/* Takes a place ahead out of the order and writes it now. Each call takes one off the ring, which
 * bounds the recursion. */
static enum seep_err move_here(struct order *o, struct place *ahead, struct err *err)
{
    struct place p = *ahead;
    if (p.type == PLACE_REALLOC_END && find_flight(o, p.lane, p.row) == NULL) {
        /* its start comes before it, in the ring too */
        for (uint32_t i = 0; i < o->count; i++) {
            struct place *start = ahead_at(o, i);
            if (start->type == PLACE_REALLOC_START && start->lane == p.lane &&
                start->row == p.row) {
                enum seep_err e = move_here(o, start, err);
                if (e != SEEP_OK)
                    return e;
                if (ahead->type == PLACE_NONE)
                    return SEEP_OK; /* the start needed it, and took it along */
            }
        }
    }
    ahead->type = PLACE_NONE;
    o->repaired++;
    return take_place(o, &p, TRACE_REPAIRED, err);
}

/* Makes sure no block is live at the address where `p` enters one. */
static enum seep_err make_room(struct order *o, const struct place *p, struct err *err)
{
    struct address_entry *entry = address_map_find(&o->live, p->address);
    if (entry == NULL)
        return SEEP_OK;
    if (entry->flight != 0)
        return split_flight(o, entry, err);
    struct place *before = find_ahead(o, p->address, p->lane, true);
    if (before != NULL) {
        enum seep_err e = move_here(o, before, err);
        if (e != SEEP_OK)
            return e;
        entry = address_map_find(&o->live, p->address);
        if (entry == NULL)
            return SEEP_OK;
        if (entry->flight != 0)
            return split_flight(o, entry, err);
    }
    /* a program that tells of no end where it resets a pool has lost no race */
    bool pool = p->call == SEEP_CALL_POOL;
    struct place free_place = {.call = pool ? SEEP_CALL_POOL : SEEP_CALL_FREE, .thread = p->thread};
    struct trace_event *ev = begin_event(o, TRACE_FREE, &free_place, TRACE_IMPLIED);
    ev->slot = entry->slot;
    address_map_remove(&o->live, entry);
    o->raced += !pool;
    return write_event(o, ev, err);
}

/* The live block at the address that `p` makes leave, in *out; NULL if there is none. */
static enum seep_err find_block(struct order *o, const struct place *p, struct address_entry **out,
                                struct err *err)
{
    enum seep_err e = SEEP_OK;
    struct address_entry *entry = address_map_find(&o->live, p->address);
    if (entry != NULL && entry->flight != 0) {
        e = split_flight(o, entry, err);
        entry = NULL;
    }
    struct place *before;
    if (e == SEEP_OK && entry == NULL && !o->inherited &&
        (before = find_ahead(o, p->address, p->lane, false)) != NULL) {
        e = move_here(o, before, err);
        entry = address_map_find(&o->live, p->address);
    }
    *out = entry;
    return e;
}

static enum seep_err write_unknown(struct order *o, const struct place *p, uint8_t flags,
                                   struct err *err)
{
    if (o->inherited)
        flags |= TRACE_INHERITED;
    else
        o->unknown_frees++;
    struct trace_event *ev = begin_event(o, TRACE_FREE_UNKNOWN, p, flags);
    ev->address = place_address(p);
    return write_event(o, ev, err);
}

/* ------------------------------------------------------------------ places to events */

static enum seep_err take_alloc(struct order *o, const struct place *p, uint8_t flags,
                                struct err *err)
{
    enum seep_err e = make_room(o, p, err);
    if (e != SEEP_OK)
        return e;
    if (p->stamp < o->fork_stamp)
        flags |= TRACE_INHERITED; /* was under way at the fork, and ended in the child */
    struct trace_event *ev = begin_event(o, TRACE_ALLOC, p, flags);
    set_after(ev, p);
    e = write_event(o, ev, err);
    if (e == SEEP_OK)
        address_map_put(&o->live, p->address, ev->slot);
    return e;
}

static enum seep_err take_free(struct order *o, const struct place *p, uint8_t flags,
                               struct err *err)
{
    struct address_entry *entry;
    enum seep_err e = find_block(o, p, &entry, err);
    if (e != SEEP_OK)
        return e;
    if (entry == NULL)
        return write_unknown(o, p, flags, err);
    struct trace_event *ev = begin_event(o, TRACE_FREE, p, flags);
    ev->slot = entry->slot;
    address_map_remove(&o->live, entry);
    return write_event(o, ev, err);
}

static enum seep_err take_start(struct order *o, const struct place *p, uint8_t flags,
                                struct err *err)
{
    struct address_entry *entry;
    enum seep_err e = find_block(o, p, &entry, err);
    if (e != SEEP_OK)
        return e;
    struct order_flight *f = begin_flight(o, p, flags);
    if (entry != NULL) {
        entry->flight = (uint32_t)(f - o->flights) + 1;
        return SEEP_OK;
    }
    f->state = ORDER_FLIGHT_UNKNOWN;
    return write_unknown(o, p, flags, err);
}

static enum seep_err take_end(struct order *o, const struct place *p, uint8_t flags,
                              struct err *err)
{
    struct order_flight *f = find_flight(o, p->lane, p->row);
    if (f == NULL)
        return take_alloc(o, p, flags, err);
    struct address_entry *entry = NULL;
    bool in_place = p->address == f->old_address && f->state == ORDER_FLIGHT_IN_PLACE;
    enum seep_err e = in_place ? SEEP_OK : make_room(o, p, err);
    f = find_flight(o, p->lane, p->row); /* making room may have begun others, or split this one */
    if (e != SEEP_OK)
        return e;
    enum trace_event_type type = f->state == ORDER_FLIGHT_UNKNOWN ? TRACE_ALLOC
                                 : f->state == ORDER_FLIGHT_OUT   ? TRACE_REALLOC_IN
                                                                  : TRACE_REALLOC;
    struct trace_event *ev = begin_event(o, type, p, flags | f->flags);
    set_after(ev, p);
    ev->link = type == TRACE_REALLOC_IN ? f->link : 0;
    if (type == TRACE_REALLOC) {
        entry = address_map_find(&o->live, f->old_address);
        ev->slot = entry->slot;
        entry->flight = 0;
        if (!in_place)
            address_map_remove(&o->live, entry);
    }
    end_flight(o, f);
    e = write_event(o, ev, err);
    if (e == SEEP_OK && !in_place)
        address_map_put(&o->live, p->address, ev->slot);
    return e;
}

static void hand_out(struct order *o, const struct place *p)
{
    const struct order_flight *f =
        p->type == PLACE_REALLOC_END ? find_flight(o, p->lane, p->row) : NULL;
    handout_place(o->handout, p,
                  f != NULL && f->state == ORDER_FLIGHT_IN_PLACE ? f->old_address : 0);
}

static enum seep_err take_failed(struct order *o, const struct place *p, struct err *err)
{
    struct trace_event *ev = begin_event(o, TRACE_FAILED, p, 0);
    ev->failed_size = p->size;
    ev->address = p->address;
    return write_event(o, ev, err);
}

static enum seep_err take_place(struct order *o, const struct place *p, uint8_t flags,
                                struct err *err)
{
    if (o->handout != NULL && handout_wanted(o->handout))
        hand_out(o, p);
    switch ((enum place_type)p->type) {
    case PLACE_NONE: return SEEP_OK;
    case PLACE_ALLOC: return take_alloc(o, p, flags, err);
    case PLACE_FREE: return take_free(o, p, flags, err);
    case PLACE_REALLOC_START: return take_start(o, p, flags, err);
    case PLACE_REALLOC_END: return take_end(o, p, flags, err);
    case PLACE_FAILED: return take_failed(o, p, err);
    case PLACE_BESIDE:
        return beside_take(o->beside, (enum seep_beside)p->alignment, p->payload,
                           (size_t)p->payload_bytes, p->thread, o->beside->time_ns, err);
    }
    return SEEP_OK;
}

/* Fetches what is looked at where blocks end or are made soon: first where their addresses and
 * stacks are found; then, when that is there, the block, or where its kind is found; then what
 * those refer to. */
static void fetch_ahead(const struct order *o)
{
    const struct address_entry *entry;
    if (o->count <= FETCH_FIRST)
        return;
    const struct place *first = ahead_at(o, FETCH_FIRST), *far = ahead_at(o, FETCH_FAR),
                       *near = ahead_at(o, FETCH_NEAR);
    address_map_prefetch(&o->live, first->address);
    stack_map_prefetch(o->stacks, first->stack);
    if (o->many_kinds && place_enters(far))
        trace_writer_fetch_kind_place(o->writer, stack_map_peek(o->stacks, far->stack), far->size,
                                      far->usable);
    if (place_leaves(far) && (entry = address_map_glance(&o->live, far->address)) != NULL)
        trace_writer_fetch_block(o->writer, entry->slot);
    if (o->many_kinds && place_enters(near))
        trace_writer_fetch_kind(o->writer, stack_map_peek(o->stacks, near->stack), near->size,
                                near->usable);
    if (place_leaves(near) && (entry = address_map_glance(&o->live, near->address)) != NULL)
        trace_writer_fetch_beside(o->writer, entry->slot);
}

/* Takes the oldest place off the ring and writes it. */
static enum seep_err take_oldest(struct order *o, struct err *err)
{
    const struct place *p = ahead_at(o, 0); /* stays as it is until the next one is pushed */
    uint64_t time_ns = o->ahead_ns[ring_index(o, 0)];
    o->head = (o->head + 1) & (ORDER_AHEAD - 1);
    o->count--;
    o->stamp = p->stamp;
    if (o->head == 0)
        o->many_kinds = trace_writer_has_many_kinds(o->writer);
    fetch_ahead(o);
    if (p->type == PLACE_NONE)
        return SEEP_OK;
    enum seep_err e = SEEP_OK;
    if (o->beside->snapshot_ns <= time_ns)
        e = beside_snapshots(o->beside, time_ns, err);
    if (time_ns > o->beside->time_ns)
        o->beside->time_ns = time_ns;
    uint8_t flags = 0;
    if (p->late) {
        flags = TRACE_REPAIRED;
        o->repaired++;
    }
    if (e == SEEP_OK)
        e = take_place(o, p, flags, err);
    if (p->type == PLACE_BESIDE)
        free(p->payload);
    return e;
}

enum seep_err order_inherit(struct order *o, const struct inherited_block *block, struct err *err)
{
    struct place p = {.call = block->call,
                      .stack = block->stack,
                      .address = block->address,
                      .size = block->size,
                      .usable = block->usable,
                      .alignment = block->alignment};
    struct trace_event *ev = begin_event(o, TRACE_ALLOC, &p, TRACE_INHERITED);
    set_after(ev, &p);
    enum seep_err e = write_event(o, ev, err);
    if (e == SEEP_OK)
        address_map_put(&o->live, block->address, ev->slot);
    return e;
}

enum seep_err order_push(struct order *o, const struct place *place, struct err *err)
{
    enum seep_err e = SEEP_OK;
    if (o->count == ORDER_AHEAD)
        e = take_oldest(o, err);
    struct place *p = ahead_at(o, o->count);
    *p = *place;
    o->ahead_ns[ring_index(o, o->count++)] = stamp_clock_ns(o->clock, place->stamp);
    return e;
}

void order_adopt_blocks(struct order *o)
{
    for (uint32_t slot = 0; slot < trace_writer_slot_count(o->writer); slot++) {
        const struct trace_block *block = trace_writer_block(o->writer, slot);
        if (block != NULL)
            address_map_put(&o->live, place_key(block->address, block->call), slot);
    }
    for (uint32_t lane = 0; lane < SEEP_LANE_LIMIT; lane++) {
        for (uint32_t i = o->lane_flights[lane]; i != 0; i = o->flights[i - 1].next) {
            struct address_entry *entry =
                o->flights[i - 1].state == ORDER_FLIGHT_IN_PLACE
                    ? address_map_find(&o->live, o->flights[i - 1].old_address)
                    : NULL;
            if (entry != NULL)
                entry->flight = i;
        }
    }
}

enum seep_err order_finish(struct order *o, struct err *err)
{
    while (o->count > 0) {
        enum seep_err e = take_oldest(o, err);
        if (e != SEEP_OK)
            return e;
    }
    return SEEP_OK;
}
