/* SPDX-License-Identifier: MIT */
#ifndef SEEP_UTIL_BISECT_H
#define SEEP_UTIL_BISECT_H

#include <stddef.h>

/* The first index for which `before` does not hold, or `count`. `before` is an expression of the
 * index `i` that holds up to some place in the array and nowhere behind it. */
#define BISECT(i, count, before)                                                                   \
    ({                                                                                             \
        size_t low_ = 0, high_ = (count);                                                          \
        while (low_ < high_) {                                                                     \
            size_t i = low_ + (high_ - low_) / 2;                                                  \
            if (before)                                                                            \
                low_ = (i) + 1;                                                                    \
            else                                                                                   \
                high_ = (i);                                                                       \
        }                                                                                          \
        low_;                                                                                      \
    })

#endif
