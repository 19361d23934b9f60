/* SPDX-License-Identifier: MIT */
#include "analysis/leaks.h"

#include "page/section.h"

#define SITES 200
#define DEPTH 24

static enum seep_err make(struct page_job *job, struct strbuf *out, struct err *err)
{
    struct suppressions *rules = suppressions_new();
    const struct leaks_options options = {
        .by = SITE_BY_STACK,
        .order = LEAKS_ORDER_BYTES,
        .top = SITES,
        .depth = DEPTH,
        .kinds = LEAKS_DEFINITE | LEAKS_POSSIBLE | LEAKS_REACHABLE,
        .suppressions = rules,
        .progress = job->progress,
        .progress_arg = job->progress_arg,
    };
    struct result *result;
    enum seep_err code = leaks_analyse(&result, job->reader, job->symbols, &options, err);
    if (!code)
        section_add_json(out, job, "seep.leaks", 1, result);
    suppressions_free(rules);
    return code;
}

const struct page_section section_leaks = {"leaks", make};
