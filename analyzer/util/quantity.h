/* SPDX-License-Identifier: MIT
 *
 * Numbers, sizes and durations as people write them. One parser for the command line, the filters
 * and the environment. */
#ifndef UTIL_QUANTITY_H
#define UTIL_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

/* All return false, leaving *out alone, where `text` is not wholly such a quantity or is too large.
 *
 *   count   digits only
 *   bytes   "4096", "4k", "1.5M", "2GiB", "10KB": k, M, G, T are powers of 1024, whatever
 *           follows, in upper or lower case
 *   ns      "250ms", "3s", "1.5m", "2h", "40us", "5ns"; a bare number is seconds */
bool quantity_count(const char *text, uint64_t *out);
bool quantity_bytes(const char *text, uint64_t *out);
bool quantity_ns(const char *text, uint64_t *out);

#endif
