/* SPDX-License-Identifier: MIT */
#include "trace/reader_state.h"

#include "trace/group_player.h"

#include <sched.h>

/* Memory for reading in several threads: a live heap each. */
#define WORKERS_BYTES (UINT64_C(32) << 20)

static unsigned workers_for(const struct trace_reader *r)
{
    uint64_t blocks = 1;
    for (size_t i = 0; i < r->chunks.count; i++)
        if (r->chunks.entries[i].group_ok && r->chunks.entries[i].group.slot_count > blocks)
            blocks = r->chunks.entries[i].group.slot_count;
    cpu_set_t set;
    uint64_t room =
        WORKERS_BYTES / (blocks * (sizeof(struct live_slot) + sizeof(struct live_links)));
    int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return room < (uint64_t)processors ? (unsigned)room + 1 : (unsigned)processors;
}

/* What the player's callbacks need. */
struct telling {
    const struct trace_play *play;
    const struct dict *dict;
};

static void tell_kind(void *arg, const struct kind *k)
{
    const struct telling *t = arg;
    struct trace_block like = {.size = k->size,
                               .usable = k->usable,
                               .stack = dict_stack(t->dict, k->stack),
                               .alignment = k->alignment,
                               .call = k->call};
    t->play->made(t->play->arg, &like, k->made);
}

static bool tell_progress(void *arg, double fraction)
{
    const struct telling *t = arg;
    return t->play->progress(t->play->arg, fraction);
}

/* Tells all records. */
static enum seep_err play_records(struct trace_reader *r, const struct trace_play *play,
                                  struct event_sums *sums, struct err *err)
{
    enum seep_err code = SEEP_OK;
    while (!code) {
        code = reader_peek_record(r, r->chunks.count, err);
        if (code || !r->has_record)
            break;
        r->has_record = false;
        if (r->record.time_ns > sums->last_ns)
            sums->last_ns = r->record.time_ns;
        if (play->beside)
            play->beside(play->arg, &r->record.beside);
    }
    return code;
}

enum seep_err trace_reader_play(struct trace_reader *r, const struct trace_play *play,
                                struct event_sums *sums, bool *sound, struct err *err)
{
    struct telling telling = {.play = play, .dict = &r->dict};
    struct group_player p = {
        .chunks = &r->chunks,
        .source = &r->source,
        .events = r->known_events,
        .stacks = r->dict.public.stack_count,
        .threads = (uint32_t)r->dict.public.thread_count,
        .workers = play->threads ? play->threads : workers_for(r),
        .made = play->made ? tell_kind : NULL,
        .progress = play->progress ? tell_progress : NULL,
        .arg = &telling,
        .sums = sums,
    };
    *sound = !trace_facts_cut(&r->facts) && !r->dict.public.process_count && r->has_summary &&
             !r->summary.damaged && !r->summary.truncated && !r->dict.lost_nodes;
    if (!*sound)
        return SEEP_OK;
    live_init(&p.live);
    enum seep_err code = group_player_run(&p, sound, err);
    if (!code && *sound)
        code = play_records(r, play, sums, err);
    if (!code && *sound) {
        struct live live = r->live;
        r->live = p.live;
        p.live = live;
        reader_go_to(r, r->chunks.count);
        r->number = r->known_events;
        r->pass.last_ns = sums->last_ns;
        reader_stand_still(r, p.end_ns);
    }
    live_release(&p.live);
    return code || *sound ? code : trace_reader_rewind(r, err);
}
