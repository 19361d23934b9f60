/* SPDX-License-Identifier: MIT
 *
 * What programs tell LeakSanitizer (sanitizer/lsan_interface.h), served without it: annotated
 * programs need no change. */
#ifndef REC_LSAN_H
#define REC_LSAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The regions that the program has registered as roots and not taken back, one after the other:
 * from *position, 0 at first. False past the last. */
bool rec_lsan_next_root(size_t *position, uintptr_t *start, uintptr_t *end);

/* At the start, and in a forked child again. */
void rec_lsan_init(void);

#endif
