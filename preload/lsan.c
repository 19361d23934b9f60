/* SPDX-License-Identifier: MIT */
#include "lsan.h"

#include "beside.h"
#include "glibc.h"
#include "graph.h"
#include "hook.h"
#include "lock.h"
#include "seep/trace_codec.h"
#include "sys.h"
#include "thread.h"

/* ------------------------------------------------------------------ rows */

/* What the calling thread has disabled and not enabled again. */
static __thread unsigned disabled;

static void put_row(enum seep_beside kind, uint64_t first, uint64_t second, bool has_thread)
{
    struct rec_thread *t = rec_beside_thread();
    struct rec_beside row;
    if (t == NULL)
        return;
    uint8_t payload[2 * SEEP_VARINT_MAX];
    uint8_t *p = seep_put_varint(payload, has_thread ? t->number : first);
    if (has_thread)
        p = seep_put_varint(p, second);
    if (rec_beside_begin(&row, t))
        rec_beside_end(&row, kind, payload, (size_t)(p - payload));
}

/* ------------------------------------------------------------------ root regions */

#define ROOTS_MAX 4096

static struct rec_lock lock;
static struct {
    uintptr_t start;
    size_t bytes; /* 0: free */
} roots[ROOTS_MAX];
static size_t roots_end; /* none is used from here on */

static void change_root(uintptr_t start, size_t bytes, uintptr_t new_start, size_t new_bytes)
{
    uint64_t mask = rec_lock(&lock);
    size_t i = 0;
    while (i < roots_end && (roots[i].start != start || roots[i].bytes != bytes))
        i++;
    if (i == roots_end && bytes == 0 && i < ROOTS_MAX)
        roots_end++; /* none is free among those */
    if (i < roots_end) {
        roots[i].start = new_start;
        roots[i].bytes = new_bytes;
    }
    rec_unlock(&lock, mask);
}

bool rec_lsan_next_root(size_t *position, uintptr_t *start, uintptr_t *end)
{
    while (*position < roots_end) {
        size_t i = (*position)++;
        *start = roots[i].start;
        *end = *start + roots[i].bytes;
        if (*end > *start)
            return true;
    }
    return false;
}

/* In a forked child: the thread that held it may be gone. */
void rec_lsan_init(void)
{
    rec_lock_reset(&lock);
}

/* ------------------------------------------------------------------ the interface
 *
 * Where a sanitizer's runtime is there too, behind us, it is what the program means. */

#define INTERFACE(type, name, parameters)                                                          \
    HOOK type name parameters;                                                                     \
    HOOK type name parameters

static void *sanitizers(const char *name)
{
    return rec_real_refusal() && is_glibc() ? dlsym(RTLD_NEXT, name) : NULL;
}

INTERFACE(void, __lsan_ignore_object, (const void *p))
{
    void (*real)(const void *) = (void (*)(const void *))sanitizers("__lsan_ignore_object");
    if (real)
        real(p);
    else if (p)
        put_row(SEEP_BESIDE_IGNORE, (uintptr_t)p, 0, false);
}

INTERFACE(void, __lsan_disable, (void))
{
    void (*real)(void) = (void (*)(void))sanitizers("__lsan_disable");
    if (real)
        real();
    else if (disabled++ == 0)
        put_row(SEEP_BESIDE_IGNORE_THREAD, 0, 1, true);
}

INTERFACE(void, __lsan_enable, (void))
{
    void (*real)(void) = (void (*)(void))sanitizers("__lsan_enable");
    if (real)
        real();
    else if (disabled && --disabled == 0)
        put_row(SEEP_BESIDE_IGNORE_THREAD, 0, 0, true);
}

INTERFACE(void, __lsan_register_root_region, (const void *p, size_t bytes))
{
    void (*real)(const void *, size_t) =
        (void (*)(const void *, size_t))sanitizers("__lsan_register_root_region");
    if (real)
        real(p, bytes);
    else if (bytes)
        change_root(0, 0, (uintptr_t)p, bytes);
}

INTERFACE(void, __lsan_unregister_root_region, (const void *p, size_t bytes))
{
    void (*real)(const void *, size_t) =
        (void (*)(const void *, size_t))sanitizers("__lsan_unregister_root_region");
    if (real)
        real(p, bytes);
    else if (bytes)
        change_root((uintptr_t)p, bytes, 0, 0);
}

/* What is found is told later, by the analyser: the program goes on as if there were no leak. */
INTERFACE(void, __lsan_do_leak_check, (void))
{
    void (*real)(void) = (void (*)(void))sanitizers("__lsan_do_leak_check");
    if (real)
        real();
    else
        rec_graph_take(SEEP_GRAPH_AT_CALL);
}

INTERFACE(int, __lsan_do_recoverable_leak_check, (void))
{
    int (*real)(void) = (int (*)(void))sanitizers("__lsan_do_recoverable_leak_check");
    if (real)
        return real();
    rec_graph_take(SEEP_GRAPH_AT_CALL);
    return 0;
}
