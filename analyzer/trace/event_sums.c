/* SPDX-License-Identifier: MIT */
#include "trace/event_sums.h"

uint64_t *last_made_by(struct last_made *m, uint32_t thread)
{
    size_t index = (size_t)thread * 2, old = m->capacity;
    if (index + 1 >= old) {
        MEM_GROW(m->next, m->capacity, index + 2);
        memset(m->next + old, 0, (m->capacity - old) * sizeof *m->next);
    }
    return &m->next[index];
}

void last_made_release(struct last_made *m)
{
    free(m->next);
    *m = (struct last_made){0};
}

struct event_sums *event_sums_new(void)
{
    return mem_zalloc(1, sizeof(struct event_sums));
}

void event_sums_free(struct event_sums *s)
{
    if (!s)
        return;
    last_made_release(&s->last_made);
    free(s);
}

void event_sums_begin(struct event_sums *s, const struct live *l, const struct trace_peak *peak)
{
    struct last_made last_made = s->last_made;
    *s = (struct event_sums){.last_made = last_made};
    s->total[0].peak = *peak;
    for (uint32_t slot = live_oldest(l); slot; slot = l->links[slot].younger) {
        const struct kind *k = &l->kinds.items[l->slots[slot].kind];
        struct event_total *t = &s->total[k->call == SEEP_CALL_POOL];
        t->live_blocks++;
        t->live_bytes += k->size;
    }
}

void event_sums_harvest(struct event_sums *s, struct kinds *kinds)
{
    for (uint32_t i = 0; i < kinds->count; i++) {
        struct kind *k = &kinds->items[i];
        struct event_total *t = &s->total[k->call == SEEP_CALL_POOL];
        t->allocations += k->made;
        t->allocated_bytes += k->made * k->size;
        k->made = 0;
    }
    for (int sort = 0; sort < 2; sort++)
        s->total[sort].allocations -= s->total[sort].reallocations;
}

static void add_total(struct event_total *t, const struct event_total *other, bool later)
{
    t->allocations += other->allocations;
    t->frees += other->frees;
    t->reallocations += other->reallocations;
    t->failed += other->failed;
    t->temporary += other->temporary;
    t->inherited_blocks += other->inherited_blocks;
    t->inherited_bytes += other->inherited_bytes;
    t->inherited_frees += other->inherited_frees;
    t->allocated_bytes += other->allocated_bytes;
    if (later) {
        t->live_blocks = other->live_blocks;
        t->live_bytes = other->live_bytes;
    }
    /* the first of equal ones */
    if (other->peak.bytes > t->peak.bytes ||
        (other->peak.bytes == t->peak.bytes && other->peak.number < t->peak.number))
        t->peak = other->peak;
}

void event_sums_add(struct event_sums *s, const struct event_sums *other, bool later)
{
    for (int sort = 0; sort < 2; sort++)
        add_total(&s->total[sort], &other->total[sort], later);
    for (unsigned made = 0; made < EVENT_CALLS; made++)
        for (unsigned ended = 0; ended < EVENT_CALLS; ended++)
            s->ended[made][ended] += other->ended[made][ended];
    if (other->last_ns > s->last_ns)
        s->last_ns = other->last_ns;
}
