/* SPDX-License-Identifier: MIT
 *
 * What an event does to the live blocks, and to what the next one is guessed from: the same for
 * writer and reader. Private to the coder. */
#ifndef TRACE_EVENT_APPLY_H
#define TRACE_EVENT_APPLY_H

#include "trace/event_model.h"

#define EVENT_INLINE static inline __attribute__((always_inline))

/* The block is made at its address, which was named by the code `place`; returns its slot. */
EVENT_INLINE uint32_t event_make(struct event_model *m, struct live *l, const struct live_slot *b,
                                 unsigned place)
{
    const struct kind *k = &l->kinds.items[b->kind];
    event_model_placed(m, event_ring(k, b->thread), place, b->address, k->usable);
    uint32_t slot = live_enter(l);
    live_fill(&l->slots[slot], b);
    return slot;
}

/* `thread` ends the block; it can still be read until the next event. */
EVENT_INLINE void event_end(struct event_model *m, struct live *l, uint32_t thread, uint32_t slot)
{
    const struct live_slot *b = &l->slots[slot];
    event_model_left(m, l, slot);
    event_model_freed(m, event_ring(&l->kinds.items[b->kind], thread), b->address);
    live_leave(l, slot);
}

/* The block in the slot becomes `b`. */
EVENT_INLINE void event_change(struct event_model *m, struct live *l, uint32_t slot,
                               const struct live_slot *b, unsigned place)
{
    struct live_slot *was = &l->slots[slot];
    const struct kind *k = &l->kinds.items[b->kind];
    event_model_left(m, l, slot);
    event_model_placed(m, event_ring(k, b->thread), place, b->address, k->usable);
    if (was->address != b->address)
        event_model_freed(m, event_ring(&l->kinds.items[was->kind], b->thread), was->address);
    live_fill(was, b);
    live_touch(l, slot);
}

/* The guesses learn from an event whose token said how far they were right: `level` is the place of
 * the first right one, 3 if none was. */
EVENT_INLINE void event_teach_all(const struct event_context *x, unsigned level, uint32_t right)
{
    event_teach(x->recent, right);
    if (level > 0)
        event_teach(x->pair, right);
    if (level > 1)
        event_teach(x->last, right);
}

#endif
