/* SPDX-License-Identifier: MIT */
#include "direct.h"

#include "hook.h"
#include "text.h"

#include <dlfcn.h>

#define DIRECT_HOOK static __attribute__((noinline))

typedef struct nothrow nothrow; /* std::nothrow_t */

/* jemalloc: the low six bits of flags are the logarithm of the alignment. */
static size_t flagged_alignment(int flags)
{
    return (flags & 63) ? (size_t)1 << (flags & 63) : 0;
}

/* ------------------------------------------------------------------ the functions
 *
 * MADE(function, call, parameters, arguments, bytes, alignment)   returns a new block or NULL
 * CHANGED(function, call, parameters, arguments, old, bytes, alignment)   returns it, moved or not;
 *     NULL leaves it as it was, unless `bytes` is 0
 * ENDED(function, call, parameters, arguments)   ends the block `p`
 * UNHOOKED(function)   makes blocks that other calls may end all at once */
#define JEMALLOC_FUNCTIONS                                                                         \
    MADE(mallocx, MALLOCX, (size_t n, int flags), (n, flags), n, flagged_alignment(flags))         \
    CHANGED(rallocx, RALLOCX, (void *old, size_t n, int flags), (old, n, flags), old, n,           \
            flagged_alignment(flags))                                                              \
    ENDED(dallocx, DALLOCX, (void *p, int flags), (p, flags))                                      \
    ENDED(sdallocx, DALLOCX, (void *p, size_t n, int flags), (p, n, flags))

#define TCMALLOC_FUNCTIONS                                                                         \
    MADE(tc_malloc, MALLOC, (size_t n), (n), n, 0)                                                 \
    MADE(tc_malloc_skip_new_handler, MALLOC, (size_t n), (n), n, 0)                                \
    MADE(tc_calloc, CALLOC, (size_t k, size_t n), (k, n), hook_product(k, n), 0)                   \
    MADE(tc_memalign, MEMALIGN, (size_t a, size_t n), (a, n), n, a)                                \
    MADE(tc_valloc, VALLOC, (size_t n), (n), n, HOOK_PAGE_BYTES)                                   \
    MADE(tc_pvalloc, PVALLOC, (size_t n), (n), n, HOOK_PAGE_BYTES)                                 \
    MADE(tc_new, NEW, (size_t n), (n), n, 0)                                                       \
    MADE(tc_new_nothrow, NEW, (size_t n, const nothrow *t), (n, t), n, 0)                          \
    MADE(tc_new_aligned, NEW, (size_t n, size_t a), (n, a), n, a)                                  \
    MADE(tc_new_aligned_nothrow, NEW, (size_t n, size_t a, const nothrow *t), (n, a, t), n, a)     \
    MADE(tc_newarray, NEW_ARRAY, (size_t n), (n), n, 0)                                            \
    MADE(tc_newarray_nothrow, NEW_ARRAY, (size_t n, const nothrow *t), (n, t), n, 0)               \
    MADE(tc_newarray_aligned, NEW_ARRAY, (size_t n, size_t a), (n, a), n, a)                       \
    MADE(tc_newarray_aligned_nothrow, NEW_ARRAY, (size_t n, size_t a, const nothrow *t),           \
         (n, a, t), n, a)                                                                          \
    CHANGED(tc_realloc, REALLOC, (void *old, size_t n), (old, n), old, n, 0)                       \
    ENDED(tc_free, FREE, (void *p), (p))                                                           \
    ENDED(tc_cfree, FREE, (void *p), (p))                                                          \
    ENDED(tc_free_sized, FREE_SIZED, (void *p, size_t n), (p, n))                                  \
    ENDED(tc_delete, DELETE, (void *p), (p))                                                       \
    ENDED(tc_delete_nothrow, DELETE, (void *p, const nothrow *t), (p, t))                          \
    ENDED(tc_delete_sized, DELETE, (void *p, size_t n), (p, n))                                    \
    ENDED(tc_delete_aligned, DELETE, (void *p, size_t a), (p, a))                                  \
    ENDED(tc_delete_aligned_nothrow, DELETE, (void *p, size_t a, const nothrow *t), (p, a, t))     \
    ENDED(tc_delete_sized_aligned, DELETE, (void *p, size_t n, size_t a), (p, n, a))               \
    ENDED(tc_deletearray, DELETE_ARRAY, (void *p), (p))                                            \
    ENDED(tc_deletearray_nothrow, DELETE_ARRAY, (void *p, const nothrow *t), (p, t))               \
    ENDED(tc_deletearray_sized, DELETE_ARRAY, (void *p, size_t n), (p, n))                         \
    ENDED(tc_deletearray_aligned, DELETE_ARRAY, (void *p, size_t a), (p, a))                       \
    ENDED(tc_deletearray_aligned_nothrow, DELETE_ARRAY, (void *p, size_t a, const nothrow *t),     \
          (p, a, t))                                                                               \
    ENDED(tc_deletearray_sized_aligned, DELETE_ARRAY, (void *p, size_t n, size_t a), (p, n, a))

