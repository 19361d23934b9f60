/* SPDX-License-Identifier: MIT
 *
 * The list of subcommands, in the order of `seep help`. How to add one: cli.h. */
#include "cli.h"

extern const struct cli_command cmd_help;

const struct cli_command *const cli_commands[] = {
    &cmd_help,
    NULL,
};
