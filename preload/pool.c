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

static inline struct rec_event event(enum seep_row row, const void *p, size_t bytes)
{
    return (struct rec_event){
        .row = row,
        .call = SEEP_CALL_POOL,
        .stamp = rec_clock_stamp(),
        .block = {.address = (uintptr_t)p, .size = bytes, .usable = bytes},
    };
}

/* False, and counted, where the recorder may not start yet. */
static bool can_record(void)
{
    if (rec_real_ready())
        return true;
    rec_lost(SEEP_LOST_EARLY);
    return false;
}

HOOK void seep_recorder_pool_allocated(const void *p, size_t bytes)
{
    if (p == NULL || !can_record())
        return;
    struct rec_event e = event(SEEP_ROW_ALLOC, p, bytes);
    rec_record(&e, REC_CONTEXT_HERE);
}

HOOK void seep_recorder_pool_freed(const void *p)
{
    if (p == NULL || !can_record())
        return;
    struct rec_event e = event(SEEP_ROW_FREE, NULL, 0);
    e.old_address = (uintptr_t)p;
    rec_record(&e, REC_CONTEXT_HERE);
}

HOOK void seep_recorder_pool_moved(const void *old, const void *p, size_t bytes)
{
    if (p == NULL || !can_record())
        return;
    struct rec_event e = event(old ? SEEP_ROW_REALLOC : SEEP_ROW_ALLOC, p, bytes);
    e.old_address = (uintptr_t)old;
    e.end_stamp = e.stamp;
    rec_record(&e, REC_CONTEXT_HERE);
}
