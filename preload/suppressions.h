/* SPDX-License-Identifier: MIT
 *
 * Suppressions that a program brings with it, for LeakSanitizer: the text that its function
 * __lsan_default_suppressions() returns. A program that is not linked with LeakSanitizer exports no
 * such symbol, so it is searched by name in the program's file; where that was stripped, it is not
 * found. */
#ifndef REC_SUPPRESSIONS_H
#define REC_SUPPRESSIONS_H

struct rec_thread;

/* Calls the function, if there is one, and puts its text into rows of the calling thread `t`; once
 * in each process. To be called where the program might call a function of its own. */
void rec_suppressions_tell(struct rec_thread *t);

/* At the start, and in a forked child again. */
void rec_suppressions_init(void);

#endif
