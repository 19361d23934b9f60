/* SPDX-License-Identifier: MIT
 *
 * From a spool that was opened to a trace that is complete: facts, what a forked child has from its
 * parent, what an earlier packer has packed, all events, and the summary. */
#include "seep/trace_codec.h"
#include "trace/bytes.h"
#include "trace/facts.h"
#include "trace/pack_state.h"

#include <string.h>

#define PROGRESS_PLACES 65536
#define INHERITED_RECORD_BLOCKS 65536u

static const struct family *packer_family(const struct packer *p)
{
    return p->options->follow ? &p->family : p->options->family;
}

static bool go_on(void *arg)
{
    return packer_go_on(arg, 0);
}

/* All but those that only the packer needs. They are whole: spool_open() saw to it. */
static void copy_facts(struct bytes *facts, const struct spool *s)
{
    struct cursor c = cursor_at(s->facts, s->facts_bytes);
    while (!cursor_done(&c)) {
        uint64_t key = cursor_varint(&c), length = cursor_varint(&c);
        const uint8_t *value = cursor_take(&c, length);
        if (value != NULL && key != SEEP_FACT_FORK_LANES && key != SEEP_FACT_FORK_STAMP)
            facts_put(facts, (enum seep_fact)key, value, (size_t)length);
    }
}

/* The process's facts, what its times rest on, and where its parent's trace is. */
static enum seep_err write_facts(struct packer *p, struct err *err)
{
    struct bytes facts = {0};
    copy_facts(&facts, &p->spool);
    const char *basis = stamp_clock_basis_name(p->clock.basis);
    facts_put_text(&facts, SEEP_FACT_CLOCK, basis);
    facts_put_number(&facts, SEEP_FACT_START_NS, p->spool.control.start_ns);
    if (p->inherited.known)
        facts_put_number(&facts, SEEP_FACT_FORK_NS, p->inherited.fork_ns);
    char *parent = family_parent_trace(packer_family(p), &p->spool);
    facts_put_text(&facts, SEEP_FACT_PARENT_TRACE, parent);
    free(parent);
    enum seep_err e = trace_writer_facts(p->writer, facts.data, facts.length, err);
    bytes_release(&facts);
    return e;
}
/* One record that tells when blocks first .. first + count - 1 were made, and by whom. */
static enum seep_err write_inherited_record(struct packer *p, size_t first, size_t count,
                                            struct err *err)
{
    struct bytes payload = {0};
    bytes_varint(&payload, first);
    bytes_varint(&payload, count);
    int64_t age = 0;
    for (size_t i = first; i < first + count; i++) {
        const struct inherited_block *b = &p->inherited.blocks[i];
        int64_t next = (int64_t)(p->spool.control.start_ns - b->made_ns);
        bytes_svarint(&payload, next - age);
        bytes_varint(&payload, b->tid);
        age = next;
    }
    struct trace_event ev = {
        .type = TRACE_BESIDE,
        .beside = {SEEP_BESIDE_INHERITED, payload.data, payload.length},
    };
    enum seep_err e = trace_writer_event(p->writer, &ev, err);
    bytes_release(&payload);
    return e;
}

/* What the process has from its parent comes before anything of its own. */
static enum seep_err write_inherited(struct packer *p, struct err *err)
{
    const struct inherited *in = &p->inherited;
    for (size_t i = 0; i < in->node_count; i++) {
        const struct inherited_node *n = &in->nodes[i];
        stack_map_define(&p->stacks, n->id | INHERITED_STACK,
                         n->parent != 0 ? n->parent | INHERITED_STACK : 0, n->pc, n->flags);
    }
    for (size_t i = 0; i < in->modules.public.module_count; i++)
        beside_inherit_module(&p->beside, &in->modules.public.modules[i]);
    enum seep_err e = SEEP_OK;
    for (size_t i = 0; i < in->count && e == SEEP_OK; i++) {
        size_t left = in->count - i;
        struct inherited_block block = in->blocks[i];
        if (block.stack != 0)
            block.stack |= INHERITED_STACK;
        if (i % INHERITED_RECORD_BLOCKS == 0)
            e = write_inherited_record(
                p, i, left < INHERITED_RECORD_BLOCKS ? left : INHERITED_RECORD_BLOCKS, err);
        if (e == SEEP_OK)
            e = order_inherit(&p->order, &block, err);
    }
    return e;
}

/* The places that are there. */
static enum seep_err write_places(struct packer *p, struct err *err)
{
    const struct place *place;
    double total = (double)p->spool.rows_total + 1;
    for (uint64_t places = 1; (place = merge_head(&p->merge)) != NULL; places++) {
        enum seep_err e = order_push(&p->order, place, err);
        merge_pop(&p->merge);
        if (e == SEEP_OK && places % PROGRESS_PLACES == 0) {
            if (!packer_go_on(p, (double)merge_bytes_read(&p->merge) / total))
                return packer_interrupted(err);
            if (p->options->follow)
                e = follow_free(p, err);
        }
        if (e != SEEP_OK)
            return e;
    }
    return SEEP_OK;
}

