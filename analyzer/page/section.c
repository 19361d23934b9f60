/* SPDX-License-Identifier: MIT */
#include "page/section.h"

#include "analysis/completeness.h"
#include "analysis/frame_tree.h"
#include "report/json.h"

#include <stdlib.h>

#define PARTS 768            /* of the trace: windows begin and end at their borders */
#define MOST_ROWS (4u << 20) /* of lives: 160 MiB while the page is made */

enum seep_err page_job_read(struct page_job *job, struct err *err)
{
    const struct trace_dict *dict = trace_reader_dict(job->reader);
    struct frame_tree tree;
    uint32_t *place_of;
    enum seep_err code = frame_tree_place(&tree, &place_of, true, dict, job->symbols, err);
    if (!code)
        code = lives_read(&job->lives, job->reader, place_of, PARTS, MOST_ROWS, job->progress,
                          job->progress_arg, err);
    if (!code) {
        places_of_tree(&job->places, &tree);
        places_fit(&job->places, &job->lives);
    }
    frame_tree_release(&tree);
    free(place_of);
    return code;
}

void page_job_release(struct page_job *job)
{
    places_release(&job->places);
    lives_release(&job->lives);
}

void section_add_json(struct strbuf *out, const struct page_job *job, const char *schema,
                      unsigned version, struct result *result)
{
    struct result *document = result_new_object();
    json_report(
        out, &(struct report){.schema = schema,
                              .version = version,
                              .completeness = completeness_add(document, "completeness",
                                                               trace_reader_summary(job->reader)),
                              .result = result});
    result_free(document);
    result_free(result);
}
