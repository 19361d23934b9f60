/* SPDX-License-Identifier: MIT
 * 100 blocks of 48 bytes by calloc, each grown to 96 by realloc and freed. */
#include <stdlib.h>

int main(void)
{
    for (int i = 0; i < 100; i++) {
        void *volatile p = calloc(4, 12);
        p = realloc(p, 96);
        free(p);
    }
}
