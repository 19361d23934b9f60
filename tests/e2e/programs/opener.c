/* SPDX-License-Identifier: MIT
 * Opens a library (the second argument) as the first says: "plain", "deep" (RTLD_DEEPBIND) or
 * "apart" (dlmopen); lets it make 100 blocks of 777 bytes and free 50; prints how many are whole.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    void *library =
        strcmp(argv[1], "apart") == 0
            ? dlmopen(LM_ID_NEWLM, argv[2], RTLD_NOW)
            : dlopen(argv[2], strcmp(argv[1], "deep") == 0 ? RTLD_NOW | RTLD_DEEPBIND : RTLD_NOW);
    if (!library) {
        puts(dlerror());
        return 1;
    }
    int (*work)(void) = (int (*)(void))dlsym(library, "work");
    printf("%d whole\n", work());
    return 0;
}
