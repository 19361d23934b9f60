/* SPDX-License-Identifier: MIT
 * The annotation API, include/seep/seep.h, as the recorder serves it. */
#include "clock.h"
#include "graph.h"
#include "hook.h"
#include "recorder.h"
#include "seep/seep.h"
#include "seep/trace_codec.h"
#include "sys.h"
#include "text.h"
#include "thread.h"

#define MARK_BYTES 255

HOOK void seep_recorder_mark(const char *name);

HOOK void seep_recorder_mark(const char *name)
{
    if (!rec_real_ready())
        return; /* before the recorder may start */
    struct rec_thread *t = rec_thread_current;
    if (*rec_alive != REC_ALIVE || t == NULL)
        t = rec_thread_slow();
    if (t == NULL)
        return;
    uint8_t payload[SEEP_VARINT_MAX + MARK_BYTES];
    uint8_t *p = seep_put_varint(payload, t->number);
    for (size_t i = 0; i < MARK_BYTES && name[i]; i++)
        *p++ = (uint8_t)name[i];
    uint64_t mask = sys_signals_block();
    if ((t = rec_thread_writer(t)) != NULL) {
        bool marked = rec_thread_mark(t);
        rec_row_beside(t, SEEP_BESIDE_MARK, rec_clock_stamp(), payload, (size_t)(p - payload));
        if (marked)
            rec_thread_unmark(t);
    }
    sys_signals_restore(mask);
    rec_graph_mark(name);
}
