/* SPDX-License-Identifier: MIT */
#include "analysis/growth.h"

#include "page/section.h"

#define SITES 60
#define PARTS 12
#define MOMENTS 6
#define DEPTH 16
#define MIN_BYTES 4096

static enum seep_err make(struct page_job *job, struct strbuf *out, struct err *err)
{
    const struct growth_options options = {.by = SITE_BY_STACK,
                                           .top = SITES,
                                           .top_parts = PARTS,
                                           .peaks = MOMENTS,
                                           .rises = MOMENTS,
                                           .min_bytes = MIN_BYTES,
                                           .depth = DEPTH,
                                           .progress = job->progress,
                                           .progress_arg = job->progress_arg};
    struct result *result;
    enum seep_err code = growth_analyse(&result, job->reader, job->symbols, &options, err);
    if (!code)
        section_add_json(out, job, "seep.growth", 1, result);
    return code;
}

const struct page_section section_growth = {"growth", make};
