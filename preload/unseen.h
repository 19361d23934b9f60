/* SPDX-License-Identifier: MIT
 *
 * What a program does with memory where no hook stands. It is said once on standard error, and
 * noted in the control page for whoever reads the trace. */
#ifndef REC_UNSEEN_H
#define REC_UNSEEN_H

#include "seep/trace_format.h"

#include <stdbool.h>

/* Notes it; `path` is the file that does it, "" if it is none. Says so when the spool is there. */
void rec_unseen(enum seep_unseen what, const char *path);

/* To be called once there is a control page; in a forked child again. */
void rec_unseen_begin(bool forked);

#endif
