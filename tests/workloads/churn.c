/* SPDX-License-Identifier: MIT
 *
 * Allocates and frees for a while: churn THREADS ROUNDS [PAUSE-US]. Threads hand half of their
 * blocks to the next one, which frees them; each round ends with a rest of PAUSE-US, all on one
 * beat, so that what is live at a time is the same however fast the allocator is. Sizes are
 * 16 bytes to 16 KiB, small ones more often, and now and then 100 to 400 KiB; all is written to.
 * In the middle it holds most. At the end it holds little, and rests for half a second.
 *
 * What it does depends on its arguments alone: the same calls, in the same order in each thread. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELD 4096  /* blocks that a thread holds at most */
#define STEPS 2000 /* of a thread in a round */
#define THREADS_MAX 64

struct worker {
    pthread_t thread;
    uint64_t random;
    void *held[HELD];
    void *given[STEPS]; /* by the thread before, in the last round */
    void *to_give[STEPS];
    size_t gives;
};

static struct worker workers[THREADS_MAX];
static unsigned thread_count, round_count, pause_us;
static pthread_barrier_t beat;

static uint64_t next(struct worker *w)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return w->random >> 33;
}

static size_t pick_size(struct worker *w)
{
    uint64_t kind = next(w) % 1000, size = next(w);
    if (kind == 0)
        return 100000 + size % 300000;
    return kind < 700 ? 16 + size % 240 : kind < 950 ? 256 + size % 1800 : 2048 + size % 14336;
}

static void *make(struct worker *w)
{
    size_t size = pick_size(w);
    void *p = malloc(size);
    if (!p)
        abort();
    memset(p, 1, size);
    return p;
}

/* How many blocks are held in a round: up to the middle, then down. */
static size_t target(unsigned round)
{
    unsigned up = round < round_count / 2 ? round : round_count - round;
    return 64 + (size_t)(HELD - 64) * up * 2 / (round_count + 1);
}

static void play_round(struct worker *w, unsigned round)
{
    size_t limit = target(round);
    w->gives = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        size_t at = next(w) % HELD;
        free(w->held[at]);
        w->held[at] = NULL;
        if (at < limit)
            w->held[at] = make(w);
        if (step % 2)
            w->to_give[w->gives++] = make(w);
    }
}

static void *run(void *arg)
{
    struct worker *w = arg;
    for (unsigned round = 0; round < round_count; round++) {
        play_round(w, round);
        pthread_barrier_wait(&beat);
        struct worker *before = &workers[(w - workers + thread_count - 1) % thread_count];
        memcpy(w->given, before->to_give, before->gives * sizeof w->given[0]);
        size_t given = before->gives;
        pthread_barrier_wait(&beat);
        for (size_t i = 0; i < given; i++)
            free(w->given[i]);
        usleep(pause_us);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    thread_count = (unsigned)strtoul(argv[1], NULL, 10);
    round_count = (unsigned)strtoul(argv[2], NULL, 10);
    pause_us = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    if (thread_count < 1 || thread_count > THREADS_MAX)
        return 2;
    pthread_barrier_init(&beat, NULL, thread_count);
    for (unsigned i = 0; i < thread_count; i++) {
        workers[i].random = i + 1;
        if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(workers[i].thread, NULL);
    usleep(500000);
    puts("done");
    return 0;
}
