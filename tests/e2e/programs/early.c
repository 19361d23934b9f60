/* SPDX-License-Identifier: MIT
 * Allocations at every place before main and after it. Linked with early_library.c, which is loaded
 * behind the recorder: begun before it and ended after it. Each place makes 10 blocks of a size of
 * its own and frees 5: 503 a resolver of an ifunc, 507 preinit, 511 a constructor, 513 a thread's
 * key, in three rounds, 517 a destructor of a thread-local object, 519 atexit, 521 on_exit, 523 a
 * destructor; 525 dlsym of nothing, 100 times. A block of the library's resolver is grown to 541
 * and freed. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "early_places.h"

char *early_block(void);
int library_function(void);

static int function_here(void)
{
    return 1;
}
static int (*resolve_here(void))(void)
{
    allocate_at(503);
    return function_here;
}
int resolved_here(void) __attribute__((ifunc("resolve_here")));

static void preinit(void)
{
    allocate_at(507);
}
__attribute__((section(".preinit_array"), used)) static void (*preinit_entry)(void) = preinit;

__attribute__((constructor)) static void construct(void)
{
    allocate_at(511);
}
__attribute__((destructor)) static void destruct(void)
{
    allocate_at(523);
}

static pthread_key_t key;
static void end_of_key(void *round)
{
    allocate_at(513);
    if ((long)round < 3)
        pthread_setspecific(key, (void *)((long)round + 1));
}

/* what a C++ compiler calls for thread_local objects with a destructor */
int __cxa_thread_atexit_impl(void (*)(void *), void *, void *);
extern void *__dso_handle;
static void end_of_object(void *unused)
{
    (void)unused;
    allocate_at(517);
}

static void *in_thread(void *unused)
{
    pthread_setspecific(key, (void *)1);
    __cxa_thread_atexit_impl(end_of_object, NULL, &__dso_handle);
    return unused;
}

static void at_exit(void)
{
    allocate_at(519);
}
static void on_exit_too(int status, void *unused)
{
    (void)status;
    (void)unused;
    allocate_at(521);
}

int main(void)
{
    atexit(at_exit);
    on_exit(on_exit_too, NULL);
    pthread_t thread;
    pthread_key_create(&key, end_of_key);
    pthread_create(&thread, NULL, in_thread, NULL);
    pthread_join(thread, NULL);
    for (int i = 0; i < 100; i++) {
        if (dlsym(RTLD_DEFAULT, "no such name") || !dlerror())
            return 1;
        free(malloc(525));
    }
    char *block = early_block();
    if (!block || strcmp(block, "early") != 0)
        return 2;
    block = realloc(block, 541);
    if (strcmp(block, "early") != 0)
        return 3;
    free(block);
    printf("%d\n", resolved_here() + library_function());
    return 0;
}
