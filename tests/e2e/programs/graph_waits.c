/* SPDX-License-Identifier: MIT
 *
 * Threads in all kinds of system calls that a signal handler ends with EINTR, also with SA_RESTART,
 * while the main thread takes snapshots. None of them may see EINTR, but for the one that a signal
 * of the program's own comes to. Prints what went wrong, and how many threads it had. */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "seep/seep.h"

static sem_t semaphore;
static int never; /* an eventfd that nobody writes to */
static volatile int seen;

static struct timespec in(double seconds, int clock)
{
    struct timespec t = {0};
    if (clock >= 0)
        clock_gettime(clock, &t);
    long ns = t.tv_nsec + (long)(seconds * 1e9);
    t.tv_sec += ns / 1000000000;
    t.tv_nsec = ns % 1000000000;
    return t;
}

static void failed(const char *call)
{
    printf("%s: %s\n", call, strerror(errno));
}

#define SECONDS 5
/* No snapshot begins later, so that all threads still wait at its end. */
#define SNAPSHOTS_SECONDS 2

static void *sleeps(void *unused)
{
    (void)unused;
    struct timespec t = in(SECONDS, -1), rest;
    if (nanosleep(&t, &rest))
        failed("nanosleep");
    return NULL;
}

static void *sleeps_until(void *unused)
{
    (void)unused;
    struct timespec t = in(SECONDS, CLOCK_MONOTONIC);
    if ((errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)))
        failed("clock_nanosleep");
    return NULL;
}

static void *sleeps_micro(void *unused)
{
    (void)unused;
    if (usleep((unsigned)(SECONDS * 1e6)))
        failed("usleep");
    return NULL;
}

static void *polls(void *unused)
{
    (void)unused;
    struct pollfd p = {.fd = never, .events = POLLIN};
    if (poll(&p, 1, (int)(SECONDS * 1e3)))
        failed("poll");
    return NULL;
}

static void *polls_with_mask(void *unused)
{
    (void)unused;
    struct pollfd p = {.fd = never, .events = POLLIN};
    struct timespec t = in(SECONDS, -1);
    sigset_t none;
    sigemptyset(&none);
    if (ppoll(&p, 1, &t, &none))
        failed("ppoll");
    return NULL;
}

static void *selects(void *unused)
{
    (void)unused;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(never, &set);
    struct timeval t = {.tv_sec = SECONDS};
    if (select(never + 1, &set, NULL, NULL, &t))
        failed("select");
    return NULL;
}

static void *epolls(void *unused)
{
    (void)unused;
    struct epoll_event event = {.events = EPOLLIN};
    int fd = epoll_create1(0);
    epoll_ctl(fd, EPOLL_CTL_ADD, never, &event);
    if (epoll_wait(fd, &event, 1, (int)(SECONDS * 1e3)))
        failed("epoll_wait");
    return NULL;
}

static void *waits_for_semaphore(void *unused)
{
    (void)unused;
    struct timespec t = in(SECONDS, CLOCK_REALTIME);
    if (sem_timedwait(&semaphore, &t) == 0 || errno != ETIMEDOUT)
        failed("sem_timedwait");
    return NULL;
}

static void *waits_for_signal(void *unused)
{
    (void)unused;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    struct timespec t = in(SECONDS, -1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (sigtimedwait(&set, NULL, &t) >= 0 || errno != EAGAIN)
        failed("sigtimedwait");
    return NULL;
}

static void *receives(void *unused)
{
    (void)unused;
    int pair[2];
    char c;
    struct timeval t = {.tv_sec = SECONDS};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
        setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t))
        failed("socketpair");
    if (recv(pair[0], &c, 1, 0) >= 0 || errno != EAGAIN)
        failed("recv");
    return NULL;
}

/* All signals blocked, as in many threads of many programs. */
static void *blocks_all(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return sleeps(unused);
}

static void note(int signal)
{
    (void)signal;
    seen = 1;
}

/* Is to see one signal, its own, and EINTR of it. */
static void *is_interrupted(void *unused)
{
    (void)unused;
    if (pause() == 0 || errno != EINTR || !seen)
        failed("pause");
    return NULL;
}

int main(void)
{
    static void *(*const all[])(void *) = {
        sleeps,     sleeps_until,   sleeps_micro,     polls,    polls_with_mask,
        selects,    epolls,         waits_for_signal, receives, waits_for_semaphore,
        blocks_all, is_interrupted,
    };
    enum { COUNT = sizeof all / sizeof all[0] };
    pthread_t threads[COUNT];
    struct sigaction action = {.sa_handler = note};
    sigaction(SIGUSR2, &action, NULL);
    sem_init(&semaphore, 0, 0);
    never = eventfd(0, 0);
    for (int i = 0; i < COUNT; i++)
        if (pthread_create(&threads[i], NULL, all[i], NULL))
            return 1;
    struct timespec begun = in(0, CLOCK_MONOTONIC), now = begun;
    for (int i = 0; i < 4 && now.tv_sec - begun.tv_sec < SNAPSHOTS_SECONDS; i++) {
        usleep(100000);
        seep_snapshot();
        now = in(0, CLOCK_MONOTONIC);
    }
    pthread_kill(threads[COUNT - 1], SIGUSR2);
    for (int i = 0; i < COUNT; i++)
        pthread_join(threads[i], NULL);
    printf("%d threads\n", COUNT);
    return 0;
}
