/* SPDX-License-Identifier: MIT */
#include "trace/group_player.h"

#include "trace/checkpoint.h"
#include "trace/event_coder.h"

#include <pthread.h>

/* What the workers share; `lock` guards all that changes. */
struct shared {
    struct group_player *p;
    pthread_mutex_t lock;
    size_t next_chunk;  /* first one of no worker's */
    uint64_t played;    /* events */
    bool sound, ending; /* ending: no more groups are begun */
    enum seep_err code;
    struct err err; /* of the first error */
};

struct worker {
    struct shared *shared;
    bool main; /* the calling thread */
    struct live live;
    struct columns columns;
    struct event_coder coder;
    struct bytes payload;
    struct event_sums *sums;
    struct err err;
};

static bool is_part(const struct chunk_entry *entry)
{
    return entry->header.type == SEEP_CHUNK_GROUP;
}

static bool begins_group(const struct chunk_entry *entry)
{
    return is_part(entry) && entry->group_ok && entry->group.flags & SEEP_GROUP_CHECKPOINT;
}

/* The first part of a group that nobody plays yet; the number of chunks if there is none. */
static size_t claim(struct shared *s)
{
    const struct chunk_list *l = s->p->chunks;
    pthread_mutex_lock(&s->lock);
    size_t at = s->ending ? l->count : s->next_chunk;
    while (at < l->count && !begins_group(&l->entries[at]))
        at++;
    s->next_chunk = at + (at < l->count);
    pthread_mutex_unlock(&s->lock);
    return at;
}

static void stop(struct shared *s, bool sound, enum seep_err code, const struct err *err)
{
    pthread_mutex_lock(&s->lock);
    s->ending = true;
    s->sound &= sound;
    if (code && !s->code) {
        s->code = code;
        s->err = *err;
    }
    pthread_mutex_unlock(&s->lock);
}

/* Whether the state that a part was written in is ours. */
static bool is_state(const struct worker *w, const struct seep_group_header *h)
{
    return h->start_ns == event_clock_ns(&w->coder.clock) && h->live_count == w->live.count &&
           h->slot_count == w->live.slot_count - 1 && h->flight_count == w->live.flight_count;
}

static bool begin_group(struct worker *w, const struct columns_table *table,
                        const struct seep_group_header *h)
{
    struct trace_peak peak;
    if (!checkpoint_decode(&w->columns, table, h, &w->live, &peak, &w->sums->last_made,
                           w->shared->p->threads))
        return false;
    const struct live *l = &w->live;
    for (uint32_t i = 0; i < l->kinds.count; i++)
        if (l->kinds.items[i].stack > w->shared->p->stacks)
            return false;
    for (uint32_t slot = live_oldest(l); slot; slot = l->links[slot].younger)
        if (l->slots[slot].thread > w->shared->p->threads)
            return false;
    event_sums_begin(w->sums, l, &peak);
    event_coder_reset(&w->coder, h);
    return true;
}

/* Plays the events of a part. */
static enum seep_err play_part(struct worker *w, const struct chunk_entry *entry, bool *sound)
{
    const struct seep_group_header *h = &entry->group;
    struct columns_table table;
    enum seep_err code = chunk_load(entry, w->shared->p->source, &w->payload, sound, &w->err);
    *sound =
        *sound && columns_parse(&table, w->payload.data + sizeof *h, w->payload.length - sizeof *h);
    for (unsigned id = EVENT_COLUMNS_BEGIN; *sound && id < EVENT_COLUMNS_END; id++)
        *sound =
            columns_decode(&w->columns, &table, id, (uint64_t)h->event_count * SEEP_VARINT_MAX);
    if (code || !*sound)
        return code;
    *sound = h->flags & SEEP_GROUP_CHECKPOINT ? begin_group(w, &table, h) : is_state(w, h);
    uint64_t number = h->first_event, end = number + h->event_count;
    if (*sound) {
        event_coder_begin(&w->coder);
        *sound = event_coder_play(&w->coder, &number, end, UINT64_MAX, w->sums);
    }
    return SEEP_OK;
}

