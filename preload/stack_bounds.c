/* SPDX-License-Identifier: MIT */
#include "stack_bounds.h"

#include "sys.h"

#define PAGE 4096u
/* A single frame larger than this ends the walk: it is nearly always a rule that went wrong. */
#define REACH_MAX_BYTES (64u << 20)
#define DEEPEN_MAX_BYTES (1u << 20)

static bool readable(uintptr_t low, uintptr_t high)
{
    for (uintptr_t p = low; p < high; p += PAGE)
        if (!sys_readable((const void *)p))
            return false;
    return true;
}

__attribute__((noinline, cold)) void rec_stack_bounds_enter(struct rec_stack_bounds *b,
                                                            uintptr_t sp)
{
    uintptr_t page = sp & ~(uintptr_t)(PAGE - 1);
    if (sp < b->low && b->low - page <= DEEPEN_MAX_BYTES && readable(page, b->low)) {
        b->low = page;
        return;
    }
    b->low = page;
    b->high = readable(page, page + PAGE) ? page + PAGE : page;
}

__attribute__((noinline, cold)) bool rec_stack_bounds_reach(struct rec_stack_bounds *b,
                                                            uintptr_t address)
{
    if (address < b->low || address > UINTPTR_MAX - 2 * PAGE || address + 8 <= b->high)
        return address >= b->low && address + 8 <= b->high;
    if (address - b->high > REACH_MAX_BYTES)
        return false;
    while (b->high < address + 8) {
        if (!sys_readable((const void *)b->high))
            return false;
        b->high += PAGE;
    }
    return true;
}
