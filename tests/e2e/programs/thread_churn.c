/* SPDX-License-Identifier: MIT
 * 10,000 threads in turn, each makes and frees a block of 21 bytes; then 1,000 at once, on the
 * smallest stacks there are, that make one of 22 and keep it. */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { AT_ONCE = 1000 };
static pthread_barrier_t all_there;
static void *volatile kept[AT_ONCE];

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
    static pthread_t threads[AT_ONCE];
    for (int i = 0; i < 10000; i++) {
        if (pthread_create(&threads[0], NULL, brief, NULL) != 0)
            return 1;
        pthread_join(threads[0], NULL);
    }
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, (size_t)sysconf(_SC_THREAD_STACK_MIN));
    pthread_barrier_init(&all_there, NULL, AT_ONCE);
    for (long i = 0; i < AT_ONCE; i++)
        if (pthread_create(&threads[i], &small, together, (void *)i) != 0)
            return 2;
    for (int i = 0; i < AT_ONCE; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