static enum seep_err write_events(struct packer *p, struct err *err)
{
    enum seep_err e = SEEP_OK;
    bool more = p->options->follow;
    if (more)
        follow_first_look(p);
    merge_renew(&p->merge);
    e = write_places(p, err);
    while (e == SEEP_OK && more) {
        e = follow_look(p, &more, err);
        if (e == SEEP_OK && more)
            e = write_places(p, err);
    }
    if (e == SEEP_OK)
        e = order_finish(&p->order, err);
    if (e == SEEP_OK)
        handout_finish(&p->handout);
    /* those of the time after the last event; the parent's EXIT is among them */
    return e != SEEP_OK ? e : beside_snapshots(&p->beside, UINT64_MAX, err);
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void fill_summary(const struct packer *p, struct trace_summary *out)
{
    const struct seep_control *c = &p->spool.control;
    const uint64_t *lost = p->beside.lost;
    /* A LOST record says where events are missing; the recorder counts the same ones in control. */
    *out = (struct trace_summary){
        .lost_nested = most(c->lost_nested, lost[SEEP_LOST_NESTED]),
        .lost_stopped = most(c->lost_stopped, lost[SEEP_LOST_STOPPED]),
        .lost_early = most(c->lost_early, lost[SEEP_LOST_EARLY]),
        .lost_no_lane = most(c->lost_no_lane, lost[SEEP_LOST_NO_LANE]),
        .lost_full = most(c->lost_full, lost[SEEP_LOST_FULL]),
        .lost_damaged = p->spool.missing_pieces + p->spool.damaged_pieces + merge_lost(&p->merge) +
                        p->beside.damaged,
        .repaired = p->order.repaired,
        .raced = p->order.raced,
        .unknown_frees = p->order.unknown_frees,
        .cut_stacks = c->cut_stacks,
        .guessed_frames = c->guessed_frames,
        .duration_ns = most(p->beside.time_ns, stamp_clock_end_ns(&p->clock)),
        .recorder_bytes = p->beside.recorder_bytes,
        .peak_rss_bytes = p->beside.peak_rss_bytes,
        .spool_state = c->state,
        .stop_reason = c->stop_reason,
        .unseen = c->unseen,
        .wait_status = p->beside.wait_status,
    };
}

/* Makes the parts that places pass through on their way into the trace. */
static void join_parts(struct packer *p)
{
    struct spool *s = &p->spool;
    p->stacks.writer = p->writer;
    p->stacks.keep_log = p->options->follow;
    merge_init(&p->merge, s, &p->notes, &p->stacks);
    p->stacks.more = merge_read_definitions;
    p->stacks.more_arg = &p->merge;
    stamp_clock_init(&p->clock, s, merge_newest(&p->merge), beside_last_snapshot_ns(s));
    if (s->running)
        stamp_clock_add(&p->clock, &s->looked_at);
    beside_init(&p->beside, p->writer, s, &p->notes);
    graph_packer_init(&p->graphs, p->writer, s, &p->notes);
    p->graphs.go_on = go_on;
    p->graphs.go_on_arg = p;
    p->beside.graphs = &p->graphs;
    order_init(&p->order, p->writer, &p->stacks, &p->beside, &p->clock,
               s->fork_parent_pid != 0 && !p->inherited.known);
    p->order.fork_stamp = s->fork_stamp;
    handout_init(&p->handout, p->writer, &p->stacks, &p->beside, s, &p->inherited, &p->clock);
    const struct family *family = packer_family(p);
    for (size_t i = 0; (i = family_next_child(family, s->path, i)) < family_count(family); i++) {
        p->children++;
        handout_add(&p->handout, family->all[i].path, 0);
    }
    p->order.handout = &p->handout;
}

static enum seep_err write_trace_from(struct packer *p, struct pack_state *state, struct err *err)
{
    struct spool *s = &p->spool;
    inherited_read(&p->inherited, s);
    s->generation_shift =
        p->inherited.known && p->inherited.generation > 0 ? p->inherited.generation - 1 : 0;
    enum seep_err e = spool_index(s, &p->notes, go_on, p, err);
    struct trace_writer_options writer = {.coding = p->options->coding};
    if (writer.coding.unit_us == 0)
        writer.coding.unit_us = state->unit_us;
    if (e == SEEP_OK)
        e = trace_writer_open(&p->writer, p->temporary, &writer, err);
    if (e != SEEP_OK)
        return e;
    join_parts(p);
    if (pack_state_is_there(state))
        e = pack_state_restore_lanes(state, p, err);
    if (e == SEEP_OK)
        e = write_facts(p, err);
    if (e == SEEP_OK)
        e = write_inherited(p, err);
    if (e == SEEP_OK && pack_state_is_there(state))
        e = pack_state_restore_trace(state, p, err);
    if (e == SEEP_OK)
        e = write_events(p, err);
    return e;
}

enum seep_err packer_write_trace(struct packer *p, struct err *err)
{
    struct pack_state state;
    enum seep_err e = pack_state_open(&state, p, err);
    if (e == SEEP_OK)
        e = write_trace_from(p, &state, err);
    pack_state_release(&state);
    if (e != SEEP_OK)
        return e;
    struct trace_summary summary;
    fill_summary(p, &summary);
    struct trace_writer *w = p->writer;
    p->writer = NULL; /* freed by finishing it, also on error */
    return trace_writer_finish(w, &summary, err);
}
