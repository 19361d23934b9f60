/* SPDX-License-Identifier: MIT */
#include "analysis/fork.h"

void fork_add(struct result *object, const struct trace_facts *facts)
{
    if (facts->fork_parent_pid)
        result_integer(object, "fork_parent_pid", facts->fork_parent_pid);
    else
        result_null(object, "fork_parent_pid");
    result_text(object, "parent_trace",
                facts->parent_trace && facts->parent_trace[0] ? facts->parent_trace : NULL);
    if (facts->fork_ns)
        result_ns(object, "fork_ns", facts->fork_ns);
    else
        result_null(object, "fork_ns");
}
