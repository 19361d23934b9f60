/* SPDX-License-Identifier: MIT
 * A program of C that opens a C++ library (the argument) three times over, and asks in between
 * whether the loader has an error to tell: it must not, nobody made one. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    for (int i = 0; i < 3 && argc > 1; i++) {
        void *library = dlopen(argv[1], RTLD_NOW);
        if (!library)
            return 1;
        int (*work)(void) = (int (*)(void))dlsym(library, "work");
        printf("%d %s\n", work(), dlerror() ? "error" : "no error");
        dlclose(library);
    }
}
