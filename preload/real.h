/* SPDX-License-Identifier: MIT
 *
 * The functions that our hooks stand in front of: those a program without us would have called.
 *
 * They are looked up at the first call of any hook, which may be before any constructor has run,
 * before we are relocated, or from within the look-up itself. Such calls are served from a small
 * arena of our own whose blocks are never reused. */
#ifndef REC_REAL_H
#define REC_REAL_H

#include "hidden.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rec_real {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*reallocarray)(void *, size_t, size_t);
    void (*free)(void *);
    void *(*memalign)(size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    size_t (*usable_size)(void *);
    int (*prctl)(int, ...);
    pid_t (*fork)(void);
    pid_t (*plain_fork)(void); /* _Fork() */
    void *(*mmap)(void *, size_t, int, int, int, off_t);
    int (*munmap)(void *, size_t);
    void *(*mremap)(void *, size_t, size_t, int, void *);
    void (*exit_now)(int); /* _exit() */
    /* Of glibc, for itself and its debugger interface; NULL where there is none. */
    void (*static_tls)(size_t *bytes, size_t *alignment);
    const uint32_t *thread_bytes; /* size of what stands behind a thread's control block */
    bool nests; /* an allocator we do not know: its functions may call each other by public names */
    bool chunks; /* blocks are glibc's: their chunk's size stands before them */
};

extern struct rec_real rec_real REC_HIDDEN;
extern void *rec_real_syscall;
/* by itself: it is called from assembly */ /* malloc is NULL until resolved */

/* Looks everything up. False: not now (not relocated yet, or called from within the look-up); then
 * the early functions serve the call. */
bool rec_real_resolve(void);

/* In a forked child: a look-up that another thread of the parent was at is begun anew. */
void rec_real_forked(void);

#define REC_EARLY_BYTES (1u << 20)
extern uint8_t rec_early[REC_EARLY_BYTES] REC_HIDDEN;
/* To be called by our constructor, which runs behind those of the program's libraries. A
 * sanitizer's runtime dies of calls to its malloc while it sets itself up: until now they were
 * served early. */
void rec_real_constructed(void);

void *rec_early_alloc(size_t alignment, size_t bytes);
static inline bool rec_is_early(const void *p)
{
    return (uintptr_t)p - (uintptr_t)rec_early < REC_EARLY_BYTES;
}
size_t rec_early_size(const void *p);
/* Bytes of the arena that have been handed out. */
size_t rec_early_used(void);

/* True when the real functions may be called. */
static inline bool rec_real_ready(void)
{
    return __builtin_expect(rec_real.malloc != NULL, 1) || rec_real_resolve();
}

/* Which library serves malloc. Texts are "" where unknown. */
struct rec_allocator {
    char name[16];
    char version[64];
    char path[256];
};
const struct rec_allocator *rec_real_allocator(void);

/* True if both functions lie in one file. */
bool rec_real_same_file(const void *one, const void *other);

/* The part of the look-up that is C++'s; hooks_cxx.c. */
void rec_cxx_resolve(const void *real_free);

/* Why the program cannot be recorded, found while looking up (a sanitizer, say); NULL if it can. */
const char *rec_real_refusal(void);

#endif
