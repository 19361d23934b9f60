/* SPDX-License-Identifier: MIT
 * Eight threads allocate and free until the process ends; thread i uses blocks of 1000 + i bytes.
 * In the file named by the first argument, shared memory, each keeps two counts: calls begun, calls
 * returned. The main thread makes 2,000 calls with 1008 bytes once all others are at work, and
 * then ends the process in the way that the second argument names: see ends[]. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { THREADS = 8, MINE = THREADS };
static struct {
    volatile long begun, returned;
    char apart[48];
} * counts;
static volatile int stop;
static const char *how;

static void pair(long i)
{
    counts[i].begun++;
    void *volatile p = malloc(1000 + (size_t)i);
    counts[i].returned++;
    counts[i].begun++;
    free(p);
    counts[i].returned++;
}

static void *work(void *arg)
{
    for (int calls = 0; !stop; calls++) {
        pair((long)arg);
        if (calls % 16 == 0)
            sched_yield(); /* the main thread is to have its turn soon */
    }
    return NULL;
}

static void *exiting(void *arg)
{
    exit(arg ? 5 : 0);
}

static void handler(int signal_number)
{
    pair(MINE);
    if (signal_number == SIGTERM)
        exit(4);
    _exit(4);
}

static void handled(int signal_number)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(signal_number, &action, NULL);
}

static void fault(void)
{
    *(volatile int *volatile)NULL = 1;
}

static void end_killed(void)
{
    for (;;)
        pause();
}
static void end_return(void) {}
static void end__exit(void)
{
    _exit(4);
}
static void end_exit(void)
{
    exit(4);
}
static void end_quick_exit(void)
{
    quick_exit(4);
}
static void end_term(void)
{
    raise(SIGTERM);
}
static void end_term_handled(void)
{
    handled(SIGTERM);
    raise(SIGTERM);
}
static void end_segv_handled(void)
{
    handled(SIGSEGV);
    fault();
}
static void end_exit_in_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, exiting, &thread);
    pthread_join(thread, NULL);
}
static void end_pthread_exit(void)
{
    stop = 1;
    pthread_exit(NULL);
}
static void end_cancel(void)
{
    stop = 1;
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

/* As the kernel would when memory runs out, and nothing can be had before that. */
static void end_out_of_memory(void)
{
    struct rlimit limit = {64 << 20, 64 << 20};
    setrlimit(RLIMIT_AS, &limit);
    for (size_t bytes = 1 << 20; bytes >= 1008; bytes /= 2)
        while (malloc(bytes)) {
        }
    kill(getpid(), SIGKILL);
}

static const struct {
    const char *how;
    void (*end)(void);
} ends[] = {
    {"killed", end_killed},
    {"return", end_return},
    {"_exit", end__exit},
    {"exit", end_exit},
    {"quick_exit", end_quick_exit},
    {"abort", abort},
    {"term", end_term},
    {"term-handled", end_term_handled},
    {"segv", fault},
    {"segv-handled", end_segv_handled},
    {"exit-in-thread", end_exit_in_thread},
    {"pthread_exit", end_pthread_exit},
    {"cancel", end_cancel},
    {"out-of-memory", end_out_of_memory},
};

int main(int argc, char **argv)
{
    if (argc < 3)
        return 1;
    how = argv[2];
    int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, (THREADS + 1) * sizeof *counts) < 0)
        return 1;
    counts = mmap(NULL, (THREADS + 1) * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (long i = 0; i < THREADS; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, (void *)i);
    }
    for (int i = 0; i < THREADS; i++)
        while (counts[i].returned == 0)
            sched_yield();
    for (int i = 0; i < 1000; i++)
        pair(MINE);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(how, ends[i].how) == 0)
            ends[i].end();
    return 4;
}
