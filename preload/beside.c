/* SPDX-License-Identifier: MIT */
#include "beside.h"

#include "clock.h"
#include "real.h"
#include "recorder.h"
#include "sys.h"
#include "thread.h"

struct rec_thread *rec_beside_thread(void)
{
    if (!rec_real_ready())
        return NULL; /* before the recorder may start */
    struct rec_thread *t = rec_thread_current;
    return *rec_alive != REC_ALIVE || t == NULL ? rec_thread_slow() : t;
}

bool rec_beside_begin(struct rec_beside *row, struct rec_thread *t)
{
    row->mask = sys_signals_block();
    row->thread = rec_thread_writer(t);
    if (row->thread == NULL) {
        sys_signals_restore(row->mask);
        return false;
    }
    row->marked = rec_thread_mark(row->thread);
    row->stamp = rec_clock_stamp();
    return true;
}

void rec_beside_end(const struct rec_beside *row, enum seep_beside kind, const uint8_t *bytes,
                    size_t length)
{
    if (bytes)
        rec_row_beside(row->thread, kind, row->stamp, bytes, length);
    if (row->marked)
        rec_thread_unmark(row->thread);
    sys_signals_restore(row->mask);
}
