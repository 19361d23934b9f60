/* SPDX-License-Identifier: MIT
 *
 * Annotations for programs that want their phases, or the blocks of pools of their own, to show in
 * a recording. Include it and call; nothing is to be linked. Without the recorder loaded a call is
 * one comparison with NULL.
 */
#ifndef SEEP_SEEP_H
#define SEEP_SEEP_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Defined by the recorder. Weak: NULL when the program runs without it. */
__attribute__((weak)) void seep_recorder_mark(const char *name);
__attribute__((weak)) void seep_recorder_snapshot(void);
__attribute__((weak)) void seep_recorder_memory(void);
__attribute__((weak)) void seep_recorder_pool_allocated(const void *p, size_t bytes);
__attribute__((weak)) void seep_recorder_pool_freed(const void *p);
__attribute__((weak)) void seep_recorder_pool_moved(const void *old, const void *p, size_t bytes);

/* Puts a mark named `name` (at most 255 bytes are kept; the text is copied) into the recording at
 * this moment, for `seep info` and for time filters: `seep leaks --from=NAME --to=NAME`. */
static inline void seep_mark(const char *name)
{
    if (seep_recorder_mark)
        seep_recorder_mark(name);
}

/* Takes a snapshot of the heap graph at this moment, for `seep leaks` to tell what of the heap can
 * still be reached then. The program stands while its memory is forked, some 0.2 s a GiB; the rest
 * is done beside it. */
static inline void seep_snapshot(void)
{
    if (seep_recorder_snapshot)
        seep_recorder_snapshot();
}

/* Takes a picture of the memory at this moment, for `seep frag`: which pages are resident, and
 * whose they are. Such pictures are taken now and then anyway; this one is of this very place in
 * the program. It takes some 10 ms a GiB. */
static inline void seep_memory(void)
{
    if (seep_recorder_memory)
        seep_recorder_memory();
}

/* Pools: arenas, slabs, free lists that hand out parts of larger blocks. Recorded with the stack
 * and the thread of the call, and shown by `seep leaks --pool`. The totals of the heap do not count
 * them: they lie within blocks of malloc, or of mmap, that are told of by themselves.
 *
 * A call belongs where no other thread can have the block yet, or any more: allocated once the pool
 * has taken the block out, freed before it is put back, moved between the two.
 *
 * Blocks of a pool live until the pool says otherwise, not until the memory they lie in is given
 * back: tell of the end of each before you free a chunk or reset an arena. A block that is handed
 * out where one still lives ends that one. An end without a beginning counts among the unknown
 * frees of `seep info`. NULL is no block: nothing is recorded. */

/* The pool hands out `bytes` bytes at `p`; as many as were asked for, where it rounds. */
static inline void seep_pool_allocated(const void *p, size_t bytes)
{
    if (seep_recorder_pool_allocated)
        seep_recorder_pool_allocated(p, bytes);
}

/* The block at `p` goes back to its pool. */
static inline void seep_pool_freed(const void *p)
{
    if (seep_recorder_pool_freed)
        seep_recorder_pool_freed(p);
}

/* The block at `old` is now one of `bytes` bytes at `p`, which may be the same place. With `old`
 * NULL it is a new one; with `p` NULL nothing has changed. */
static inline void seep_pool_moved(const void *old, const void *p, size_t bytes)
{
    if (seep_recorder_pool_moved)
        seep_recorder_pool_moved(old, p, bytes);
}

#ifdef __cplusplus
}
#endif

#endif
