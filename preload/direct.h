/* SPDX-License-Identifier: MIT
 *
 * Hooks for the functions that jemalloc, tcmalloc and mimalloc have beside the standard ones. They
 * are not exported: bindings.h leads calls here. */
#ifndef REC_DIRECT_H
#define REC_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

/* Looks up the functions of the allocator that serves malloc; part of rec_real_resolve(). */
void rec_direct_resolve(const void *real_malloc);

/* True if it has any. */
bool rec_direct_present(void);

/* The hook of the function called `name`, 0 if there is none; *real is the function itself, 0
 * unless it is one that makes or ends blocks. */
uintptr_t rec_direct_hook(const char *name, uintptr_t *real);

#endif
