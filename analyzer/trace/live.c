/* SPDX-License-Identifier: MIT */
#include "trace/live.h"

void live_init(struct live *l)
{
    *l = (struct live){.oldest = LIVE_NONE, .youngest = LIVE_NONE};
}

void live_release(struct live *l)
{
    if (!l)
        return;
    free(l->blocks);
    free(l->links);
    free(l->free_slots);
    free(l->flights);
    free(l->free_flights);
    live_init(l);
}

void live_clear(struct live *l)
{
    l->slot_count = l->count = l->free_count = 0;
    l->flight_slots = l->flight_count = l->free_flight_count = 0;
    l->oldest = l->youngest = LIVE_NONE;
}

void live_use(struct live *l, uint32_t slot)
{
    MEM_GROW(l->blocks, l->capacity, (size_t)slot + 1);
    MEM_GROW(l->links, l->link_capacity, (size_t)slot + 1);
    while (l->slot_count <= slot)
        l->links[l->slot_count++] = (struct live_link){LIVE_DEAD, LIVE_NONE};
}

static void link_youngest(struct live *l, uint32_t slot)
{
    l->links[slot] = (struct live_link){.older = l->youngest, .younger = LIVE_NONE};
    if (l->youngest == LIVE_NONE)
        l->oldest = slot;
    else
        l->links[l->youngest].younger = slot;
    l->youngest = slot;
}

static void unlink_slot(struct live *l, uint32_t slot)
{
    struct live_link link = l->links[slot];
    if (link.older == LIVE_NONE)
        l->oldest = link.younger;
    else
        l->links[link.older].younger = link.younger;
    if (link.younger == LIVE_NONE)
        l->youngest = link.older;
    else
        l->links[link.younger].older = link.older;
}

void live_put(struct live *l, uint32_t slot, const struct trace_block *block)
{
    if (slot >= l->slot_count)
        live_use(l, slot);
    l->blocks[slot] = *block;
    link_youngest(l, slot);
    l->count++;
}

void live_push_free(struct live *l, uint32_t slot)
{
    MEM_GROW(l->free_slots, l->free_capacity, (size_t)l->free_count + 1);
    l->free_slots[l->free_count++] = slot;
}

static void take_out(struct live *l, uint32_t slot)
{
    unlink_slot(l, slot);
    l->links[slot].older = LIVE_DEAD;
    l->count--;
    live_push_free(l, slot);
}

static uint32_t new_slot(struct live *l)
{
    return l->free_count ? l->free_slots[--l->free_count] : l->slot_count;
}

static uint32_t start_flight(struct live *l, const struct trace_event *ev)
{
    uint32_t flight =
        l->free_flight_count ? l->free_flights[--l->free_flight_count] : l->flight_slots++;
    MEM_GROW(l->flights, l->flight_capacity, (size_t)flight + 1);
    l->flights[flight] = (struct live_flight){.before = ev->before, .link = ev->link};
    l->flight_count++;
    return flight;
}

static void end_flight(struct live *l, struct trace_event *ev, uint32_t flight)
{
    ev->before = l->flights[flight].before;
    ev->link = l->flights[flight].link;
    l->flights[flight].link = 0;
    l->flight_count--;
    MEM_GROW(l->free_flights, l->free_flight_capacity, (size_t)l->free_flight_count + 1);
    l->free_flights[l->free_flight_count++] = flight;
}

/* What the made block has from its event. */
static void complete_after(struct trace_event *ev)
{
    ev->after.time_ns = ev->time_ns;
    ev->after.birth = ev->number;
    ev->after.stack = ev->stack;
    ev->after.thread = ev->thread;
    ev->after.call = ev->call;
    ev->after.flags = ev->flags;
}

uint32_t live_apply(struct live *l, struct trace_event *ev, uint32_t flight)
{
    switch (ev->type) {
    case TRACE_ALLOC:
        complete_after(ev);
        ev->slot = new_slot(l);
        live_put(l, ev->slot, &ev->after);
        break;
    case TRACE_FREE:
        ev->before = l->blocks[ev->slot];
        take_out(l, ev->slot);
        break;
    case TRACE_REALLOC:
        complete_after(ev);
        ev->before = l->blocks[ev->slot];
        unlink_slot(l, ev->slot);
        l->blocks[ev->slot] = ev->after;
        link_youngest(l, ev->slot);
        break;
    case TRACE_REALLOC_OUT:
        ev->before = l->blocks[ev->slot];
        take_out(l, ev->slot);
        return start_flight(l, ev);
    case TRACE_REALLOC_IN:
        complete_after(ev);
        end_flight(l, ev, flight);
        ev->slot = new_slot(l);
        live_put(l, ev->slot, &ev->after);
        break;
    case TRACE_FAILED:
    case TRACE_FREE_UNKNOWN:
    case TRACE_BESIDE:
    case TRACE_GAP: break;
    }
    return 0;
}

uint32_t live_find_flight(const struct live *l, uint32_t link)
{
    for (uint32_t i = 0; link && i < l->flight_slots; i++)
        if (l->flights[i].link == link)
            return i;
    return LIVE_NONE;
}
