/* SPDX-License-Identifier: MIT
 *
 * Has the kernel tell whoever traces this process of each system call on memory. */
#ifndef REPLAYER_COUNTED_H
#define REPLAYER_COUNTED_H

#include <stdbool.h>

/* From here on such a call stops the calling thread with a PTRACE_EVENT_SECCOMP whose message is an
 * enum seep_replay_memory_call. There must be a tracer: the calls fail without one. False where the
 * kernel refuses. */
bool counted_begin(void);

#endif
