/* SPDX-License-Identifier: MIT
 * For opener.c. */
#include <stdlib.h>
#include <string.h>

int work(void)
{
    static char *kept[100];
    int whole = 0;
    for (int i = 0; i < 100; i++)
        kept[i] = memset(malloc(777), i, 777);
    for (int i = 0; i < 100; i++)
        whole += kept[i][0] == (char)i && kept[i][776] == (char)i;
    for (int i = 0; i < 50; i++)
        free(kept[i]);
    return whole;
}
