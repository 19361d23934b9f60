/* SPDX-License-Identifier: MIT
 *
 * One event of a trace as a line of text or of JSON. Millions are printed at a time: the digits are
 * made by hand, into a buffer that is written out when it is full. */
#ifndef CMD_DUMP_PRINT_H
#define CMD_DUMP_PRINT_H

#include "model/symbols.h"
#include "trace/makers.h"
#include "trace/trace_event.h"
#include "util/strbuf.h"

struct dump_printer {
    bool json;
    const struct trace_dict *dict; /* not owned */
    struct symbols *symbols;       /* not owned; NULL: stacks are not shown */
    struct makers makers;          /* told so far; released by the caller */
    struct strbuf out;             /* what is not yet written; released by the caller */
};

/* The line that names the columns; nothing in JSON. */
void dump_print_head(struct dump_printer *p);

/* Appends the event to p->out, with a final newline. */
void dump_print_event(struct dump_printer *p, const struct trace_event *ev);

#endif
