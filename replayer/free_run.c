/* SPDX-License-Identifier: MIT
 *
 * Threads that run freely: each carries out its own operations as fast as it can, and waits only
 * where a block comes from another thread that has not made it yet. For throughput; what is
 * resident then depends on how the threads happen to run, so that no samples are taken. */
#include "perform.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define STACK_BYTES (256u << 10)

static const struct seep_replay_op *script; /* all of it */
static pthread_attr_t attributes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;
static uint64_t running = 1;

static void *worker(void *number);

static void start(uint32_t thread)
{
    pthread_t handle;
    pthread_mutex_lock(&lock);
    running++;
    pthread_mutex_unlock(&lock);
    if (pthread_create(&handle, &attributes, worker, (void *)(uintptr_t)thread) != 0)
        replay_die("a thread cannot be made");
}

/* Waits until the operations before on this slot are done. */
static _Atomic uint64_t *await_slot(const struct seep_replay_op *op)
{
    _Atomic uint64_t *turn = &replay.turns[op->slot];
    uint64_t wanted = seep_replay_turn(op);
    for (unsigned spins = 0; atomic_load_explicit(turn, memory_order_acquire) != wanted; spins++)
        if (spins > 200)
            sched_yield();
    return turn;
}

static void pass_on(_Atomic uint64_t *turn, const struct seep_replay_op *op)
{
    atomic_store_explicit(turn, seep_replay_turn(op) + 1, memory_order_release);
}

/* One stretch of a thread, from behind a TURN to the next. */
static void carry_out(const struct seep_replay_op *op, struct performed *done, bool timed)
{
    for (;; op++) {
        _Atomic uint64_t *turn;
        switch (op->kind) {
        case SEEP_REPLAY_MALLOC:
        case SEEP_REPLAY_CALLOC:
        case SEEP_REPLAY_ALIGNED:
        case SEEP_REPLAY_REALLOC:
        case SEEP_REPLAY_FREE: {
            turn = await_slot(op);
            if (timed)
                perform_as(op, done, true);
            else
                perform_as(op, done, false);
            /* what is touched at once is touched before another thread may free it */
            bool touched = op[1].kind == SEEP_REPLAY_TOUCH;
            if (touched)
                perform_pages(&op[1]);
            pass_on(turn, op);
            op += touched;
            break;
        }
        case SEEP_REPLAY_MOVE:
            turn = await_slot(op);
            perform_move(op);
            pass_on(turn, op);
            break;
        case SEEP_REPLAY_START: start(op->slot); break;
        case SEEP_REPLAY_TURN:
        case SEEP_REPLAY_FINISH:
        case SEEP_REPLAY_END: return;
        default: break; /* nothing to wait for, nothing to sample */
        }
    }
}

static void add(const struct performed *done)
{
    pthread_mutex_lock(&lock);
    struct seep_replay_outcome *o = replay.outcome;
    for (size_t i = 0; i < sizeof done->calls / sizeof done->calls[0]; i++)
        o->calls[i] += done->calls[i];
    o->failed += done->failed;
    for (size_t i = 0; i < SEEP_TIMED_COUNT; i++)
        for (size_t j = 0; j < SEEP_REPLAY_BUCKETS; j++)
            o->timed[i][j] += done->timed[i][j];
    if (--running == 0)
        pthread_cond_signal(&all_done);
    pthread_mutex_unlock(&lock);
}

static void carry_out_all(uint32_t self)
{
    struct performed done;
    memset(&done, 0, sizeof done);
    for (uint64_t at = replay.chains[self]; at; at = script[at].value)
        carry_out(&script[at + 1], &done, replay.mode == SEEP_REPLAY_LATENCY);
    add(&done);
}

static void *worker(void *number)
{
    carry_out_all((uint32_t)(uintptr_t)number);
    return NULL;
}

void free_run(void)
{
    const struct seep_replay_header *h = replay.header;
    struct stat st;
    void *whole = MAP_FAILED;
    if (fstat(replay.script, &st) == 0)
        whole = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, replay.script, 0);
    replay.turns = mmap(NULL, (h->slot_count + 1) * sizeof *replay.turns, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (whole == MAP_FAILED || replay.turns == MAP_FAILED)
        replay_die("no memory");
    script = whole;
    replay.chains = (uint64_t *)((char *)whole + h->chains_offset);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    replay.outcome->base_rss_bytes = own_rss_bytes();
    carry_out_all(h->main_thread);
    pthread_mutex_lock(&lock);
    while (running)
        pthread_cond_wait(&all_done, &lock);
    pthread_mutex_unlock(&lock);
}
