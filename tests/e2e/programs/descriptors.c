/* SPDX-License-Identifier: MIT
 * Closes every descriptor above 2, opens the file named by the argument, and allocates enough for
 * the recorder to write several times. Prints the descriptor's number and the file's size at the
 * end: 3 and 5, as without a recorder. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc < 2)
        return 1;
    for (int fd = 3; fd < 4096; fd++)
        close(fd);
    int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 4; i < 1024; i++)
        dup2(fd, i); /* wherever a recorder may keep its own */
    for (int i = 0; i < 200000; i++) {
        void *volatile p = malloc(88);
        free(p);
    }
    if (write(fd, "mine\n", 5) != 5)
        return 1;
    printf("%d %ld\n", fd, (long)lseek(fd, 0, SEEK_END));
}
