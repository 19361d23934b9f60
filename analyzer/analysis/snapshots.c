/* SPDX-License-Identifier: MIT */
#include "analysis/snapshots.h"

#include "model/graph_words.h"
#include "trace/graph.h"
#include "util/mem.h"

#include <stdlib.h>

/* What the trace holds of a snapshot's graph. */
struct held {
    uint64_t chunks, bytes;
    struct graph_head head; /* of the last one */
};

static struct held *held_of(struct held *held, const struct trace_dict *dict,
                            const struct graph_head *h)
{
    for (size_t i = 0; i < dict->snapshot_count; i++)
        if (dict->snapshots[i].number == h->number && dict->snapshots[i].event == h->event)
            return &held[i];
    return NULL;
}

static enum seep_err collect(struct held *held, struct trace_reader *reader, struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct columns columns = {0};
    struct graph_head head;
    bool good;
    enum seep_err code;
    for (size_t at = 0; !(code = trace_reader_graph(reader, &at, true, &columns, &good, err));) {
        struct held *h =
            good && graph_take_head(&head, &columns) ? held_of(held, dict, &head) : NULL;
        if (!h)
            continue;
        h->chunks++;
        h->bytes += trace_reader_graph_bytes(reader, at);
        h->head = head;
    }
    columns_release(&columns);
    return code == SEEP_END ? SEEP_OK : code;
}

static const char *missing(const struct trace_snapshot *s, const struct held *h)
{
    if (s->state != SEEP_GRAPH_TAKEN)
        return graph_state_words(s->state);
    if (!h->chunks)
        return "it was never finished";
    return h->head.last && h->chunks == h->head.chunk + 1 ? NULL : "it is damaged";
}

static void add_held(struct result *r, const struct held *h)
{
    result_count(r, "blocks", h->head.nodes);
    result_bytes(r, "bytes", h->bytes);
    result_count(r, "words", h->head.words);
    result_bytes(r, "scanned_bytes", h->head.scanned_bytes);
    result_ns(r, "scan_ns", h->head.scan_ns);
}

static void add_snapshot(struct result *list, const struct trace_snapshot *s, const struct held *h)
{
    static const char *const names[] = {"blocks", "bytes", "words", "scanned_bytes", "scan_ns"};
    struct result *r = result_object(list, NULL);
    const char *why = missing(s, h);
    result_integer(r, "number", (int64_t)s->number);
    result_text(r, "trigger", graph_trigger_name(s->trigger));
    result_ns(r, "time_ns", s->time_ns);
    result_text(r, "missing", why);
    if (!why)
        add_held(r, h);
    for (size_t i = 0; why && i < sizeof names / sizeof names[0]; i++)
        result_null(r, names[i]);
    result_count(r, "threads", s->stopped_threads);
    result_count(r, "missed_threads", s->missed_threads);
    result_ns(r, "held_ns", s->held_ns);
    result_ns(r, "fork_ns", s->fork_ns);
}

enum seep_err snapshots_add(struct result *parent, const char *name, struct trace_reader *reader,
                            struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(reader);
    struct held *held = mem_zalloc(dict->snapshot_count + 1, sizeof *held);
    struct result *list = result_array(parent, name);
    enum seep_err code = collect(held, reader, err);
    for (size_t i = 0; i < dict->snapshot_count && !code; i++)
        add_snapshot(list, &dict->snapshots[i], &held[i]);
    free(held);
    return code;
}
