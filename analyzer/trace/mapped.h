/* SPDX-License-Identifier: MIT
 *
 * Memory that the program has mapped itself, as its calls of mmap, munmap and mremap tell. */
#ifndef TRACE_MAPPED_H
#define TRACE_MAPPED_H

#include "seep/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapped_range {
    uint64_t start, end;
};

struct mapped {
    struct mapped_range *ranges; /* by address, apart from each other; owned */
    size_t count, capacity;
};

void mapped_release(struct mapped *m);

/* Takes the payload of a SEEP_BESIDE_MAP_CALL. False where it makes no sense. */
bool mapped_take(struct mapped *m, const uint8_t *payload, size_t length);

/* The range around `address`, or NULL. */
const struct mapped_range *mapped_find(const struct mapped *m, uint64_t address);

#endif
