/* SPDX-License-Identifier: MIT
 *
 * Loads a library, lets it allocate, unloads it, and does the same with another one that comes to
 * stand in its place; a few times. Prints "same" if it always did. Arguments: the two libraries.
 * truth: 7 blocks of 1000 bytes from first_allocates, 7 of 2000 from second_allocate */
#include <dlfcn.h>
#include <stdio.h>

static void *use(const char *library, const char *function)
{
    void *handle = dlopen(library, RTLD_NOW);
    void (*allocate)(void) = (void (*)(void))dlsym(handle, function);
    allocate();
    dlclose(handle);
    return (void *)allocate;
}

int main(int argc, char **argv)
{
    int same = argc == 3;
    for (int i = 0; i < 7; i++)
        same &= use(argv[1], "allocates") == use(argv[2], "allocates");
    puts(same ? "same" : "elsewhere");
    return 0;
}
