/* SPDX-License-Identifier: MIT
 *
 * System calls of the recorder, made directly: no errno, no cancellation point, nothing a program
 * could have interposed. Results are the kernel's: negative errno on failure. */
#ifndef REC_SYS_H
#define REC_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#if !defined(__x86_64__)
#error "seep's recorder supports x86-64 only for now"
#endif

static inline long sys_call6(long n, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define SYS_CALL_PICK(a, b, c, d, e, f, g, name, ...) name
#define SYS_CALL0(n) sys_call6(n, 0, 0, 0, 0, 0, 0)
#define SYS_CALL1(n, a) sys_call6(n, (long)(a), 0, 0, 0, 0, 0)
#define SYS_CALL2(n, a, b) sys_call6(n, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS_CALL3(n, a, b, c) sys_call6(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS_CALL4(n, a, b, c, d) sys_call6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS_CALL5(n, a, b, c, d, e)                                                                \
    sys_call6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define SYS_CALL6(n, a, b, c, d, e, f)                                                             \
    sys_call6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* sys_call(number, arguments...) */
#define sys_call(...)                                                                              \
    SYS_CALL_PICK(__VA_ARGS__, SYS_CALL6, SYS_CALL5, SYS_CALL4, SYS_CALL3, SYS_CALL2, SYS_CALL1,   \
                  SYS_CALL0)                                                                       \
    (__VA_ARGS__)

static inline int sys_failed(long result)
{
    return result < 0 && result > -4096;
}

/* Private anonymous memory, zeroed; NULL on failure. A forked child finds it at the same place and
 * zeroed again: a hook that was interrupted by a handler that forked goes on there. */
void *sys_memory(size_t bytes);
/* The same, but a forked child finds what was in it. */
void *sys_memory_kept(size_t bytes);
/* Puts such memory, zeroed, at an address, in place of whatever may be there. */
void sys_memory_blank(void *at, size_t bytes);
void sys_memory_free(void *p, size_t bytes);
/* Asks the kernel for the pages of such memory now, as far as it can (since Linux 5.14). */
void sys_populate(void *p, size_t bytes);

/* The memory that was so taken, one range after the other: from *position, 0 at first. False past
 * the last. What is taken or freed meanwhile may be told or not. */
bool sys_memory_next(size_t *position, uintptr_t *start, uintptr_t *end);

/* Changes whenever that does. */
size_t sys_memory_version(void);

/* Blocks all signals of the calling thread; give the result back to sys_signals_restore(). */
uint64_t sys_signals_block(void);
void sys_signals_restore(uint64_t mask);

/* Whether the aligned eight bytes around `p` can be read, without reading them. For addresses that
 * come from data; a mapping that another thread removes a moment later is the caller's matter. */
bool sys_readable(const void *p);

#endif
