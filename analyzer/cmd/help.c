/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/completion.h"

#include <stdio.h>
#include <string.h>

static const struct cli_option own_options[] = {
    {"completion", 0, "bash", "Print a completion script for the shell."},
    {NULL},
};

static int run(struct cli *cli)
{
    const char *shell = cli_value(cli, "completion");
    if (shell) {
        if (strcmp(shell, "bash") != 0)
            return cli_usage_error(cli, "--completion=%s: only bash is known", shell);
        struct strbuf script = {0};
        completion_bash(&script);
        fputs(script.text, stdout);
        strbuf_release(&script);
        return CLI_OK;
    }
    if (cli->argument_count > 1)
        return cli_usage_error(cli, "one command at a time");
    if (cli->argument_count == 0) {
        cli_help(stdout, NULL);
        return CLI_OK;
    }
    const struct cli_command *command = cli_command(cli->arguments[0]);
    if (!command)
        return cli_unknown_command(cli, cli->arguments[0]);
    cli_help(stdout, command);
    return CLI_OK;
}

const struct cli_command cmd_help = {
    .name = "help",
    .summary = "explain a command",
    .arguments = "[COMMAND]",
    .description = "Explains a command and its options; without one, lists the commands there are.",
    .options = (const struct cli_option *const[]){own_options, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
