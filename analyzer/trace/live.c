/* SPDX-License-Identifier: MIT */
#include "trace/live.h"

void live_init(struct live *l)
{
    *l = (struct live){0};
    live_grow(l, 1);
    l->slots[0] = (struct live_slot){0};
    live_clear(l);
}

void live_release(struct live *l)
{
    if (!l)
        return;
    free(l->slots);
    free(l->links);
    kinds_release(&l->kinds);
    free(l->flights);
    free(l->free_flights);
    *l = (struct live){0};
}

void live_clear(struct live *l)
{
    l->links[0] = (struct live_links){0, 0};
    l->slot_count = 1;
    l->count = l->first_free = 0;
    kinds_clear(&l->kinds);
    l->flight_slots = l->flight_count = l->free_flight_count = 0;
}

void live_copy(struct live *to, const struct live *from)
{
    *to = *from;
    to->capacity = from->slot_count;
    to->slots = mem_alloc(to->capacity * sizeof *to->slots);
    to->links = mem_alloc(to->capacity * sizeof *to->links);
    to->flight_capacity = (size_t)from->flight_slots + 1;
    to->flights = mem_alloc(to->flight_capacity * sizeof *to->flights);
    to->free_flight_capacity = (size_t)from->free_flight_count + 1;
    to->free_flights = mem_alloc(to->free_flight_capacity * sizeof *to->free_flights);
    memcpy(to->slots, from->slots, to->capacity * sizeof *to->slots);
    memcpy(to->links, from->links, to->capacity * sizeof *to->links);
    if (from->flight_slots)
        memcpy(to->flights, from->flights, from->flight_slots * sizeof *to->flights);
    if (from->free_flight_count)
        memcpy(to->free_flights, from->free_flights,
               from->free_flight_count * sizeof *to->free_flights);
    to->kinds = (struct kinds){0};
    kinds_replace(&to->kinds, from->kinds.items, from->kinds.count);
}

void live_grow(struct live *l, size_t slots)
{
    size_t capacity = l->capacity;
    if (slots <= capacity)
        return;
    MEM_GROW(l->slots, capacity, slots);
    MEM_GROW(l->links, l->capacity, slots);
    mem_wish_huge(l->slots, capacity * sizeof *l->slots);
    mem_wish_huge(l->links, capacity * sizeof *l->links);
}

/* The numbers that kinds get anew. */
struct renumbering {
    const struct kind *old;
    struct kind *items;
    uint32_t *number; /* by the old one: the new one + 1; 0: none yet */
    uint32_t count;
};

static void renumber(struct renumbering *r, uint32_t *kind)
{
    uint32_t *number = &r->number[*kind];
    if (!*number) {
        r->items[r->count] = r->old[*kind];
        r->items[r->count].made = 0;
        *number = ++r->count;
    }
    *kind = *number - 1;
}

void live_renumber(struct live *l)
{
    size_t room = (size_t)l->kinds.count + 1;
    struct renumbering r = {.old = l->kinds.items,
                            .items = mem_alloc(room * sizeof *r.items),
                            .number = mem_zalloc(room, sizeof *r.number)};
    for (uint32_t slot = live_oldest(l); slot; slot = l->links[slot].younger)
        renumber(&r, &l->slots[slot].kind);
    for (uint32_t i = 0; i < l->flight_slots; i++)
        if (l->flights[i].link)
            renumber(&r, &l->flights[i].before.kind);
    kinds_replace(&l->kinds, r.items, r.count);
    free(r.items);
    free(r.number);
}

void live_use(struct live *l, uint32_t slot)
{
    live_grow(l, (size_t)slot + 1);
    while (l->slot_count <= slot)
        l->links[l->slot_count++].older = LIVE_UNUSED;
}

void live_add_free(struct live *l, uint32_t last, uint32_t slot)
{
    l->links[slot] = (struct live_links){LIVE_DEAD, 0};
    *(last ? &l->links[last].younger : &l->first_free) = slot;
}

void live_put(struct live *l, uint32_t slot, const struct live_slot *block)
{
    l->slots[slot] = *block;
    live_link_youngest(l, slot);
    l->count++;
}

uint32_t live_start_flight(struct live *l, const struct live_slot *before, uint32_t link)
{
    uint32_t flight =
        l->free_flight_count ? l->free_flights[--l->free_flight_count] : l->flight_slots++;
    MEM_GROW(l->flights, l->flight_capacity, (size_t)flight + 1);
    l->flights[flight] = (struct live_flight){.before = *before, .link = link};
    l->flight_count++;
    return flight;
}

void live_end_flight(struct live *l, uint32_t flight)
{
    l->flights[flight].link = 0;
    l->flight_count--;
    MEM_GROW(l->free_flights, l->free_flight_capacity, (size_t)l->free_flight_count + 1);
    l->free_flights[l->free_flight_count++] = flight;
}

uint32_t live_find_flight(const struct live *l, uint32_t link)
{
    for (uint32_t i = 0; link && i < l->flight_slots; i++)
        if (l->flights[i].link == link)
            return i;
    return LIVE_NO_FLIGHT;
}

static struct live_slot slot_of(struct live *l, const struct trace_block *b)
{
    struct kind kind = kind_of_block(b);
    return (struct live_slot){.address = b->address,
                              .time_ns = b->time_ns,
                              .birth = b->birth | (uint64_t)b->flags << LIVE_FLAGS_SHIFT,
                              .kind = kinds_find(&l->kinds, &kind, true),
                              .thread = b->thread};
}

void live_apply(struct live *l, const struct trace_event *ev)
{
    uint32_t slot, flight;
    switch (ev->type) {
    case TRACE_ALLOC:
        slot = live_enter(l);
        l->slots[slot] = slot_of(l, &ev->after);
        break;
    case TRACE_FREE: live_leave(l, ev->slot); break;
    case TRACE_REALLOC:
        live_touch(l, ev->slot);
        l->slots[ev->slot] = slot_of(l, &ev->after);
        break;
    case TRACE_REALLOC_OUT:
        live_leave(l, ev->slot);
        live_start_flight(l, &l->slots[ev->slot], ev->link);
        break;
    case TRACE_REALLOC_IN:
        flight = live_find_flight(l, ev->link);
        if (flight != LIVE_NO_FLIGHT)
            live_end_flight(l, flight);
        slot = live_enter(l);
        l->slots[slot] = slot_of(l, &ev->after);
        break;
    case TRACE_FAILED:
    case TRACE_FREE_UNKNOWN:
    case TRACE_BESIDE:
    case TRACE_GAP: break;
    }
}
