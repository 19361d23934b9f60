/* SPDX-License-Identifier: MIT
 *
 * Reads another process's memory picture out of /proc. */
#ifndef RUN_PROCESS_MEMORY_H
#define RUN_PROCESS_MEMORY_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A buffer that grows as needed; zero-initialise, process_buffer_release(). */
struct process_buffer {
    uint8_t *bytes; /* owned */
    size_t length, capacity;
};

void process_buffer_release(struct process_buffer *b);

/* The whole of a file in /proc, which may come in pieces; replaces the buffer's content. False
 * where it cannot be read. */
bool process_read_file(const char *path, struct process_buffer *out);

/* Resident bytes, by the cheapest way there is; 0 where the process is gone. */
uint64_t process_rss_bytes(pid_t pid);

/* The fields of enum seep_memory. False where the process is gone or has no memory any more. */
bool process_memory(pid_t pid, uint64_t out[SEEP_MEMORY_COUNT]);

/* Ways to ask for residency; the later ones are there for older kernels. */
enum process_residency {
    PROCESS_SCAN_GUARDS, /* PAGEMAP_SCAN that knows guard pages */
    PROCESS_SCAN,        /* PAGEMAP_SCAN, Linux 6.7 */
    PROCESS_PAGEMAP,     /* the pagemap file; takes the shared page of zeros for resident */
};

/* Encodes a SEEP_BESIDE_MAPPINGS record into *out, which replaces its content. `maps` is scratch.
 * *way is the first way to try; it moves on to the one that works. False where the process is gone
 * or may not be looked into. */
bool process_mappings(pid_t pid, enum process_residency *way, struct process_buffer *maps,
                      struct process_buffer *out);

#endif
