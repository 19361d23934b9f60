/* SPDX-License-Identifier: MIT
 *
 * Loses a block per session and a buffer per third request; everything else is freed.
 *
 * truth: allocations=340 frees=200 reallocations=0 allocated_bytes=28000
 * truth: live_blocks=140 live_bytes=15600 peak_live_bytes=15724
 * leak: blocks=100 bytes=7600 stack=session_new < serve < main
 * leak: blocks=40 bytes=8000 stack=buffer_new < answer < serve < main
 */
#include <stdlib.h>
#include <string.h>

struct session {
    char name[66];
    int number;
    int requests;
};

__attribute__((noinline)) static struct session *session_new(int number)
{
    struct session *s = calloc(1, sizeof *s);
    s->number = number;
    return s;
}

__attribute__((noinline)) static char *buffer_new(size_t bytes)
{
    char *buffer = malloc(bytes);
    memset(buffer, 1, bytes);
    return buffer;
}

/* Keeps its caller's frame: no tail call may replace it. */
static volatile int answers;

__attribute__((noinline)) static void answer(struct session *s)
{
    s->requests++;
    if (s->number % 5 < 2)
        buffer_new(200); /* lost */
    answers++;
}

__attribute__((noinline)) static void serve(int sessions)
{
    for (int i = 0; i < sessions; i++) {
        struct session *s = session_new(i);
        char *scratch[2] = {malloc(24), malloc(100)};
        free(scratch[0]);
        answer(s);
        free(scratch[1]);
        /* s is lost */
    }
    answers++;
}

int main(void)
{
    serve(100);
    return 0;
}
