/* SPDX-License-Identifier: MIT */
#include "analysis/exit.h"

#include "util/strbuf.h"

#include <signal.h>
#include <sys/wait.h>

const char *exit_signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
        {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
        {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
        {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"}, {SIGXCPU, "SIGXCPU"},
        {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == number)
            return names[i].name;
    return NULL;
}

void exit_add(struct result *parent, const char *name, const struct trace_summary *s)
{
    struct result *r = result_object(parent, name);
    struct strbuf word = {0};
    bool known = s->wait_status != -1;
    bool exited = known && WIFEXITED(s->wait_status), killed = known && WIFSIGNALED(s->wait_status);
    if (exited) {
        strbuf_addf(&word, "exited with status %d", WEXITSTATUS(s->wait_status));
    } else if (killed) {
        int number = WTERMSIG(s->wait_status);
        const char *signal = exit_signal_name(number);
        strbuf_addf(&word, "killed by signal %d", number);
        if (signal)
            strbuf_addf(&word, " (%s)", signal);
    } else {
        strbuf_adds(&word, "not known");
    }
    result_text(r, "word", word.text);
    strbuf_release(&word);
    if (exited)
        result_integer(r, "status", WEXITSTATUS(s->wait_status));
    else
        result_null(r, "status");
    if (killed)
        result_integer(r, "signal", WTERMSIG(s->wait_status));
    else
        result_null(r, "signal");
    switch ((enum seep_spool_state)s->spool_state) {
    case SEEP_SPOOL_OPEN: result_text(r, "recording", "open"); break;
    case SEEP_SPOOL_CLOSED: result_text(r, "recording", "closed"); break;
    case SEEP_SPOOL_STOPPED: result_text(r, "recording", "stopped"); break;
    default: result_null(r, "recording");
    }
}
