/* SPDX-License-Identifier: MIT */
#ifndef CMD_PRINT_H
#define CMD_PRINT_H

#include "cli.h"

#include "report/report.h"
#include "trace/trace_event.h"

#include <stdio.h>

/* Writes the report to standard output in the format that was asked for. Returns the exit status.
 */
int print_report(const struct cli *cli, const struct report *report);

/* The same to another stream. */
void print_report_to(const struct cli *cli, const struct report *report, FILE *out);

/* Tells on standard error what is missing of the recording, for output that has no place for it. */
void print_losses(const struct cli *cli, const struct trace_summary *summary);

#endif
