/* SPDX-License-Identifier: MIT
 * One-line messages of the recorder on standard error. */
#ifndef REC_LOG_H
#define REC_LOG_H

/* Remembers what standard error is, so that a message never lands in a file that the program
 * opened in its place later. */
void rec_log_init(void);

/* Prints "seep: PROGRAM[PID]: " ("seep: " before rec_facts_init()) and the parts, NULL-ended, as
 * one line; nothing with SEEP_QUIET, or when standard error is no longer what it was. */
void rec_log(const char *first, ...) __attribute__((sentinel));

#endif
