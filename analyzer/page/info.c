/* SPDX-License-Identifier: MIT */
#include "analysis/info.h"

#include "page/section.h"

static enum seep_err make(struct page_job *job, struct strbuf *out, struct err *err)
{
    const struct info_options options = {job->progress, job->progress_arg};
    struct result *result;
    enum seep_err code = info_analyse(&result, job->reader, job->symbols, &options, err);
    if (code)
        return code;
    result_text(result, "trace", job->trace_name);
    section_add_json(out, job, "seep.info", 1, result);
    return SEEP_OK;
}

const struct page_section section_info = {"info", make};
