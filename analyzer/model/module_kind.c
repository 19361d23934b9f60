/* SPDX-License-Identifier: MIT */
#include "model/module_kind.h"

#include "model/pattern.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *pattern; /* of the base name */
    enum module_kind kind;
} kinds[] = {
    {"^ld-linux", MODULE_LOADER},        {"^ld-2.", MODULE_LOADER},
    {"^ld64.so", MODULE_LOADER},         {"^ld.so", MODULE_LOADER},
    {"^libc.so.6", MODULE_LIBC},         {"^libc-2.", MODULE_LIBC},
    {"^libpthread.so", MODULE_LIBC},     {"^libpthread-2.", MODULE_LIBC},
    {"^libdl.so", MODULE_LIBC},          {"^libdl-2.", MODULE_LIBC},
    {"^libnss_", MODULE_LIBC},           {"^libresolv", MODULE_LIBC},
    {"^libstdc++.so", MODULE_LIBSTDCXX},
};

enum module_kind module_kind(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (pattern_matches(kinds[i].pattern, name))
            return kinds[i].kind;
    return MODULE_OTHER;
}
