/* SPDX-License-Identifier: MIT
 *
 * What the kernel says of this process, read without a byte from malloc. */
#ifndef REPLAYER_OWN_H
#define REPLAYER_OWN_H

#include <stdbool.h>
#include <stdint.h>

/* Opens what is read later. False where /proc is not there. */
bool own_open(void);

/* Resident bytes, now. */
uint64_t own_rss_bytes(void);

/* The most resident bytes since own_reset_peak(). */
uint64_t own_peak_rss_bytes(void);
void own_reset_peak(void);

/* CLOCK_MONOTONIC */
uint64_t own_now_ns(void);

#endif
