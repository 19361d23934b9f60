/* SPDX-License-Identifier: MIT
 *
 * Has 260 pictures of its memory taken one after the other, sleeps for 0.2 s, and has a last one
 * taken: so nearly all moments evenly spaced lie where no picture is. */
#include "seep/seep.h"

#include <unistd.h>

int main(void)
{
    for (int i = 0; i < 260; i++)
        seep_memory();
    usleep(200000);
    seep_memory();
    return 0;
}
