/* SPDX-License-Identifier: MIT
 *
 * Asks the kernel what is mapped around an address, through /proc/self/maps and system calls alone.
 * A cold path: some 30 to 100 us for a program of ordinary size. */
#ifndef REC_MAPS_H
#define REC_MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct rec_mapping {
    uintptr_t start, end;
    uintptr_t readable_end; /* end of the readable mappings that follow without a gap, this one
                             * included; 0 if this one is not readable */
    uintptr_t below;        /* end of the mapping below; 0 if there is none */
    uintptr_t image;        /* where the same file is mapped from its beginning, at or below this
                             * mapping with no other file between; 0: nowhere */
    const char *name;       /* of the file, or as the kernel says ("[stack]"); valid under the lock
                             * until the next call; "" if there is none */
};

/* The mapping around `address`. False if there is none, or it cannot be known. To be called under
 * the cold-path lock. */
bool rec_maps_find(uintptr_t address, struct rec_mapping *out);

#endif
