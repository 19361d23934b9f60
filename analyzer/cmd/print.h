/* SPDX-License-Identifier: MIT */
#ifndef CMD_PRINT_H
#define CMD_PRINT_H

#include "cli.h"

#include "report/report.h"

#include <stdio.h>

/* Writes the report to standard output in the format that was asked for. Returns the exit status.
 */
int print_report(const struct cli *cli, const struct report *report);

/* The same to another stream. */
void print_report_to(const struct cli *cli, const struct report *report, FILE *out);

#endif
