/* SPDX-License-Identifier: MIT
 *
 * The HTML report: one file, which refers to nothing outside itself. */
#ifndef PAGE_PAGE_H
#define PAGE_PAGE_H

#include "page/section.h"

/* False: this seep was built without npm, and has no page to put sections into. */
bool page_available(void);

/* Appends the whole file. The job's fields but for the last two are set, those are zero; they are
 * released. Errors: those of the sections; USAGE where there is no page. */
enum seep_err page_write(struct strbuf *out, struct page_job *job, struct err *err);

#endif
