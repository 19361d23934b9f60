/* SPDX-License-Identifier: MIT
 *
 * A row beside the events, by the calling thread: what the program tells or does that is no event.
 * All signals are blocked between begin and end, for a handler's row would fall into the middle. */
#ifndef REC_BESIDE_H
#define REC_BESIDE_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rec_thread;

struct rec_beside {
    struct rec_thread *thread; /* what writes it */
    bool marked;               /* the mark on its lane is this row's */
    uint64_t stamp;            /* of this moment */
    uint64_t mask;
};

/* `t` is the calling thread's state. False: nothing can be written, and nothing is to be ended. */
bool rec_beside_begin(struct rec_beside *row, struct rec_thread *t);
/* `bytes` NULL: no row after all. */
void rec_beside_end(const struct rec_beside *row, enum seep_beside kind, const uint8_t *bytes,
                    size_t length);

/* The calling thread's state, made if need be; NULL where nothing is recorded, or not yet. */
struct rec_thread *rec_beside_thread(void);

#endif
