/* SPDX-License-Identifier: MIT
 * Opened and closed again and again by soak.cpp: allocates in its own code. */
#include <stdlib.h>

void *library_allocate(size_t bytes);

void *library_allocate(size_t bytes)
{
    return malloc(bytes);
}
