/* SPDX-License-Identifier: MIT
 * The annotation API, include/seep/seep.h, as the recorder serves it. */
#include "beside.h"
#include "graph.h"
#include "hook.h"
#include "seep/seep.h"
#include "seep/trace_codec.h"
#include "snapshot.h"
#include "thread.h"

#define MARK_BYTES 255

HOOK void seep_recorder_mark(const char *name);
HOOK void seep_recorder_memory(void);

HOOK void seep_recorder_mark(const char *name)
{
    struct rec_thread *t = rec_beside_thread();
    struct rec_beside row;
    if (t == NULL)
        return;
    uint8_t payload[SEEP_VARINT_MAX + MARK_BYTES];
    uint8_t *p = seep_put_varint(payload, t->number);
    for (size_t i = 0; i < MARK_BYTES && name[i]; i++)
        *p++ = (uint8_t)name[i];
    if (rec_beside_begin(&row, t))
        rec_beside_end(&row, SEEP_BESIDE_MARK, payload, (size_t)(p - payload));
    rec_graph_mark(name);
}

void seep_recorder_memory(void)
{
    if (rec_beside_thread())
        rec_snapshot_now();
}
