/* SPDX-License-Identifier: MIT */
#include "trace/makers.h"

#include "trace/bytes.h"

void makers_take(struct makers *m, const struct trace_beside *beside)
{
    if (beside->kind != SEEP_BESIDE_INHERITED)
        return;
    struct cursor c = cursor_at(beside->bytes, beside->length);
    uint64_t first = cursor_varint(&c), count = cursor_varint(&c), age_ns = 0;
    if (first != m->count) /* a record before this one is lost */
        return;
    while (count-- > 0 && !cursor_done(&c)) {
        age_ns += (uint64_t)cursor_svarint(&c);
        struct maker maker = {age_ns, (uint32_t)cursor_bounded(&c, UINT32_MAX)};
        if (c.bad)
            return;
        MEM_GROW(m->all, m->capacity, m->count + 1);
        m->all[m->count++] = maker;
    }
}

void makers_release(struct makers *m)
{
    free(m->all);
    *m = (struct makers){0};
}
