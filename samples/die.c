/* SPDX-License-Identifier: MIT
 *
 * Dies in the way its argument says: everything before is recorded.
 *
 * argument: _exit
 * truth: allocations=1500 frees=500 reallocations=0 allocated_bytes=75000
 * truth: live_blocks=1000 live_bytes=50000 peak_live_bytes=50000
 * leak: blocks=1000 bytes=50000 stack=work < main
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int steps;

__attribute__((noinline)) static void work(void)
{
    for (int i = 0; i < 1000; i++) {
        void *volatile kept = malloc(50);
        if (!kept)
            abort();
        if (i % 2 == 0)
            free(malloc(50));
    }
    steps++;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    work();
    if (!strcmp(how, "_exit"))
        _exit(0);
    if (!strcmp(how, "quick_exit"))
        quick_exit(0);
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "kill"))
        kill(getpid(), SIGKILL);
    if (!strcmp(how, "term"))
        kill(getpid(), SIGTERM);
    if (!strcmp(how, "segv"))
        *(volatile int *)8 = 1;
    return 3;
}
