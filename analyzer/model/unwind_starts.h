/* SPDX-License-Identifier: MIT
 *
 * Where functions start, by the search table of .eh_frame_hdr: the one list of functions that
 * stripped files keep. It does not say where they end. */
#ifndef MODEL_UNWIND_STARTS_H
#define MODEL_UNWIND_STARTS_H

#include "model/elf_file.h"

struct unwind_starts {
    const uint8_t *table; /* pairs of 32-bit offsets from `address`, sorted; within the file */
    size_t count;
    uint64_t address; /* of .eh_frame_hdr */
    uint64_t code_high;
};

/* Finds the table of `f`, which outlives it. Without one (or in another than the usual encoding) it
 * is empty. */
void unwind_starts_init(struct unwind_starts *u, const struct elf_file *f);

/* The start of the function that `address` is in or follows, and the start of the next one (or the
 * end of all code). False if no function starts before `address`. */
bool unwind_starts_find(const struct unwind_starts *u, uint64_t address, uint64_t *start,
                        uint64_t *end);

#endif
