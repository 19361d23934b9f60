/* SPDX-License-Identifier: MIT
 *
 * Allocates 100,000 frames deep. Compiled without frame pointers.
 * truth: 50 blocks of 16 bytes at depth 100,000; 3 of 32 bytes at depth 20 */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void *volatile kept;
static volatile int sink;

__attribute__((noinline)) static void deep_leaf(int bytes)
{
    kept = malloc((size_t)bytes);
    sink = 1;
}

__attribute__((noinline)) static int descend(int depth, int times, int bytes)
{
    if (depth == 0)
        for (int i = 0; i < times; i++)
            deep_leaf(bytes);
    else
        sink = descend(depth - 1, times, bytes) + depth;
    return sink;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    if (argc == 1 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (64u << 20)) {
        limit.rlim_cur = 64u << 20; /* the same program again, with room */
        setrlimit(RLIMIT_STACK, &limit);
        execl("/proc/self/exe", argv[0], "again", (char *)0);
    }
    descend(20, 3, 32);
    descend(100000, 50, 16);
    return 0;
}
