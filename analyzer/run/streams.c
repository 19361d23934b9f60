/* SPDX-License-Identifier: MIT */
#include "run/streams.h"

#include "trace/pack.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* From that size on, and from an eighth of the limit at the latest, a spool is followed: what a
 * program records in a tenth of a second at most. A shorter one should not pay for a thread; a
 * longer one's trace is nearly ready when it ends. */
#define START_BYTES (UINT64_C(4) << 20)
#define START_SHARE 8
#define LOOK_NS 50000000
#define STEP_NS 2000000
#define PROGRESS_STEPS 1000

struct stream {
    pthread_t thread;
    char *spool; /* owned */
    uint64_t limit;
    uint32_t main_pid;
    struct trace_coding coding;
    const char *main_trace; /* not owned */
    atomic_bool stop, may_end, done;
    atomic_uint progress; /* in thousandths */
};

void streams_init(struct streams *s, struct run_spools *spools, uint32_t main_pid, uint64_t limit,
                  struct trace_coding coding)
{
    *s = (struct streams){.spools = spools, .limit = limit, .coding = coding, .main_pid = main_pid};
}

static bool may_go_on(void *arg, double fraction)
{
    struct stream *t = arg;
    atomic_store(&t->progress, (unsigned)(fraction * PROGRESS_STEPS));
    return !atomic_load(&t->stop);
}

static bool may_end(void *arg)
{
    struct stream *t = arg;
    return atomic_load(&t->may_end);
}

static void *follow(void *arg)
{
    struct stream *t = arg;
    struct pack_options options = {
        .follow = true,
        .spool_limit = t->limit,
        .coding = t->coding,
        .main_pid = t->main_pid,
        .main_trace = t->main_trace,
        .progress = may_go_on,
        .progress_arg = t,
        .may_end = may_end,
        .may_end_arg = t,
    };
    /* what fails here is met again, and told, when the spool is packed in the end */
    pack_spool(t->spool, NULL, &options, NULL);
    atomic_store(&t->done, true);
    return NULL;
}

static struct stream *start(const struct streams *s, const struct run_spool *spool)
{
    struct stream *t = mem_zalloc(1, sizeof *t);
    t->spool = mem_strdup(spool->path);
    t->limit = s->limit;
    t->coding = s->coding;
    t->main_pid = s->main_pid;
    t->main_trace = strrchr(s->spools->file, '/') + 1;
    if (pthread_create(&t->thread, NULL, follow, t) == 0)
        return t;
    free(t->spool);
    free(t);
    return NULL;
}

static void end(struct stream *t)
{
    pthread_join(t->thread, NULL);
    free(t->spool);
    free(t);
}

void streams_release(struct streams *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i])
            atomic_store(&s->all[i]->stop, true);
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i])
            end(s->all[i]);
    free(s->all);
    *s = (struct streams){0};
}

static uint64_t start_bytes(const struct streams *s)
{
    uint64_t share = s->limit / START_SHARE;
    return share < START_BYTES ? share : START_BYTES;
}

static uint64_t rows_bytes(const struct run_spool *spool)
{
    struct strbuf path = {0};
    struct stat st;
    strbuf_addf(&path, "%s/rows", spool->path);
    uint64_t bytes = stat(path.text, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
    strbuf_release(&path);
    return bytes;
}

uint64_t streams_tick(struct streams *s)
{
    if (s->limit == 0)
        return UINT64_MAX;
    run_spools_scan(s->spools);
    MEM_GROW(s->all, s->capacity, s->spools->count);
    for (; s->count < s->spools->count; s->count++)
        s->all[s->count] = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const struct run_spool *spool = &s->spools->all[i];
        if (!s->all[i] && spool->known && !spool->foreign && !spool->hidden && !spool->replaced &&
            rows_bytes(spool) > start_bytes(s))
            s->all[i] = start(s, spool);
    }
    return LOOK_NS;
}

bool streams_finish(struct streams *s, const struct run_spool *spool,
                    bool (*progress)(void *arg, double fraction), void *progress_arg)
{
    size_t i = (size_t)(spool - s->spools->all);
    struct stream *t = i < s->count ? s->all[i] : NULL;
    bool go_on = true;
    if (!t)
        return go_on;
    atomic_store(&t->may_end, true);
    while (!atomic_load(&t->done)) {
        if (!progress(progress_arg, (double)atomic_load(&t->progress) / PROGRESS_STEPS)) {
            atomic_store(&t->stop, true);
            go_on = false;
        }
        nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
    }
    s->all[i] = NULL;
    end(t);
    return go_on;
}
