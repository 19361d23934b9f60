/* SPDX-License-Identifier: MIT
 * Eight threads allocate and free until killed; thread i uses blocks of 1000 + i bytes. In the file
 * named by the argument, shared memory, each keeps two counts: calls begun, calls returned. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 8 };
static struct {
    volatile long begun, returned;
    char apart[48];
} * counts;

static void *work(void *arg)
{
    long i = (long)arg;
    for (;;) {
        counts[i].begun++;
        void *volatile p = malloc(1000 + (size_t)i);
        counts[i].returned++;
        counts[i].begun++;
        free(p);
        counts[i].returned++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 1;
    int fd = open(argv[1], O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, THREADS * sizeof *counts) < 0)
        return 1;
    counts = mmap(NULL, THREADS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (long i = 0; i < THREADS; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, (void *)i);
    }
    pause();
}
