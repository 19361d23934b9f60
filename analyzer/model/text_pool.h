/* SPDX-License-Identifier: MIT
 *
 * Texts kept once each, at addresses that never move: the same function and source names come up
 * thousands of times. */
#ifndef MODEL_TEXT_POOL_H
#define MODEL_TEXT_POOL_H

#include <stddef.h>
#include <stdint.h>

struct text_pool_slot {
    const char *text;
    const char *other; /* text_pool_demangled(): the demangled form, or NULL */
    uint64_t hash;
};

/* Zero-initialise. */
struct text_pool {
    struct text_pool_slot *slots; /* open addressing; owned */
    size_t slot_count, used;
    char *chunk; /* newest piece of memory; the first word points to the one before */
    size_t chunk_used, chunk_bytes;
};

/* The pooled copy of `text`; control characters become '?', for what files say reaches terminals.
 * NULL for NULL. Valid until text_pool_release(). */
const char *text_pool_add(struct text_pool *p, const char *text);

/* The pooled, demangled form of a linker symbol (the name itself where it is not mangled). */
const char *text_pool_demangled(struct text_pool *p, const char *mangled);

/* `bytes` of zeroed memory, aligned for any type, that lives as long as the pool. */
void *text_pool_alloc(struct text_pool *p, size_t bytes);

void text_pool_release(struct text_pool *p);

#endif
