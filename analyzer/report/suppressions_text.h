/* SPDX-License-Identifier: MIT */
#ifndef REPORT_SUPPRESSIONS_TEXT_H
#define REPORT_SUPPRESSIONS_TEXT_H

#include "analysis/result.h"
#include "util/strbuf.h"

/* Appends, for each site shown of a tree of analysis/leaks.h, a rule that suppresses it: a block in
 * valgrind's syntax that tells its whole stack, which valgrind takes too; or, with `lsan`, a line
 * leak:FUNCTION, which hides whatever that function allocates. */
void suppressions_text(struct strbuf *out, const struct result *leaks, bool lsan);

#endif
