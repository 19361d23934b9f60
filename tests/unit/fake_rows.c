/* SPDX-License-Identifier: MIT */
#include "fake_rows.h"

#include "sys.h"

#include <stdatomic.h>

static struct fake_row *rows;
static uint32_t room;
static atomic_uint reserved, complete;
bool fake_rows_refuse;
/* Payloads, one behind the other. */
static uint8_t payloads[1 << 16];
static atomic_size_t payloads_used;

void fake_rows_init(uint32_t limit)
{
    sys_memory_free(rows, room * sizeof *rows);
    rows = sys_memory(limit * sizeof *rows);
    room = rows ? limit : 0;
    reserved = complete = 0;
    payloads_used = 0;
}

uint32_t fake_rows_count(void)
{
    return atomic_load(&complete);
}

const struct fake_row *fake_rows_at(uint32_t index)
{
    return &rows[index];
}

static bool keep(const struct fake_row *row)
{
    unsigned i = atomic_fetch_add(&reserved, 1);
    if (fake_rows_refuse || i >= room)
        return false;
    rows[i] = *row;
    while (atomic_load(&complete) != i)
        sys_call(SYS_sched_yield);
    atomic_store(&complete, i + 1);
    return true;
}

bool rec_row_stack(struct rec_thread *t, uint32_t id, uint32_t parent, uintptr_t pc, uint8_t flags)
{
    (void)t;
    struct fake_row row = {
        .what = FAKE_STACK, .flags = flags, .id = id, .parent = parent, .pc = pc};
    return keep(&row);
}

bool rec_row_root(struct rec_thread *t, uint32_t id, uint32_t generation, uint8_t flags)
{
    (void)t;
    struct fake_row row = {.what = FAKE_ROOT, .flags = flags, .id = id, .parent = generation};
    return keep(&row);
}

bool rec_row_beside(struct rec_thread *t, enum seep_beside kind, uint64_t stamp, const void *bytes,
                    size_t length)
{
    (void)t;
    (void)stamp;
    struct fake_row row = {.what = FAKE_BESIDE, .id = kind, .length = length};
    size_t at = atomic_fetch_add(&payloads_used, length);
    if (at + length <= sizeof payloads) {
        row.bytes = payloads + at;
        for (size_t i = 0; i < length; i++)
            payloads[at + i] = ((const uint8_t *)bytes)[i];
    }
    return keep(&row);
}

bool rec_rows_lead_nowhere(const struct rec_thread *t)
{
    (void)t;
    return false;
}
