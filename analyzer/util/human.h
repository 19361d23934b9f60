/* SPDX-License-Identifier: MIT
 *
 * Numbers, sizes and durations as people read them: the mirror image of quantity.h. */
#ifndef UTIL_HUMAN_H
#define UTIL_HUMAN_H

#include <stdint.h>

/* Returned by value, so that `human_bytes(n).text` can stand in an argument list. */
struct human {
    char text[32];
};

/* "1,204" */
struct human human_count(uint64_t value);
/* "0 B", "512 B", "4 KiB" (exactly), "4.2 MiB", "312 GiB": binary units, three digits at most. */
struct human human_bytes(uint64_t bytes);
/* "0 s", "850 ns", "12.3 µs", "4.1 ms", "3.41 s", "2 min 5 s", "1 h 3 min", "2 d 4 h" (UTF-8) */
struct human human_ns(uint64_t ns);
/* "0 %", "<0.1 %", "3.4 %", "71 %", "100 %". Only all of it is "100 %", only nothing "0 %". */
struct human human_percent(double percent);

#endif
