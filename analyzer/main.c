/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/options.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, ""); /* whether the terminal speaks UTF-8; numbers stay the C locale's */
    options_init();
    int status = cli_main(argc, argv);
    /* A full disk behind standard output must not pass for success; a closed pipe is none of our
     * business where SIGPIPE is ignored. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE)
            fprintf(stderr, "seep: cannot write standard output: %s\n", strerror(errno));
        if (status == CLI_OK)
            status = CLI_FAILED;
    }
    return status;
}