/* Counts the events of a part as played, and tells of it. */
static bool go_on(struct worker *w, uint32_t events)
{
    struct group_player *p = w->shared->p;
    pthread_mutex_lock(&w->shared->lock);
    uint64_t played = w->shared->played += events;
    bool ending = w->shared->ending;
    pthread_mutex_unlock(&w->shared->lock);
    if (w->main && p->progress && !p->progress(p->arg, (double)played / (double)p->events)) {
        enum seep_err code = err_set(&w->err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        stop(w->shared, true, code, &w->err);
        return false;
    }
    return !ending;
}

/* Adds what the group did. `last`: no group comes after it. */
static void hand_in(struct worker *w, bool last)
{
    struct group_player *p = w->shared->p;
    pthread_mutex_lock(&w->shared->lock);
    for (uint32_t i = 0; p->made && i < w->live.kinds.count; i++)
        if (w->live.kinds.items[i].made)
            p->made(p->arg, &w->live.kinds.items[i]);
    event_sums_harvest(w->sums, &w->live.kinds);
    event_sums_add(p->sums, w->sums, last);
    if (last) {
        struct live live = p->live;
        p->live = w->live;
        w->live = live;
        p->end_ns = event_clock_ns(&w->coder.clock);
    }
    pthread_mutex_unlock(&w->shared->lock);
}

/* Plays the group that begins with chunk `at`. */
static void play_group(struct worker *w, size_t at)
{
    const struct chunk_list *l = w->shared->p->chunks;
    uint64_t number = l->entries[at].group.first_event;
    bool sound = true;
    for (size_t first = at; at < l->count && (at == first || !begins_group(&l->entries[at]));
         at++) {
        const struct chunk_entry *entry = &l->entries[at];
        if (!is_part(entry))
            continue;
        enum seep_err code = SEEP_OK;
        sound = entry->group_ok && entry->group.first_event == number;
        if (sound)
            code = play_part(w, entry, &sound);
        if (code || !sound) {
            stop(w->shared, sound, code, &w->err);
            return;
        }
        number += entry->group.event_count;
        if (!go_on(w, entry->group.event_count))
            return;
    }
    bool last = at == l->count;
    sound = last ? number == w->shared->p->events
                 : l->entries[at].group.first_event == number && is_state(w, &l->entries[at].group);
    sound &= w->coder.highest_stack <= w->shared->p->stacks &&
             w->coder.highest_thread <= w->shared->p->threads;
    if (sound)
        hand_in(w, last);
    else
        stop(w->shared, false, SEEP_OK, NULL);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    const size_t count = w->shared->p->chunks->count;
    live_init(&w->live);
    event_coder_init(&w->coder, &w->live, &w->columns);
    w->coder.play_threads = w->shared->p->threads;
    w->sums = event_sums_new();
    for (size_t at; (at = claim(w->shared)) < count;)
        play_group(w, at);
    event_sums_free(w->sums);
    event_coder_release(&w->coder);
    live_release(&w->live);
    columns_release(&w->columns);
    bytes_release(&w->payload);
    return NULL;
}

enum seep_err group_player_run(struct group_player *p, bool *sound, struct err *err)
{
    const struct chunk_list *l = p->chunks;
    size_t first = 0;
    while (first < l->count && !is_part(&l->entries[first]))
        first++;
    *sound = first == l->count
                 ? p->events == 0
                 : begins_group(&l->entries[first]) && l->entries[first].group.first_event == 0;
    if (!*sound || first == l->count)
        return SEEP_OK;
    struct shared shared = {.p = p, .lock = PTHREAD_MUTEX_INITIALIZER, .sound = true};
    struct worker *workers = mem_zalloc(p->workers, sizeof *workers);
    pthread_t *threads = mem_zalloc(p->workers, sizeof *threads);
    unsigned started = 1;
    while (started < p->workers) {
        workers[started].shared = &shared;
        if (pthread_create(&threads[started], NULL, work, &workers[started]))
            break; /* those that there are do it all */
        started++;
    }
    workers[0] = (struct worker){.shared = &shared, .main = true};
    work(&workers[0]);
    while (--started)
        pthread_join(threads[started], NULL);
    free(threads);
    free(workers);
    *sound = shared.sound && !shared.code;
    if (shared.code && err)
        *err = shared.err;
    return shared.code;
}
