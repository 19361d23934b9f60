/* SPDX-License-Identifier: MIT */
#include "cmd/progress.h"

#include "cmd/interrupt.h"
#include "util/strbuf.h"
#include "util/utf8.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SHOW_AFTER_NS 500000000u
#define SHOW_EVERY_NS 100000000u
#define BAR 24
#define ERASE "\r\033[K"

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void progress_begin(struct progress *p, const char *what)
{
    *p = (struct progress){.what = what, .begin_ns = now_ns(), .terminal = isatty(STDERR_FILENO)};
}

static void show(struct progress *p, double fraction)
{
    fraction = fraction < 0 ? 0 : fraction > 1 ? 1 : fraction;
    int full = (int)(fraction * BAR);
    struct strbuf line = {0}, what = {0};
    utf8_add_visible(&what, p->what, strlen(p->what));
    strbuf_adds(&line, "\r[");
    for (int i = 0; i < BAR; i++)
        strbuf_addc(&line, i < full ? '#' : ' ');
    strbuf_addf(&line, "] %3d %%  %.*s\033[K", (int)(fraction * 100),
                (int)utf8_fit(what.text ? what.text : "", what.length, 40),
                what.text ? what.text : "");
    p->visible = true;
    interrupt_set_farewell(ERASE);
    fwrite(line.text, 1, line.length, stderr);
    fflush(stderr);
    strbuf_release(&line);
    strbuf_release(&what);
}

bool progress_step(void *arg, double fraction)
{
    struct progress *p = arg;
    if (interrupt_pending())
        return false;
    if (!p->terminal)
        return true;
    uint64_t now = now_ns();
    if (now - p->begin_ns < SHOW_AFTER_NS || now - p->shown_ns < SHOW_EVERY_NS)
        return true;
    p->shown_ns = now;
    show(p, fraction);
    return true;
}

void progress_end(struct progress *p)
{
    if (!p->visible)
        return;
    fputs(ERASE, stderr);
    fflush(stderr);
    interrupt_set_farewell(NULL);
    p->visible = false;
}
