/* SPDX-License-Identifier: MIT */
#include "verify.h"

#include "log.h"
#include "stacks.h"
#include "text.h"
#include "thread.h"

#define TOLD_MAX 3

static uint64_t compared, full, differing;

static const char *number_text(struct text *t, uint64_t number)
{
    text_add_number(t, number);
    return t->bytes;
}

void rec_verify_walk(struct rec_thread *t, struct rec_context at, uint64_t hash, bool cut,
                     uint32_t guessed)
{
    if (hash == 0) {
        __atomic_fetch_add(&full, 1, __ATOMIC_RELAXED);
        return;
    }
    __atomic_fetch_add(&compared, 1, __ATOMIC_RELAXED);
    struct rec_stack_bounds bounds = t->bounds;
    rec_unwind(&t->walk, at, &bounds);
    if (hash == rec_stacks_hash(&t->walk) && cut == t->walk.cut && guessed == t->walk.guessed)
        return;
    if (__atomic_fetch_add(&differing, 1, __ATOMIC_RELAXED) < TOLD_MAX) {
        char frames[24], remembered[24];
        struct text a = TEXT(frames), b = TEXT(remembered);
        rec_log("walk differs: ", number_text(&a, t->walk.count), " frames, remembered ",
                number_text(&b, t->last.count), t->walk.cut ? " (cut)" : "", NULL);
    }
}

void rec_verify_report(void)
{
    char with[24], without[24], wrong[24];
    struct text a = TEXT(with), b = TEXT(without), c = TEXT(wrong);
    rec_log("walks: ", number_text(&a, compared), " compared, ", number_text(&b, full),
            " in full, ", number_text(&c, differing), " differ", NULL);
}
