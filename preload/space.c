/* SPDX-License-Identifier: MIT */
#include "space.h"

#include "options.h"
#include "recorder.h"
#include "spool.h"
#include "sys.h"
#include "text.h"

#include <time.h>

#define STEP_NS 1000000
#define STEPS_A_LOOK 16 /* at the packer's lock */

static uint64_t limit;
static bool drops;

void rec_space_init(void)
{
    limit = rec_option_number(REC_OPTION_SPOOL_LIMIT);
    drops = text_equal(rec_option_text(REC_OPTION_WHEN_FULL), "drop");
}

bool rec_space_is_short(void)
{
    const struct seep_control *c = rec_spool_control();
    return limit && __atomic_load_n(&c->packer, __ATOMIC_RELAXED) && rec_spool_used(c) > limit;
}

bool rec_space_drops(void)
{
    return drops && rec_space_is_short();
}

/* Whether the packer lives: it holds a lock that the kernel takes from the dead. */
static bool is_followed(void)
{
    uint64_t mask = sys_signals_block();
    bool locked = rec_spool_is_locked();
    sys_signals_restore(mask);
    if (locked)
        return true;
    __atomic_store_n(&rec_spool_control()->packer, 0, __ATOMIC_RELAXED);
    return false;
}

void rec_space_wait(void)
{
    for (unsigned step = 1; *rec_alive == REC_ALIVE && rec_space_is_short(); step++) {
        if (step % STEPS_A_LOOK == 0 && !is_followed())
            return;
        struct timespec wait = {.tv_nsec = STEP_NS};
        sys_call(SYS_nanosleep, &wait, 0);
    }
}
