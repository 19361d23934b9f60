/* SPDX-License-Identifier: MIT */
#include "analysis/cost_window.h"

void cost_window_add(struct result *r, const struct costs *costs, const struct filter *filter)
{
    if (!filter || (!filter->from.text && !filter->to.text)) {
        result_null(r, "window");
        return;
    }
    struct result *w = result_object(r, "window");
    result_text(w, "from", filter->from.text);
    result_text(w, "to", filter->to.text);
    result_ns(w, "from_ns", costs->from_ns);
    result_ns(w, "to_ns", costs->end_ns);
}
