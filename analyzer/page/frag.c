/* SPDX-License-Identifier: MIT */
#include "analysis/frag.h"

#include "page/section.h"

#define SITES 60
#define SIZES 12
#define DEPTH 16

static enum seep_err make(struct page_job *job, struct strbuf *out, struct err *err)
{
    const struct frag_options options = {.by = SITE_BY_FUNCTION,
                                         .top = SITES,
                                         .sizes = SIZES,
                                         .depth = DEPTH,
                                         .progress = job->progress,
                                         .progress_arg = job->progress_arg};
    const struct trace_dict *dict = trace_reader_dict(job->reader);
    struct result *result;
    if (dict->process_count || !dict->picture_count)
        return SEEP_OK; /* nothing is known of its pages */
    enum seep_err code = frag_analyse(&result, job->reader, job->symbols, &options, err);
    if (!code)
        section_add_json(out, job, "seep.frag", 1, result);
    return code;
}

const struct page_section section_frag = {"frag", make};
