/* SPDX-License-Identifier: MIT
 * The recorder's options, read once per process image. */
#ifndef REC_OPTIONS_H
#define REC_OPTIONS_H

#include "seep/recorder_options.h"

#include <stddef.h>
#include <stdint.h>

#define REC_OPTION_TEXT_MAX 4096

enum rec_option {
#define X(name, kind, fallback, help) REC_OPTION_##name,
    SEEP_RECORDER_OPTIONS(X)
#undef X
        REC_OPTION_COUNT,
};

/* Reads the options from a NUL-separated environment of `length` bytes, which must stay. */
void rec_options_read(const char *environment, size_t length);

/* The value of a TEXT option, never NULL. */
const char *rec_option_text(enum rec_option option);
/* The value of a BYTES, NUMBER or FLAG option. */
uint64_t rec_option_number(enum rec_option option);
/* "SEEP_NAME=value" differs from the default: yields name and value; false past the last. */
_Bool rec_option_changed(unsigned index, const char **name, const char **value);

#endif
