/* SPDX-License-Identifier: MIT
 *
 * Takes snapshots, and says what a program can see of the process that is forked for one:
 * "children N signals N", both 0. With "ignored" SIGCHLD is ignored; with "reaper" it is the one
 * whom orphans are given to, and waits for none. */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seep/seep.h"

static volatile int signals;

static void count(int signal)
{
    (void)signal;
    signals++;
}

static int children(void)
{
    int found = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(processes));) {
        char path[300], text[1000] = "";
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue;
        fread(text, 1, sizeof text - 1, file);
        fclose(file);
        const char *behind = strrchr(text, ')');
        found += behind && atoi(behind + 4) == getpid();
    }
    closedir(processes);
    return found;
}

int main(int argc, char **argv)
{
    signal(SIGCHLD, argc > 1 && strcmp(argv[1], "ignored") == 0 ? SIG_IGN : count);
    int seen = 0;
    for (int i = 0; i < 20; i++) {
        seep_snapshot();
        seen += waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;
        seen += waitpid(-1, NULL, WNOHANG | __WALL) != -1 || errno != ECHILD;
        seen += children();
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    seep_snapshot();
    int status = 0;
    pid_t got = wait(&status);
    if (signal(SIGCHLD, SIG_DFL) == SIG_IGN)
        seen += got != -1 || errno != ECHILD;
    else
        seen += got != pid || WEXITSTATUS(status) != 3 || signals-- != 1;
    printf("children %d signals %d\n", seen, signals);
    return 0;
}
