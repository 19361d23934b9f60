/* SPDX-License-Identifier: MIT */
#include "nested.h"

#include "modules.h"
#include "recorder.h"
#include "sys.h"
#include "thread.h"

#include <string.h>

#define QUEUE_BYTES (96u << 10)

struct rec_nested {
    struct rec_walk walk; /* of the event being kept, or being written */
    uint32_t used;        /* bytes of `queue` */
    _Alignas(8) uint8_t queue[QUEUE_BYTES];
};

/* In the queue: this, then `frames` pcs, then as many flags, padded to 8 bytes. */
struct entry {
    struct rec_event event;
    uint32_t frames;
    uint32_t bytes; /* of the whole entry */
    bool cut;
};

static struct rec_module self;

void rec_nested_init(void)
{
    rec_modules_find((uintptr_t)rec_nested_init, &self);
}

static bool runs_through_us(const struct rec_walk *walk)
{
    for (uint32_t i = 0; i < walk->count; i++)
        if (walk->pc[i] - self.start < self.end - self.start)
            return true;
    return walk->cut; /* not known: rather wait than write into the middle of something */
}

static void append(struct rec_thread *t, const struct rec_event *event)
{
    struct rec_nested *n = t->nested;
    uint32_t frames = event->row == rec_event_stackless ? 0 : n->walk.count;
    uint32_t pcs = frames * (uint32_t)sizeof n->walk.pc[0];
    uint32_t bytes = (uint32_t)(sizeof(struct entry) + pcs + frames + 7) & ~7u;
    if (n->used + bytes > QUEUE_BYTES) {
        rec_lost(SEEP_LOST_NESTED);
        return;
    }
    struct entry *e = (struct entry *)(n->queue + n->used);
    *e = (struct entry){.event = *event, .frames = frames, .bytes = bytes, .cut = n->walk.cut};
    memcpy(e + 1, n->walk.pc, pcs);
    memcpy((uint8_t *)(e + 1) + pcs, n->walk.flags, frames);
    n->used += bytes;
    t->nested_count++;
}

bool rec_nested_keep(struct rec_thread *t, const struct rec_event *event, struct rec_context at)
{
    uint64_t mask = sys_signals_block();
    if (t->nested == NULL)
        t->nested = sys_memory(sizeof *t->nested);
    bool inside = true;
    if (t->nested == NULL) {
        rec_lost(SEEP_LOST_NESTED);
    } else {
        struct rec_stack_bounds bounds = t->bounds;
        rec_unwind(&t->nested->walk, at, &bounds);
        inside = runs_through_us(&t->nested->walk);
        if (inside && event)
            append(t, event);
    }
    if (!inside) {
        t->busy = 0;
        rec_rows_restart(t);
    }
    sys_signals_restore(mask);
    return inside;
}

void rec_nested_drain(struct rec_thread *t)
{
    uint64_t mask = sys_signals_block();
    struct rec_nested *n = t->nested;
    t->busy = (uintptr_t)&mask;
    for (uint32_t at = 0; at < n->used;) {
        const struct entry *e = (const struct entry *)(n->queue + at);
        n->walk.count = e->frames;
        n->walk.cut = e->cut;
        n->walk.guessed = 0;
        memcpy(n->walk.pc, e + 1, e->frames * sizeof n->walk.pc[0]);
        memcpy(n->walk.flags, (const uint64_t *)(e + 1) + e->frames, e->frames);
        rec_event_write(t, &e->event, e->event.row == rec_event_stackless ? NULL : &n->walk);
        at += e->bytes;
    }
    n->used = 0;
    t->nested_count = 0;
    t->busy = 0;
    sys_signals_restore(mask);
}
