/* SPDX-License-Identifier: MIT
 *
 * What is known of the process when its recording starts, encoded as facts (enum seep_fact) for the
 * spool. Those that a forked child shares with its parent are read again: it may have
 * changed directory, and its command line is its own. */
#ifndef REC_FACTS_H
#define REC_FACTS_H

#include <stddef.h>
#include <stdint.h>

/* Where this process came from, if it was forked from a recorded one. */
struct rec_origin {
    uint32_t fork_parent_pid; /* 0: not forked from a recorded process */
    const char *fork_parent;  /* name of its spool */
    uint64_t fork_stamp;
    uint32_t fork_generation; /* of its modules, at the fork */
};

/* Reads the executable's name; to be called first. */
void rec_facts_init(void);

/* Base name of the executable, of letters that are safe in a file name; "" before the init. */
const char *rec_facts_exe_name(void);

/* The pid namespace that the process lives in, by the number of its inode; 0: cannot be told. */
uint64_t rec_facts_pid_namespace(void);

/* Encodes all facts into `out`; returns their length. What does not fit is left out, whole. */
size_t rec_facts_encode(uint8_t *out, size_t room, uint32_t image, struct rec_origin origin);

/* Reads a small file, such as one of /proc, with raw system calls: at most `room` - 1 bytes and a
 * NUL. Returns the length, 0 where it cannot be read. */
size_t rec_read_file(const char *path, char *out, size_t room);

#endif
