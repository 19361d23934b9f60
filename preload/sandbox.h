/* SPDX-License-Identifier: MIT
 *
 * Programs that restrict their own system calls (seccomp), or their time stamp counter.
 *
 * A filter may kill for a call that it does not know, and whether it would cannot be asked by a
 * call. So its installation is noticed, by interposing prctl() and syscall(), through which C
 * libraries and libseccomp do it, and the filter itself is asked: it is a program without state,
 * which is run here on each call that the recorder may ever make. Unless it lets all of them pass,
 * recording stops before the filter is in force; from then on the recorder makes no call at all.
 * An image that a process of the run executes under a filter is not recorded: nobody can read a
 * filter that is in force. */
#ifndef REC_SANDBOX_H
#define REC_SANDBOX_H

#include <stdbool.h>

/* True if this image was started under filters that were not there around `seep run`. Says so.
 * Makes only calls that the loader has just made to get us here, and write() for the word. */
bool rec_sandbox_inherited(void);

/* True if a filter has come that would not let a heap graph snapshot be taken, but all else. */
bool rec_sandbox_forbids_graph(void);

#endif
