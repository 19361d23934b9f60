/* SPDX-License-Identifier: MIT
 * Sets a file size limit of 64 KiB, then allocates far more events than fit. SIGXFSZ would kill it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

int main(void)
{
    struct rlimit limit = {65536, 65536};
    setrlimit(RLIMIT_FSIZE, &limit);
    for (int i = 0; i < 300000; i++) {
        void *volatile p = malloc((size_t)i % 500);
        free(p);
    }
    puts("done");
}
