/* SPDX-License-Identifier: MIT */
#include "trace/event_coder.h"

#include "trace/event_model.h"

_Static_assert((int)SEEP_EVENT_ALLOC == TRACE_ALLOC && (int)SEEP_EVENT_FREE == TRACE_FREE &&
                   (int)SEEP_EVENT_REALLOC == TRACE_REALLOC &&
                   (int)SEEP_EVENT_REALLOC_OUT == TRACE_REALLOC_OUT &&
                   (int)SEEP_EVENT_REALLOC_IN == TRACE_REALLOC_IN &&
                   (int)SEEP_EVENT_FAILED == TRACE_FAILED &&
                   (int)SEEP_EVENT_FREE_UNKNOWN == TRACE_FREE_UNKNOWN &&
                   (int)SEEP_EVENT_INHERITED == TRACE_INHERITED &&
                   (int)SEEP_EVENT_REPAIRED == TRACE_REPAIRED &&
                   (int)SEEP_EVENT_IMPLIED == TRACE_IMPLIED,
               "events are stored under their numbers");

void event_coder_init(struct event_coder *c, struct live *live, struct columns *columns)
{
    *c = (struct event_coder){.live = live, .columns = columns, .model = event_model_new()};
    event_coder_reset(c,
                      &(struct seep_group_header){.unit_us = 1, .table_bits = SEEP_TABLE_BITS_MIN});
}

void event_coder_release(struct event_coder *c)
{
    if (!c)
        return;
    event_model_free(c->model);
    *c = (struct event_coder){0};
}

void event_coder_reset(struct event_coder *c, const struct seep_group_header *h)
{
    event_model_reset(c->model, h->table_bits);
    event_clock_reset(&c->clock, c->columns, h->start_ns, h->unit_us);
    c->thread = 0;
    c->history = event_model_history(c->model, 0);
    c->run = c->same_thread = 0;
}
