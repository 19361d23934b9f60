/* SPDX-License-Identifier: MIT
 *
 * The HTML report is a page and sections of data. A section is made by one file here, out of an
 * analysis, and is read by whoever needs it in the page: views (analyzer/web/views/).
 *
 * How to add a section: write page/NAME.c with a `struct page_section section_NAME`, whose `make`
 * yields JSON (section_add_json() does it of an analysis's tree) or bytes; name it in
 * page/sections.c and analyzer/meson.build. How to add a view that shows it:
 * analyzer/web/views/view.js. */
#ifndef PAGE_SECTION_H
#define PAGE_SECTION_H

#include "analysis/result.h"
#include "model/symbols.h"
#include "page/lives.h"
#include "trace/trace_reader.h"
#include "util/err.h"
#include "util/strbuf.h"

/* What sections are made of. */
struct page_job {
    struct trace_reader *reader; /* stands at the start when `make` is called; like the next ones
                                    not owned */
    struct symbols *symbols;
    const char *trace_name;         /* as the user named it */
    const char *const *source_dirs; /* NULL-ended: where sources may be, too */
    struct result *comparison; /* tree of `seep compare`, or NULL; owned by its section, if made */
    bool (*progress)(void *arg, double fraction); /* false: stop, INTERRUPTED. May be NULL */
    void *progress_arg;
    /* made by page_job_read(), owned by the job; keys of lives are places */
    struct places places;
    struct lives lives;
};

struct page_section {
    const char *name;
    /* Appends the section's bytes to *out. What is not in the trace leaves it empty: then there is
     * no such section, and views that need it are not shown. Errors: as the analyses'. */
    enum seep_err (*make)(struct page_job *job, struct strbuf *out, struct err *err);
};

extern const struct page_section *const page_sections[]; /* NULL-ended */

/* Reads what several sections need. Released by page_job_release(), also after an error. */
enum seep_err page_job_read(struct page_job *job, struct err *err);
void page_job_release(struct page_job *job);

/* Appends a tree that an analysis made of the trace as JSON: {schema, version, completeness,
 * result}. Takes `result` over. */
void section_add_json(struct strbuf *out, const struct page_job *job, const char *schema,
                      unsigned version, struct result *result);

#endif
