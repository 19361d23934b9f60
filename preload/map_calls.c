/* SPDX-License-Identifier: MIT */
#include "map_calls.h"

#include "beside.h"
#include "hook.h"
#include "modules.h"
#include "real.h"
#include "recorder.h"
#include "seep/trace_codec.h"
#include "space.h"
#include "sys.h"
#include "thread.h"

#include <errno.h>
#include <linux/mman.h>

#define PAYLOAD_MAX (7 * SEEP_VARINT_MAX)
#define FAILED ((void *)-1)

/* By their names as the library has them: headers may give one function the other's. */
HOOK void *map(void *address, size_t bytes, int protection, int flags, int fd,
               off_t offset) __asm__("mmap");
HOOK void *map64(void *address, size_t bytes, int protection, int flags, int fd,
                 off_t offset) __asm__("mmap64") __attribute__((alias("mmap")));
HOOK int unmap(void *address, size_t bytes) __asm__("munmap");
HOOK void *remap(void *old, size_t old_bytes, size_t bytes, int flags,
                 void *address) __asm__("mremap");

static struct rec_module allocator;

void rec_map_calls_init(void)
{
    if (!rec_modules_find((uintptr_t)rec_real.malloc, &allocator))
        allocator = (struct rec_module){0};
}

static bool by_allocator(uintptr_t pc)
{
    return pc - allocator.start < allocator.end - allocator.start;
}

/* The calling thread's state, if its call is to be told. A process is not recorded for this alone;
 * and an allocator may hold locks that the making of a state would want, too. */
static struct rec_thread *teller(uintptr_t pc)
{
    if (*rec_alive != REC_ALIVE)
        return NULL;
    if (rec_thread_current || by_allocator(pc))
        return rec_thread_current;
    return rec_beside_thread();
}

struct call {
    struct rec_thread *thread; /* NULL: it is not told */
    struct rec_beside row;
    uintptr_t pc; /* where it returns to */
    bool by_allocator;
};

static void begin(struct call *c, uintptr_t pc)
{
    c->thread = teller(pc);
    c->pc = pc;
    c->by_allocator = by_allocator(pc);
    if (c->thread && !rec_beside_begin(&c->row, c->thread))
        c->thread = NULL;
}

static void end(const struct call *c, enum seep_map_call kind, const void *address, size_t bytes,
                uint64_t third, uint64_t fourth, bool worked)
{
    uint8_t payload[PAYLOAD_MAX];
    uint8_t *p = seep_put_varint(payload, kind);
    if (c->thread == NULL)
        return;
    p = seep_put_varint(p, c->by_allocator);
    p = seep_put_varint(p, (uintptr_t)address);
    p = seep_put_varint(p, bytes);
    if (kind != SEEP_MAP_MUNMAP) {
        p = seep_put_varint(p, third);
        p = seep_put_varint(p, fourth);
    }
    p = seep_put_varint(p, c->pc);
    rec_beside_end(&c->row, SEEP_BESIDE_MAP_CALL, worked ? payload : NULL, (size_t)(p - payload));
    if (!c->by_allocator && rec_space_is_short() && !rec_space_drops())
        rec_space_wait();
}

static long or_errno(long result)
{
    if (!sys_failed(result))
        return result;
    errno = (int)-result;
    return -1;
}

static bool is_told(int protection, int flags)
{
    return (protection & PROT_WRITE) || ((flags & MAP_ANONYMOUS) && (flags & MAP_PRIVATE));
}

void *map(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    void *p =
        rec_real.mmap
            ? rec_real.mmap(address, bytes, protection, flags, fd, offset)
            : (void *)or_errno(sys_call(SYS_mmap, address, bytes, protection, flags, fd, offset));
    if (p == FAILED || !is_told(protection, flags))
        return p;
    struct call c;
    begin(&c, (uintptr_t)__builtin_return_address(0));
    end(&c, SEEP_MAP_MMAP, p, bytes, (uint64_t)protection, (uint64_t)flags, true);
    return p;
}

/* Told as of before the call: another thread may be given the place before it returns. */
int unmap(void *address, size_t bytes)
{
    struct call c;
    begin(&c, (uintptr_t)__builtin_return_address(0));
    int result = rec_real.munmap ? rec_real.munmap(address, bytes)
                                 : (int)or_errno(sys_call(SYS_munmap, address, bytes));
    end(&c, SEEP_MAP_MUNMAP, address, bytes, 0, 0, result == 0);
    return result;
}

/* Variadic in libc; its callers put the last argument where this one is. */
void *remap(void *old, size_t old_bytes, size_t bytes, int flags, void *address)
{
    struct call c;
    begin(&c, (uintptr_t)__builtin_return_address(0));
    void *p = rec_real.mremap
                  ? rec_real.mremap(old, old_bytes, bytes, flags, address)
                  : (void *)or_errno(sys_call(SYS_mremap, old, old_bytes, bytes, flags, address));
    end(&c, SEEP_MAP_MREMAP, old, old_bytes, (uintptr_t)p, bytes, p != FAILED);
    return p;
}
