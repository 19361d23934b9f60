/* SPDX-License-Identifier: MIT
 *
 * Blocks of a pool of the program's own, as it tells of them by include/seep/seep.h. They are
 * events like those of malloc, and never in the name of an outer call: operator new may well carve
 * its block out of a pool, but both are blocks. How much more than asked for the pool gives is not
 * known, so the usable size is the requested one. */
#include "clock.h"
#include "event.h"
#include "hook.h"
#include "recorder.h"
#include "seep/seep.h"

HOOK void seep_recorder_pool_allocated(const void *p, size_t bytes);
HOOK void seep_recorder_pool_freed(const void *p);
HOOK void seep_recorder_pool_moved(const void *old, const void *p, size_t bytes);

static inline void record(enum seep_row row, const void *old, const void *p, size_t bytes,
                          struct rec_context at)
{
    if (!rec_real_ready()) {
        rec_lost(SEEP_LOST_EARLY); /* the recorder may not start yet */
        return;
    }
    struct rec_entry entry = rec_enter(at);
    if (entry.thread == NULL)
        return;
    uint64_t stamp = rec_clock_stamp();
    struct rec_event event = {
        .row = row,
        .call = SEEP_CALL_POOL,
        .stamp = stamp,
        .end_stamp = stamp,
        .old_address = (uintptr_t)old,
        .block = {.address = (uintptr_t)p, .size = bytes, .usable = bytes},
    };
    rec_record(entry, &event, at);
}

HOOK void seep_recorder_pool_allocated(const void *p, size_t bytes)
{
    if (p)
        record(SEEP_ROW_ALLOC, NULL, p, bytes, REC_CONTEXT_HERE);
}

HOOK void seep_recorder_pool_freed(const void *p)
{
    if (p)
        record(SEEP_ROW_FREE, p, NULL, 0, REC_CONTEXT_HERE);
}

HOOK void seep_recorder_pool_moved(const void *old, const void *p, size_t bytes)
{
    if (p)
        record(old ? SEEP_ROW_REALLOC : SEEP_ROW_ALLOC, old, p, bytes, REC_CONTEXT_HERE);
}
