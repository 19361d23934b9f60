/* SPDX-License-Identifier: MIT
 *
 * The interposed functions of C. Each calls the function it stands in front of, and records what
 * happened: a free is stamped before the real free, an allocation after the real one returned, a
 * reallocation at both ends, so that another thread that gets the same address cannot seem to have
 * had it too early. errno is the real function's: nothing of ours touches it. */
#include "hook.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

__thread struct rec_pending rec_pending;

/* C23; not in the headers of every glibc. */
void free_sized(void *p, size_t bytes);
void free_aligned_sized(void *p, size_t alignment, size_t bytes);
/* Of programs linked before glibc 2.26, which took it out of its headers. */
void cfree(void *p);

/* Served before the real functions are known, or a block that was. */
static void *early_resize(void *p, size_t bytes)
{
    void *copy = rec_real.malloc ? rec_real.malloc(bytes) : rec_early_alloc(0, bytes);
    if (copy && p)
        memcpy(copy, p, rec_early_size(p) < bytes ? rec_early_size(p) : bytes);
    return copy;
}

/* A block of the arena becomes one of the allocator's, and is seen from then on. */
static void *early_moved(enum seep_call call, void *old, size_t bytes, struct rec_context at)
{
    void *p = early_resize(old, bytes);
    hook_allocated(call, p, bytes, 0, at);
    return p;
}

HOOK void *malloc(size_t bytes)
{
    if (!rec_real_ready())
        return rec_early_alloc(0, bytes);
    void *p = rec_real.malloc(bytes);
    hook_allocated(SEEP_CALL_MALLOC, p, bytes, 0, REC_CONTEXT_HERE);
    return p;
}

HOOK void *calloc(size_t count, size_t bytes)
{
    if (!rec_real_ready())
        return rec_early_alloc(0,
                               hook_product(count, bytes)); /* the arena is never reused: zeroed */
    struct rec_context at = REC_CONTEXT_HERE;
    struct rec_inside found = hook_enter(at);
    void *p = rec_real.calloc(count, bytes);
    hook_leave(at, found);
    hook_allocated(SEEP_CALL_CALLOC, p, hook_product(count, bytes), 0, at);
    return p;
}

#define RELEASE(call, p)                                                                           \
    do {                                                                                           \
        if ((p) == NULL || rec_is_early(p) || !rec_real_ready())                                   \
            return;                                                                                \
        hook_freed(call, p, REC_CONTEXT_HERE);                                                     \
        rec_real.free(p);                                                                          \
    } while (0)

HOOK void free(void *p)
{
    RELEASE(SEEP_CALL_FREE, p);
}

HOOK void cfree(void *p)
{
    RELEASE(SEEP_CALL_FREE, p);
}

HOOK void *realloc(void *old, size_t bytes)
{
    if (!rec_real_ready())
        return early_resize(old, bytes);
    if (rec_is_early(old))
        return early_moved(SEEP_CALL_REALLOC, old, bytes, REC_CONTEXT_HERE);
    struct rec_context at = REC_CONTEXT_HERE;
    struct hook_change change = hook_reallocates(at);
    struct rec_inside found = hook_enter(at);
    void *p = rec_real.realloc(old, bytes);
    hook_leave(at, found);
    hook_reallocated(SEEP_CALL_REALLOC, old, p, bytes, 0, change, at);
    return p;
}

HOOK void *reallocarray(void *old, size_t count, size_t bytes)
{
    size_t total = hook_product(count, bytes);
    if (!rec_real_ready())
        return early_resize(old, total);
    if (rec_is_early(old))
        return early_moved(SEEP_CALL_REALLOCARRAY, old, total, REC_CONTEXT_HERE);
    if (rec_real.reallocarray == NULL) {
        if (total == SIZE_MAX) {
            errno = ENOMEM;
            return NULL;
        }
        return realloc(old, total);
    }
    struct rec_context at = REC_CONTEXT_HERE;
    struct hook_change change = hook_reallocates(at);
    struct rec_allocation found;
    rec_pending_open(SEEP_CALL_REALLOCARRAY, total, 0, at, &found);
    void *p = rec_real.reallocarray(old, count, bytes);
    if (rec_pending_close(&found))
        hook_left(change);
    else
        hook_reallocated(SEEP_CALL_REALLOCARRAY, old, p, total, 0, change, at);
    return p;
}

HOOK void *memalign(size_t alignment, size_t bytes)
{
    if (!rec_real_ready())
        return rec_early_alloc(alignment, bytes);
    struct rec_context at = REC_CONTEXT_HERE;
    struct rec_inside found = hook_enter(at);
    void *p = rec_real.memalign(alignment, bytes);
    hook_leave(at, found);
    hook_allocated(SEEP_CALL_MEMALIGN, p, bytes, alignment, at);
    return p;
}

HOOK void *aligned_alloc(size_t alignment, size_t bytes)
{
    if (!rec_real_ready())
        return rec_early_alloc(alignment, bytes);
    struct rec_context at = REC_CONTEXT_HERE;
    struct rec_inside found = hook_enter(at);
    void *p = rec_real.aligned_alloc(alignment, bytes);
    hook_leave(at, found);
    hook_allocated(SEEP_CALL_ALIGNED_ALLOC, p, bytes, alignment, at);
    return p;
}

HOOK int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    if (!rec_real_ready()) {
        *out = rec_early_alloc(alignment, bytes);
        return *out ? 0 : ENOMEM;
    }
    struct rec_context at = REC_CONTEXT_HERE;
    struct rec_inside found = hook_enter(at);
    int result = rec_real.posix_memalign(out, alignment, bytes);
    hook_leave(at, found);
    hook_allocated(SEEP_CALL_POSIX_MEMALIGN, result == 0 ? *out : NULL, bytes, alignment, at);
    return result;
}

HOOK void *valloc(size_t bytes)
{
    if (!rec_real_ready())
        return rec_early_alloc(HOOK_PAGE_BYTES, bytes);
    struct rec_context at = REC_CONTEXT_HERE;
    struct rec_inside found = hook_enter(at);
    void *p = rec_real.valloc(bytes);
    hook_leave(at, found);
    hook_allocated(SEEP_CALL_VALLOC, p, bytes, HOOK_PAGE_BYTES, at);
    return p;
}

HOOK void *pvalloc(size_t bytes)
{
    if (!rec_real_ready())
        return rec_early_alloc(HOOK_PAGE_BYTES, bytes);
    struct rec_context at = REC_CONTEXT_HERE;
    struct rec_inside found = hook_enter(at);
    void *p = rec_real.pvalloc(bytes);
    hook_leave(at, found);
    hook_allocated(SEEP_CALL_PVALLOC, p, bytes, HOOK_PAGE_BYTES, at);
    return p;
}

/* C23: free() with a hint, and it is free() that we call: whether an allocator's own free_sized
 * calls free in turn could not be known before the block is gone. */
HOOK void free_sized(void *p, size_t bytes)
{
    (void)bytes;
    RELEASE(SEEP_CALL_FREE_SIZED, p);
}

HOOK void free_aligned_sized(void *p, size_t alignment, size_t bytes)
{
    (void)alignment;
    (void)bytes;
    RELEASE(SEEP_CALL_FREE_SIZED, p);
}

/* Not an event; here only because a block of the arena is not the allocator's. */
HOOK size_t malloc_usable_size(void *p)
{
    if (p == NULL)
        return 0;
    if (rec_is_early(p))
        return rec_early_size(p);
    return rec_real_ready() && rec_real.usable_size ? rec_real.usable_size(p) : 0;
}
