/* SPDX-License-Identifier: MIT
 *
 * Ctrl-C, SIGTERM and SIGHUP in offline commands. As a rule they end the program at once, as they
 * always do, but for a progress line that is erased first. While a file is written they are put
 * off: the work notices, cleans up, and the program then ends by the same signal, so that a shell
 * sees 128 + its number and stops its own loop. */
#ifndef CMD_INTERRUPT_H
#define CMD_INTERRUPT_H

#include <stdbool.h>

/* Installs the handlers, leaving signals that are ignored alone. May be called again. */
void interrupt_init(void);

/* Puts signals off, or no longer; a signal that came meanwhile then ends the program. */
void interrupt_defer(bool on);

/* True if a signal came while they were put off. */
bool interrupt_pending(void);

/* Ends the program by the pending signal, or by SIGINT. Returns 128 + its number should it be
 * blocked. */
int interrupt_finish(void);

/* Bytes that a signal's handler writes to standard error before the program ends; NULL: none.
 * Lives until it is replaced. */
void interrupt_set_farewell(const char *bytes);

#endif