#define MIMALLOC_FUNCTIONS                                                                         \
    MADE(mi_malloc, MALLOC, (size_t n), (n), n, 0)                                                 \
    MADE(mi_malloc_small, MALLOC, (size_t n), (n), n, 0)                                           \
    MADE(mi_zalloc, CALLOC, (size_t n), (n), n, 0)                                                 \
    MADE(mi_zalloc_small, CALLOC, (size_t n), (n), n, 0)                                           \
    MADE(mi_calloc, CALLOC, (size_t k, size_t n), (k, n), hook_product(k, n), 0)                   \
    MADE(mi_mallocn, MALLOC, (size_t k, size_t n), (k, n), hook_product(k, n), 0)                  \
    MADE(mi_malloc_aligned, ALIGNED_ALLOC, (size_t n, size_t a), (n, a), n, a)                     \
    MADE(mi_malloc_aligned_at, ALIGNED_ALLOC, (size_t n, size_t a, size_t o), (n, a, o), n, a)     \
    MADE(mi_zalloc_aligned, ALIGNED_ALLOC, (size_t n, size_t a), (n, a), n, a)                     \
    MADE(mi_zalloc_aligned_at, ALIGNED_ALLOC, (size_t n, size_t a, size_t o), (n, a, o), n, a)     \
    MADE(mi_calloc_aligned, ALIGNED_ALLOC, (size_t k, size_t n, size_t a), (k, n, a),              \
         hook_product(k, n), a)                                                                    \
    MADE(mi_calloc_aligned_at, ALIGNED_ALLOC, (size_t k, size_t n, size_t a, size_t o),            \
         (k, n, a, o), hook_product(k, n), a)                                                      \
    MADE(mi_memalign, MEMALIGN, (size_t a, size_t n), (a, n), n, a)                                \
    MADE(mi_aligned_alloc, ALIGNED_ALLOC, (size_t a, size_t n), (a, n), n, a)                      \
    MADE(mi_valloc, VALLOC, (size_t n), (n), n, HOOK_PAGE_BYTES)                                   \
    MADE(mi_pvalloc, PVALLOC, (size_t n), (n), n, HOOK_PAGE_BYTES)                                 \
    MADE(mi_strdup, MALLOC, (const char *s), (s), text_length(s) + 1, 0)                           \
    MADE(mi_strndup, MALLOC, (const char *s, size_t n), (s, n), text_length_within(s, n) + 1, 0)   \
    MADE(mi_new, NEW, (size_t n), (n), n, 0)                                                       \
    MADE(mi_new_nothrow, NEW, (size_t n), (n), n, 0)                                               \
    MADE(mi_new_aligned, NEW, (size_t n, size_t a), (n, a), n, a)                                  \
    MADE(mi_new_aligned_nothrow, NEW, (size_t n, size_t a), (n, a), n, a)                          \
    MADE(mi_new_n, NEW, (size_t k, size_t n), (k, n), hook_product(k, n), 0)                       \
    CHANGED(mi_realloc, REALLOC, (void *old, size_t n), (old, n), old, n, 0)                       \
    CHANGED(mi_rezalloc, REALLOC, (void *old, size_t n), (old, n), old, n, 0)                      \
    CHANGED(mi_expand, REALLOC, (void *old, size_t n), (old, n), old, n, 0)                        \
    CHANGED(mi_reallocn, REALLOCARRAY, (void *old, size_t k, size_t n), (old, k, n), old,          \
            hook_product(k, n), 0)                                                                 \
    CHANGED(mi_reallocarray, REALLOCARRAY, (void *old, size_t k, size_t n), (old, k, n), old,      \
            hook_product(k, n), 0)                                                                 \
    CHANGED(mi_recalloc, REALLOCARRAY, (void *old, size_t k, size_t n), (old, k, n), old,          \
            hook_product(k, n), 0)                                                                 \
    CHANGED(mi_realloc_aligned, REALLOC, (void *old, size_t n, size_t a), (old, n, a), old, n, a)  \
    CHANGED(mi_new_realloc, REALLOC, (void *old, size_t n), (old, n), old, n, 0)                   \
    CHANGED(mi_new_reallocn, REALLOC, (void *old, size_t k, size_t n), (old, k, n), old,           \
            hook_product(k, n), 0)                                                                 \
    ENDED(mi_free, FREE, (void *p), (p))                                                           \
    ENDED(mi_cfree, FREE, (void *p), (p))                                                          \
    ENDED(mi_free_size, FREE_SIZED, (void *p, size_t n), (p, n))                                   \
    ENDED(mi_free_aligned, FREE, (void *p, size_t a), (p, a))                                      \
    ENDED(mi_free_size_aligned, FREE_SIZED, (void *p, size_t n, size_t a), (p, n, a))              \
    UNHOOKED(mi_heap_malloc)                                                                       \
    UNHOOKED(mi_heap_malloc_small)                                                                 \
    UNHOOKED(mi_heap_mallocn)                                                                      \
    UNHOOKED(mi_heap_zalloc)                                                                       \
    UNHOOKED(mi_heap_calloc)                                                                       \
    UNHOOKED(mi_heap_realloc)                                                                      \
    UNHOOKED(mi_heap_malloc_aligned)                                                               \
    UNHOOKED(mi_heap_zalloc_aligned)                                                               \
    UNHOOKED(mi_heap_strdup)                                                                       \
    UNHOOKED(mi_heap_alloc_new)

