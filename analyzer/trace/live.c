/* SPDX-License-Identifier: MIT */
#include "trace/live.h"

void live_init(struct live *l)
{
    *l = (struct live){.oldest = LIVE_NONE, .youngest = LIVE_NONE, .first_free = LIVE_NONE};
}

void live_release(struct live *l)
{
    if (!l)
        return;
    free(l->slots);
    free(l->flights);
    free(l->free_flights);
    live_init(l);
}

void live_clear(struct live *l)
{
    l->slot_count = l->count = 0;
    l->flight_slots = l->flight_count = l->free_flight_count = 0;
    l->oldest = l->youngest = l->first_free = LIVE_NONE;
}

void live_copy(struct live *to, const struct live *from)
{
    *to = *from;
    to->slots = mem_alloc(((size_t)from->slot_count + 1) * sizeof *to->slots);
    to->flights = mem_alloc(((size_t)from->flight_slots + 1) * sizeof *to->flights);
    to->free_flights = mem_alloc(((size_t)from->free_flight_count + 1) * sizeof *to->free_flights);
    to->capacity = (size_t)from->slot_count + 1;
    to->flight_capacity = (size_t)from->flight_slots + 1;
    to->free_flight_capacity = (size_t)from->free_flight_count + 1;
    if (from->slot_count)
        memcpy(to->slots, from->slots, from->slot_count * sizeof *to->slots);
    if (from->flight_slots)
        memcpy(to->flights, from->flights, from->flight_slots * sizeof *to->flights);
    if (from->free_flight_count)
        memcpy(to->free_flights, from->free_flights,
               from->free_flight_count * sizeof *to->free_flights);
}

void live_grow(struct live *l)
{
    MEM_GROW(l->slots, l->capacity, (size_t)l->slot_count + 1);
}

void live_use(struct live *l, uint32_t slot)
{
    MEM_GROW(l->slots, l->capacity, (size_t)slot + 1);
    while (l->slot_count <= slot)
        l->slots[l->slot_count++].older = LIVE_UNUSED;
}

void live_add_free(struct live *l, uint32_t last, uint32_t slot)
{
    l->slots[slot].older = LIVE_DEAD;
    l->slots[slot].younger = LIVE_NONE;
    *(last == LIVE_NONE ? &l->first_free : &l->slots[last].younger) = slot;
}

void live_put(struct live *l, uint32_t slot, const struct trace_block *block)
{
    l->slots[slot].block = *block;
    live_link_youngest(l, slot);
    l->count++;
}

uint32_t live_start_flight(struct live *l, const struct trace_block *before, uint32_t link)
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
    return LIVE_NONE;
}
