/* SPDX-License-Identifier: MIT
 *
 * _exit() and _Exit(), interposed to take a snapshot before a process ends that way: exit() and
 * quick_exit() are known of by other means (graph.c), and syscall(SYS_exit_group) by sandbox.c. */
#include "graph.h"
#include "hook.h"
#include "sys.h"

#include <stdlib.h>
#include <unistd.h>

static _Noreturn void end(int status)
{
    rec_graph_exits();
    if (rec_real.exit_now)
        rec_real.exit_now(status);
    for (;;)
        sys_call(SYS_exit_group, status);
}

HOOK void _exit(int status)
{
    end(status);
}

HOOK void _Exit(int status)
{
    end(status);
}