/* ------------------------------------------------------------------ the hooks */

/* NOLINTBEGIN(bugprone-macro-parentheses): `parameters` are a list in parentheses */
#define MADE(function, call, parameters, arguments, bytes, alignment)                              \
    static void *(*real_##function)parameters;                                                     \
    DIRECT_HOOK void *hook_##function parameters                                                   \
    {                                                                                              \
        struct rec_context at = REC_CONTEXT_HERE;                                                  \
        struct rec_allocation found;                                                               \
        bool outer = rec_pending_open(SEEP_CALL_##call, bytes, alignment, at, &found);             \
        void *made = real_##function arguments;                                                    \
        if (outer && !rec_pending_close(&found))                                                   \
            hook_allocated(SEEP_CALL_##call, made, bytes, alignment, at);                          \
        return made;                                                                               \
    }
#define CHANGED(function, call, parameters, arguments, old, bytes, alignment)                      \
    static void *(*real_##function)parameters;                                                     \
    DIRECT_HOOK void *hook_##function parameters                                                   \
    {                                                                                              \
        struct rec_context at = REC_CONTEXT_HERE;                                                  \
        struct hook_change change = hook_reallocates(at);                                          \
        void *made = real_##function arguments;                                                    \
        hook_reallocated(SEEP_CALL_##call, old, made, bytes, alignment, change, at);               \
        return made;                                                                               \
    }
#define ENDED(function, call, parameters, arguments)                                               \
    static void(*real_##function) parameters;                                                      \
    DIRECT_HOOK void hook_##function parameters                                                    \
    {                                                                                              \
        if (p)                                                                                     \
            hook_freed(SEEP_CALL_##call, p, REC_CONTEXT_HERE);                                     \
        real_##function arguments;                                                                 \
    }
#define UNHOOKED(function)                                                                         \
    enum { hook_##function };                                                                      \
    static void *real_##function;
/* NOLINTEND(bugprone-macro-parentheses) */
JEMALLOC_FUNCTIONS
TCMALLOC_FUNCTIONS
MIMALLOC_FUNCTIONS
#undef MADE
#undef CHANGED
#undef ENDED
#undef UNHOOKED

/* What it returns is the block's usable size, at least `n` if it could be changed in place. */
static size_t (*real_xallocx)(void *p, size_t n, size_t extra, int flags);
DIRECT_HOOK size_t hook_xallocx(void *p, size_t n, size_t extra, int flags)
{
    struct rec_context at = REC_CONTEXT_HERE;
    struct hook_change change = hook_reallocates(at);
    size_t usable = real_xallocx(p, n, extra, flags);
    if (usable < n)
        hook_reallocated(SEEP_CALL_XALLOCX, p, NULL, n, 0, change, at);
    else
        hook_reallocated(SEEP_CALL_XALLOCX, p, p, usable - n < extra ? usable : n + extra, 0,
                         change, at);
    return usable;
}

static inline int aligned_into(int (*real)(void **, size_t, size_t), void **out, size_t alignment,
                               size_t bytes, struct rec_context at)
{
    int error = real(out, alignment, bytes);
    hook_allocated(SEEP_CALL_POSIX_MEMALIGN, error ? NULL : *out, bytes, alignment, at);
    return error;
}

static int (*real_tc_posix_memalign)(void **, size_t, size_t);
DIRECT_HOOK int hook_tc_posix_memalign(void **out, size_t alignment, size_t bytes)
{
    return aligned_into(real_tc_posix_memalign, out, alignment, bytes, REC_CONTEXT_HERE);
}

static int (*real_mi_posix_memalign)(void **, size_t, size_t);
DIRECT_HOOK int hook_mi_posix_memalign(void **out, size_t alignment, size_t bytes)
{
    return aligned_into(real_mi_posix_memalign, out, alignment, bytes, REC_CONTEXT_HERE);
}

/* Where it cannot be resized the block is gone. */
static void *(*real_mi_reallocf)(void *, size_t);
DIRECT_HOOK void *hook_mi_reallocf(void *old, size_t bytes)
{
    struct rec_context at = REC_CONTEXT_HERE;
    struct hook_change change = hook_reallocates(at);
    void *made = real_mi_reallocf(old, bytes);
    hook_reallocated(SEEP_CALL_REALLOC, old, made, made || old == NULL ? bytes : 0, 0, change, at);
    return made;
}

/* ------------------------------------------------------------------ finding them */

#define ROW(function)                                                                              \
    {                                                                                              \
#function, (uintptr_t)hook_##function, (void *)&real_##function                            \
    }
#define MADE(function, ...) ROW(function),
#define CHANGED(function, ...) ROW(function),
#define ENDED(function, ...) ROW(function),
#define UNHOOKED(function) ROW(function),
static const struct {
    const char name[32];
    uintptr_t hook; /* 0: none */
    void *real;     /* where the function itself is kept */
} table[] = {JEMALLOC_FUNCTIONS TCMALLOC_FUNCTIONS MIMALLOC_FUNCTIONS ROW(xallocx),
             ROW(tc_posix_memalign), ROW(mi_posix_memalign), ROW(mi_reallocf)};
#define ROWS (sizeof table / sizeof table[0])

static bool present;

void rec_direct_resolve(const void *real_malloc)
{
    static const char *const anchors[] = {"mallocx", "tc_malloc", "mi_malloc"};
    for (size_t i = 0; i < sizeof anchors / sizeof anchors[0]; i++)
        present |= rec_real_same_file(dlsym(RTLD_NEXT, anchors[i]), real_malloc);
    for (size_t i = 0; present && i < ROWS; i++) {
        void *found = dlsym(RTLD_NEXT, table[i].name);
        if (rec_real_same_file(found, real_malloc))
            *(void **)table[i].real = found;
    }
}

bool rec_direct_present(void)
{
    return present;
}

uintptr_t rec_direct_hook(const char *name, uintptr_t *real)
{
    *real = 0;
    /* most names are told by their first letters */
    if (!text_starts(name, "mi_") && !text_starts(name, "tc_") && !text_ends(name, "allocx"))
        return 0;
    for (size_t i = 0; i < ROWS; i++) {
        if (!text_equal(table[i].name, name))
            continue;
        *real = *(uintptr_t *)table[i].real;
        return table[i].hook;
    }
    return 0;
}
