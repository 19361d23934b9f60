/* SPDX-License-Identifier: MIT */
static void *volatile place;

static inline void allocate_at(unsigned bytes)
{
    for (int i = 0; i < 10; i++) {
        place = malloc(bytes);
        if (i % 2)
            free(place);
    }
}
