/* SPDX-License-Identifier: MIT */
#include "cli.h"

static int run(struct cli *cli)
{
    if (cli->argument_count > 1)
        return cli_usage_error(cli, "one command at a time");
    const struct cli_command *command = NULL;
    if (cli->argument_count == 1) {
        command = cli_command(cli->arguments[0]);
        if (!command) {
            cli_error(cli, "there is no command '%s'", cli->arguments[0]);
            return CLI_FAILED;
        }
    }
    cli_help(stdout, command);
    return CLI_OK;
}

const struct cli_command cmd_help = {
    .name = "help",
    .summary = "explain a command",
    .arguments = "[COMMAND]",
    .description = "Explains a command and its options; without one, lists the commands there are.",
    .failure = CLI_FAILED,
    .run = run,
};
