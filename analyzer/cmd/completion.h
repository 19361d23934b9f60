/* SPDX-License-Identifier: MIT */
#ifndef CMD_COMPLETION_H
#define CMD_COMPLETION_H

#include "util/strbuf.h"

/* Appends a script for bash that completes commands, options and their choices, all from the
 * tables of cli.h; where none fits it leaves the word to bash, which completes files. */
void completion_bash(struct strbuf *out);

#endif
