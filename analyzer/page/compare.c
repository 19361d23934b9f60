/* SPDX-License-Identifier: MIT
 *
 * Replays take minutes and processes of their own, so that the tree is made by who asked for it. */
#include "page/section.h"

static enum seep_err make(struct page_job *job, struct strbuf *out, struct err *err)
{
    (void)err;
    if (job->comparison)
        section_add_json(out, job, "seep.compare", 1, job->comparison);
    job->comparison = NULL;
    return SEEP_OK;
}

const struct page_section section_compare = {"compare", make};
