/* SPDX-License-Identifier: MIT */
#include "analysis/resolve.h"

#include "util/mem.h"

#include <stdlib.h>

enum seep_err resolve_marked(struct symbols *symbols, const struct trace_dict *dict, uint8_t *marks,
                             bool callers, struct err *err)
{
    size_t count = 0;
    callers |= symbols_have_alloc_fns(symbols);
    for (uint32_t node = dict->stack_count; node > 0; node--) {
        if (!marks[node])
            continue;
        if (callers) /* a parent's id is smaller: it is still to come */
            marks[dict->stacks[node].parent] = 1;
        count += !(dict->stacks[node].flags & SEEP_ROW_ROOT);
    }
    uint32_t *nodes = mem_alloc((count + 1) * sizeof *nodes);
    count = 0;
    for (uint32_t node = 1; node <= dict->stack_count; node++)
        if (marks[node] && !(dict->stacks[node].flags & SEEP_ROW_ROOT))
            nodes[count++] = node;
    enum seep_err code = symbols_resolve(symbols, nodes, count);
    free(nodes);
    if (code)
        return err_set(err, code, ERR_NO_OFFSET, "interrupted");
    return SEEP_OK;
}
