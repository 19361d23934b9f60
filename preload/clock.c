/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <cpuid.h>

bool rec_clock_is_tsc, rec_clock_is_off;

void rec_clock_init(void)
{
    unsigned a, b, c, d;
    /* CPUID 8000'0007h EDX bit 8: invariant TSC (AMD APM 3, Intel SDM 2A). */
    rec_clock_is_tsc = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
}

void rec_clock_stop(void)
{
    rec_clock_is_off = true;
    rec_clock_is_tsc = false;
}
