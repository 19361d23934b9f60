/* SPDX-License-Identifier: MIT */
#include "unseen.h"

#include "log.h"
#include "spool.h"
#include "text.h"

#include <stdatomic.h>

static atomic_uint noted;
static char waiting_path[256]; /* of what was noted before there was anybody to tell */

static void say(enum seep_unseen what, const char *path)
{
    switch (what) {
    case SEEP_UNSEEN_DEEPBIND:
        rec_log("not recorded: calls of malloc from ", path,
                ", which was opened with RTLD_DEEPBIND and calls another one", NULL);
        break;
    case SEEP_UNSEEN_NAMESPACE:
        rec_log("not recorded: libraries opened with dlmopen, which have a malloc of their own",
                NULL);
        break;
    case SEEP_UNSEEN_DIRECT:
        rec_log("not recorded: some functions of the allocator's own that ", path, " calls", NULL);
        break;
    }
}

void rec_unseen(enum seep_unseen what, const char *path)
{
    if (atomic_fetch_or(&noted, what) & what)
        return;
    struct seep_control *control = rec_spool_control();
    if (control) {
        control->unseen = atomic_load(&noted);
        say(what, path);
    } else {
        struct text t = TEXT(waiting_path);
        text_add(&t, path);
    }
}

void rec_unseen_begin(bool forked)
{
    unsigned bits = atomic_load(&noted);
    rec_spool_control()->unseen = bits;
    for (unsigned bit = 1; bits && !forked; bits &= ~bit, bit <<= 1)
        if (bits & bit)
            say(bit, waiting_path);
}
