/* SPDX-License-Identifier: MIT
 *
 * Has libc and the loader allocate whatever they keep for the life of the process, and keeps one
 * block and one stream's worth itself.
 * Truth: in main, 1 block of 1234 bytes by malloc and 1 FILE by fopen are live at exit; all else
 * that is live belongs to libc or the loader. */
#include <dlfcn.h>
#include <grp.h>
#include <libintl.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static void *kept;

static void nothing(void) {}

static void *end_at_once(void *arg)
{
    return arg;
}

int main(void)
{
    kept = malloc(1234);
    if (!setlocale(LC_ALL, "C.UTF-8"))
        return 2;
    bindtextdomain("seep-test", "/nowhere");
    textdomain("seep-test");
    puts(gettext("hello")); /* a buffer for stdout */
    setenv("TZ", "Europe/Berlin", 1);
    time_t now = 0;
    localtime(&now);
    getpwuid(0);
    getgrgid(0);
    getservbyname("http", "tcp");
    for (int i = 0; i < 40; i++) /* more than fit into the static list */
        atexit(nothing);
    strerror(99999);
    if (!dlopen("libno-such-library.so", RTLD_NOW))
        dlerror();
    pthread_key_t key = 0;
    for (int i = 0; i < 40; i++) /* beyond the 32 with static room */
        pthread_key_create(&key, NULL);
    pthread_setspecific(key, kept);
    pthread_t thread;
    pthread_create(&thread, NULL, end_at_once, NULL);
    pthread_join(thread, NULL);
    wchar_t wide;
    mbrtowc(&wide, "a", 1, NULL);
    FILE *stream = fopen("/dev/null", "w");
    fputc('x', stream); /* and a buffer, which belongs to it */
    fflush(NULL);
    _exit(0); /* nothing is freed on the way out */
}
