/* SPDX-License-Identifier: MIT */
#include "run/ahead.h"

#include "util/mem.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NICE 10
/* What packing one spool has freed serves the next: a run may leave thousands of small ones, and
 * giving back and faulting in the same megabytes each time costs as much as the work. */
#define KEPT_BYTES (64 << 20)
#define STEP_NS 20000000
#define PROGRESS_STEPS 1000

struct ahead_worker {
    pthread_t thread;
    pthread_mutex_t lock; /* of the queue and `ending` */
    pthread_cond_t more, idle;
    char **queue; /* owned, as its texts; paths of spools, those before `next` done */
    size_t next, count, capacity;
    bool ending, ended;
    struct trace_coding coding;
    atomic_bool stop;
    atomic_uint progress; /* of the spool at hand, in thousandths */
};

void ahead_init(struct ahead *a, struct run_spools *spools, uint32_t main_pid, bool off,
                struct trace_coding coding)
{
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_MMAP_THRESHOLD, KEPT_BYTES / 2);
    *a = (struct ahead){.spools = spools, .main_pid = main_pid, .off = off, .coding = coding};
}

/* ------------------------------------------------------------------ the worker */

static bool may_go_on(void *arg, double fraction)
{
    struct ahead_worker *w = arg;
    atomic_store(&w->progress, (unsigned)(fraction * PROGRESS_STEPS));
    return !atomic_load(&w->stop);
}

/* The next spool; NULL when it is time to end. */
static const char *next_spool(struct ahead_worker *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->ending && w->next == w->count)
        pthread_cond_wait(&w->more, &w->lock);
    const char *path = w->ending ? NULL : w->queue[w->next++];
    pthread_mutex_unlock(&w->lock);
    return path;
}

static void *work(void *arg)
{
    struct ahead_worker *w = arg;
    struct pack_options options = {
        .ahead = true, .coding = w->coding, .progress = may_go_on, .progress_arg = w};
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    /* what fails here is met again, and told, when the spool is packed in the end */
    for (const char *path; (path = next_spool(w));)
        pack_spool(path, NULL, &options, NULL);
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_signal(&w->idle);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static struct ahead_worker *start(struct trace_coding coding)
{
    struct ahead_worker *w = mem_zalloc(1, sizeof *w);
    w->coding = coding;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    pthread_cond_init(&w->idle, NULL);
    if (pthread_create(&w->thread, NULL, work, w) == 0)
        return w;
    free(w);
    return NULL;
}

static void hand(struct ahead *a, const char *path)
{
    struct ahead_worker *w = a->worker;
    pthread_mutex_lock(&w->lock);
    MEM_GROW(w->queue, w->capacity, w->count + 1);
    w->queue[w->count++] = mem_strdup(path);
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
}

/* ------------------------------------------------------------------ the run's side */

/* Forked children are told what they have from their parent in the end, when all are known. */
static bool is_for_the_end(const struct ahead *a, const struct run_spool *spool)
{
    return spool->foreign || spool->fork_parent[0] != '\0' ||
           spool->pid_namespace != a->spools->pid_namespace || spool->pid == a->main_pid;
}

void ahead_tick(struct ahead *a)
{
    if (a->off)
        return;
    MEM_GROW(a->handed, a->capacity, a->spools->count);
    for (; a->count < a->spools->count; a->count++)
        a->handed[a->count] = false;
    for (size_t i = 0; i < a->count; i++) {
        const struct run_spool *spool = &a->spools->all[i];
        if (a->handed[i] || !spool->known)
            continue;
        if (is_for_the_end(a, spool)) {
            a->handed[i] = true;
        } else if (kill((pid_t)spool->pid, 0) != 0 && errno == ESRCH) {
            a->handed[i] = true;
            if (!a->worker && !(a->worker = start(a->coding)))
                a->off = true;
            else
                hand(a, spool->path);
        }
    }
}

static void end(struct ahead *a)
{
    struct ahead_worker *w = a->worker;
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->idle);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    for (size_t i = 0; i < w->count; i++)
        free(w->queue[i]);
    free(w->queue);
    free(w);
    a->worker = NULL;
    a->off = true;
}

void ahead_finish(struct ahead *a, bool (*progress)(void *arg, double fraction), void *progress_arg)
{
    struct ahead_worker *w = a->worker;
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->more);
    while (!w->ended) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += STEP_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&w->idle, &w->lock, &until) == ETIMEDOUT &&
            !progress(progress_arg, (double)atomic_load(&w->progress) / PROGRESS_STEPS))
            atomic_store(&w->stop, true);
    }
    pthread_mutex_unlock(&w->lock);
    end(a);
}

static bool stop_now(void *arg, double fraction)
{
    (void)arg;
    (void)fraction;
    return false;
}

void ahead_release(struct ahead *a)
{
    if (a->worker)
        atomic_store(&a->worker->stop, true);
    ahead_finish(a, stop_now, NULL);
    free(a->handed);
    *a = (struct ahead){0};
}
