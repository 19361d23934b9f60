/* SPDX-License-Identifier: MIT
 *
 * The spool on disk: a directory with its files, the shared control page, the lanes, and where full
 * tails are written. Layouts in seep/trace_format.h.
 *
 * Descriptors are kept high, so that a program finds the numbers free that it would find without
 * us, and are checked before each use: one that the program closed, or put something else in its
 * place, is opened again, below the directory. Where the program's limit leaves no room for that,
 * none are kept. (Between check and use another thread may still put a file of its own in their
 * place; it would have to choose that very number.) Space is reserved before it is mapped or
 * promised: a full disk ends the recording, never the program. */
#ifndef REC_SPOOL_H
#define REC_SPOOL_H

#define REC_SPOOL_NAME_MAX 256 /* of its directory entry, with the NUL */

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the directory at `path` (which must not exist), its files, and maps control and lanes.
 * `facts` goes behind them. 0, or the negative errno of what failed. */
long rec_spool_create(const char *path, const void *facts, size_t facts_bytes);

/* A descriptor, to be closed, of the directory in which `path` stands: the same as ever in this
 * process image, wherever its root directory lies by now. Else a negative errno. */
long rec_spool_place(const char *path);

/* NULL before rec_spool_create(). The lanes follow it. */
struct seep_control *rec_spool_control(void);
struct seep_lane *rec_spool_lane(uint32_t index);
const char *rec_spool_path(void);

/* Where in `control` the tail of lane `index` lies. */
uint64_t rec_spool_tail_offset(uint32_t index);
/* Maps the tail of lane `index`, SEEP_TAIL_MAX_BYTES of address space of which the first
 * `reserved` bytes may be written to. NULL: no space or no memory. */
uint8_t *rec_spool_tail_map(uint32_t index, size_t reserved);
/* Makes the first `bytes` of a mapped tail writable. False: no space. */
bool rec_spool_tail_grow(uint32_t index, size_t old_bytes, size_t bytes);

/* Bytes of `rows` on the disk. */
static inline uint64_t rec_spool_used(const struct seep_control *c)
{
    uint64_t freed = __atomic_load_n(&c->rows_freed, __ATOMIC_RELAXED);
    return __atomic_load_n(&c->rows_end, __ATOMIC_RELAXED) - freed;
}

/* Whether a packer holds the spool's lock. */
bool rec_spool_is_locked(void);

/* Writes a chunk of rows. Signals must be blocked. SEEP_STOP_NONE, or why it could not be. */
enum seep_stop rec_spool_write_rows(uint32_t lane, uint32_t sequence, uint32_t thread,
                                    const uint8_t *rows, uint32_t bytes);

/* Appends to the `snapshots` file. */
void rec_spool_snapshot(uint32_t kind, uint64_t now_ns, const void *bytes, uint32_t length);

/* Makes the file of heap graph snapshot `number`, with an exclusive lock on it that forked
 * processes have too. Returns its descriptor, out of the program's way where there is room;
 * negative: it cannot be made. */
int rec_spool_graph_file(uint32_t number);
void rec_spool_graph_remove(uint32_t number);

/* In a forked child, where a hook goes on that was begun in the parent: as rec_spool_forget(), with
 * an empty page in place of the parent's control page, so that the hook finds one. */
void rec_spool_blank(void);

/* In a forked child: forgets the parent's spool and closes the descriptors that are still its, but
 * for that of the directory, by which the child's own is found. */
void rec_spool_forget(void);

#endif
