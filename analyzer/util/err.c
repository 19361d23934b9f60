/* SPDX-License-Identifier: MIT */
#include "util/err.h"

#include <stdarg.h>
#include <stdio.h>

enum seep_err err_set(struct err *e, enum seep_err code, uint64_t offset, const char *format, ...)
{
    if (e == NULL)
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
    e->offset = offset;
    return code;
}

const char *err_str(enum seep_err code)
{
    switch (code) {
    case SEEP_OK: return "success";
    case SEEP_END: return "end";
    case SEEP_ERR_IO: return "input or output error";
    case SEEP_ERR_NOT_TRACE: return "not a trace";
    case SEEP_ERR_VERSION: return "unknown format version";
    case SEEP_ERR_DAMAGED: return "damaged";
    case SEEP_ERR_EXISTS: return "exists";
    case SEEP_ERR_BUSY: return "still being written";
    case SEEP_ERR_MEMORY: return "out of memory";
    case SEEP_ERR_USAGE: return "usage error";
    case SEEP_ERR_INTERRUPTED: return "interrupted";
    }
    return "unknown error";
}
