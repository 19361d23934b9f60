/* SPDX-License-Identifier: MIT
 * 3,000 threads in turn, each makes and frees a block of 21 bytes; then 200 at once that make one
 * of 22 and keep it. Prints the peak of the process's mappings that are not the program's. */
#include <pthread.h>
#include <stdlib.h>

static pthread_barrier_t all_there;
static void *volatile kept[200];

static void *brief(void *arg)
{
    void *volatile p = malloc(21);
    free(p);
    return arg;
}

static void *together(void *arg)
{
    kept[(long)arg] = malloc(22);
    pthread_barrier_wait(&all_there);
    return NULL;
}

int main(void)
{
    pthread_t threads[200];
    for (int i = 0; i < 3000; i++) {
        pthread_create(&threads[0], NULL, brief, NULL);
        pthread_join(threads[0], NULL);
    }
    pthread_barrier_init(&all_there, NULL, 200);
    for (long i = 0; i < 200; i++)
        pthread_create(&threads[i], NULL, together, (void *)i);
    for (int i = 0; i < 200; i++)
        pthread_join(threads[i], NULL);
}
