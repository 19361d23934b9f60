/* SPDX-License-Identifier: MIT
 * Changes its surroundings as the first argument says, then makes and frees 200,000 blocks of 88
 * bytes, enough for a recorder to write several times; starts a thread that makes 100,000 of 89.
 * Prints how the change went (0, or errno) and "done". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void churn(size_t bytes, int count)
{
    for (int i = 0; i < count; i++) {
        void *volatile p = malloc(bytes);
        free(p);
    }
}

static void *thread(void *unused)
{
    churn(89, 100000);
    return unused;
}

static int limit(int resource, rlim_t value)
{
    struct rlimit l = {value, value};
    return setrlimit(resource, &l);
}

static int into_empty_root(const char *path)
{
    return mkdir(path, 0755) != 0 || chroot(path) != 0 || chdir("/") != 0;
}

static int change(const char *what, const char *path)
{
    if (!strcmp(what, "close"))
        for (int fd = 3; fd < 4096; fd++)
            close(fd);
    if (!strcmp(what, "close_range"))
        return (int)syscall(SYS_close_range, 3, ~0u, 0);
    if (!strcmp(what, "new-user"))
        return unshare(CLONE_NEWUSER);
    if (!strcmp(what, "new-mounts"))
        return unshare(CLONE_NEWNS);
    if (!strcmp(what, "new-pids"))
        return unshare(CLONE_NEWPID);
    if (!strcmp(what, "setns")) {
        int fd = open("/proc/self/ns/mnt", O_RDONLY);
        int result = setns(fd, CLONE_NEWNS);
        close(fd);
        return result;
    }
    if (!strcmp(what, "nobody"))
        return setgid(65534) != 0 || setuid(65534) != 0;
    if (!strcmp(what, "chroot"))
        return into_empty_root(path);
    if (!strcmp(what, "chroot-close")) {
        int result = into_empty_root(path);
        return result ? result : (int)syscall(SYS_close_range, 3, ~0u, 0);
    }
    if (!strcmp(what, "umask"))
        umask(0777);
    if (!strcmp(what, "chdir"))
        return chdir("/");
    if (!strcmp(what, "undumpable"))
        return prctl(PR_SET_DUMPABLE, 0);
    if (!strncmp(what, "descriptors-", 12))
        return limit(RLIMIT_NOFILE, (rlim_t)atoi(what + 12));
    if (!strcmp(what, "data"))
        return limit(RLIMIT_DATA, 16 << 20);
    if (!strcmp(what, "memory"))
        return limit(RLIMIT_AS, 64 << 20);
    if (!strcmp(what, "stack"))
        return limit(RLIMIT_STACK, 64 << 10);
    if (!strcmp(what, "processes"))
        return limit(RLIMIT_NPROC, 0);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = change(argv[1], argc > 2 ? argv[2] : "");
    printf("%d\n", failed ? errno : 0);
    churn(88, 200000);
    pthread_t t;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    if (pthread_create(&t, &small, thread, NULL) == 0)
        pthread_join(t, NULL);
    else
        puts("no thread");
    puts("done");
}
