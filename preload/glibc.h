/* SPDX-License-Identifier: MIT
 *
 * What glibc has and other C libraries have not. Weak, so that a program of another one starts with
 * us preloaded: it runs unrecorded, and is told so. */
#ifndef REC_GLIBC_H
#define REC_GLIBC_H

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <stdbool.h>

#pragma weak gnu_get_libc_version
#pragma weak dladdr1
#pragma weak _r_debug

static inline bool is_glibc(void)
{
    return gnu_get_libc_version != NULL;
}

#endif
