/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include "recorder.h"
#include "rows_put.h"
#include "space.h"
#include "spool.h"
#include "sys.h"

#include <string.h>

bool rec_rows_lead_nowhere(const struct rec_thread *t)
{
    return t->fork != REC_FORK_NONE;
}

static void restart_deltas(struct rec_thread *t)
{
    t->last_stamp = rec_spool_control()->start_stamp;
    t->last_address = 0;
    t->last_pc = 0;
    t->last_stack = 0;
}

/* The next tail is twice as large if it may. */
__attribute__((noinline, cold)) bool rec_rows_write_out(struct rec_thread *t)
{
    uint64_t mask = sys_signals_block();
    if (rec_rows_lead_nowhere(t)) {
        t->word = (uint64_t)(t->sequence + 1) << 32;
        sys_signals_restore(mask);
        return true;
    }
    uint32_t slot = t->sequence & 1;
    enum seep_stop stop =
        rec_spool_write_rows(t->lane_index, t->sequence, t->lane->thread[slot], t->tail, t->length);
    if (stop == SEEP_STOP_NONE) {
        uint32_t grown = t->room * 2;
        if (t->room < rec_tail_max() && rec_spool_tail_grow(t->lane_index, t->room, grown))
            t->room = grown;
        t->lane->thread[!slot] = t->number;
        t->lane->tail_offset[!slot] = t->lane->tail_offset[slot];
        t->lane->tail_bytes[!slot] = t->room;
        row_publish(t, (uint64_t)(t->sequence + 1) << 32);
        restart_deltas(t);
        rec_after_write_out();
        if (t->dropped || rec_space_is_short())
            t->clock_last = 0; /* leads to rec_event_clock_due() */
    } else {
        rec_stop(stop);
    }
    sys_signals_restore(mask);
    return stop == SEEP_STOP_NONE;
}

__attribute__((noinline, cold)) bool rec_rows_make_room(struct rec_thread *t)
{
    if (!rec_space_drops())
        return rec_rows_write_out(t);
    t->dropped++;
    return false;
}

void rec_rows_restart(struct rec_thread *t)
{
    t->length = (uint32_t)__atomic_load_n(&t->lane->word, __ATOMIC_RELAXED);
    t->busy = 0;
    if (t->length)
        rec_rows_write_out(t);
    else
        t->lane->thread[t->sequence & 1] = t->number;
    restart_deltas(t);
}

bool rec_row_alloc(struct rec_thread *t, enum seep_call call, uint64_t stamp, uint32_t stack,
                   const struct rec_block *b)
{
    return row_put_alloc(t, call, stamp, stack, b);
}

bool rec_row_free(struct rec_thread *t, enum seep_call call, uint64_t stamp, uint32_t stack,
                  uintptr_t address)
{
    return row_put_free(t, call, stamp, stack, address);
}

bool rec_row_realloc(struct rec_thread *t, enum seep_call call, uint64_t start, uint64_t end,
                     uint32_t stack, uintptr_t old_address, const struct rec_block *b)
{
    uint8_t *first = row_begin_event(t);
    if (first == NULL)
        return false;
    bool unaligned = ((old_address | b->address | t->last_address) & 7) != 0;
    *first = SEEP_ROW_REALLOC | (unaligned ? SEEP_ROW_UNALIGNED : 0);
    uint8_t *p = row_put_stamp(t, first + 1, start);
    p = seep_put_varint(p, end - start);
    p = seep_put_svarint(p, row_scaled((int64_t)(old_address - t->last_address), unaligned));
    p = seep_put_svarint(p, row_scaled((int64_t)(b->address - old_address), unaligned));
    t->last_address = b->address;
    p = seep_put_varint(p, b->size);
    p = row_put_stack(t, p, stack);
    return row_commit(t, row_put_block_rest(p, first, call, SEEP_CALL_REALLOC, b));
}

bool rec_row_failed(struct rec_thread *t, enum seep_call call, uint64_t stamp, uint32_t stack,
                    uintptr_t old_address, uint64_t size)
{
    uint8_t *first = row_begin_event(t);
    if (first == NULL)
        return false;
    bool unaligned = (old_address & 7) != 0;
    *first = SEEP_ROW_FAILED | (unaligned ? SEEP_ROW_UNALIGNED : 0);
    uint8_t *p = row_put_stamp(t, first + 1, stamp);
    p = seep_put_svarint(p, row_scaled((int64_t)old_address, unaligned));
    p = seep_put_varint(p, size);
    p = row_put_stack(t, p, stack);
    if (call != SEEP_CALL_MALLOC) {
        *first |= SEEP_ROW_CALL;
        *p++ = (uint8_t)call;
    }
    return row_commit(t, p);
}

bool rec_row_stack(struct rec_thread *t, uint32_t id, uint32_t parent, uintptr_t pc, uint8_t flags)
{
    uint8_t *p = row_begin(t, ROW_MAX);
    if (p == NULL)
        return false;
    *p++ = (uint8_t)(SEEP_ROW_STACK | flags);
    p = seep_put_varint(p, id);
    p = seep_put_varint(p, parent);
    p = seep_put_svarint(p, (int64_t)(pc - t->last_pc));
    t->last_pc = pc;
    return row_commit(t, p);
}

bool rec_row_root(struct rec_thread *t, uint32_t id, uint32_t generation, uint8_t flags)
{
    uint8_t *p = row_begin(t, ROW_MAX);
    if (p == NULL)
        return false;
    *p++ = (uint8_t)(SEEP_ROW_STACK | SEEP_ROW_ROOT | flags);
    p = seep_put_varint(p, id);
    return row_commit(t, seep_put_varint(p, generation));
}

bool rec_row_beside(struct rec_thread *t, enum seep_beside kind, uint64_t stamp, const void *bytes,
                    size_t length)
{
    if (length > SEEP_TAIL_MIN_BYTES / 2)
        return false;
    uint8_t *p = row_begin(t, ROW_MAX + length);
    if (p == NULL)
        return false;
    *p++ = SEEP_ROW_BESIDE;
    p = seep_put_varint(p, kind);
    p = row_put_stamp(t, p, stamp);
    p = seep_put_varint(p, length);
    for (size_t i = 0; i < length; i++)
        *p++ = ((const uint8_t *)bytes)[i];
    return row_commit(t, p);
}
