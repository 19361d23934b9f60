/* SPDX-License-Identifier: MIT */
#include "cmd/interrupt.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Signals act on the process as a whole: hence the only globals. */
static volatile sig_atomic_t deferred, pending;
static const char *volatile farewell;

static void die(int signal_number)
{
    signal(signal_number, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    raise(signal_number); /* blocked while its handler runs */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void handle(int signal_number)
{
    if (deferred) {
        pending = signal_number;
        return;
    }
    const char *bytes = farewell;
    if (bytes) {
        ssize_t ignored = write(STDERR_FILENO, bytes, strlen(bytes));
        (void)ignored;
    }
    die(signal_number);
}

void interrupt_init(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction old, new = {.sa_handler = handle, .sa_flags = SA_RESTART};
        sigemptyset(&new.sa_mask);
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &new, NULL);
    }
}

void interrupt_defer(bool on)
{
    deferred = on;
    if (!on && pending)
        interrupt_finish();
}

bool interrupt_pending(void)
{
    return pending != 0;
}

int interrupt_finish(void)
{
    int signal_number = pending ? pending : SIGINT;
    die(signal_number);
    return 128 + signal_number;
}

void interrupt_set_farewell(const char *bytes)
{
    farewell = bytes;
}
