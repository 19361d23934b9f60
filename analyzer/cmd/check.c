/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/gate.h"
#include "cmd/options.h"

static int run(struct cli *cli)
{
    if (cli->argument_count == 0)
        return cli_usage_error(cli, "which trace?");
    struct gate gate;
    int status = CLI_FAILED;
    if (gate_init(&gate, cli))
        status = gate_judge(&gate, cli, (const char *const *)cli->arguments,
                            (size_t)cli->argument_count, stdout);
    gate_release(&gate);
    return status;
}

const struct cli_command cmd_check = {
    .name = "check",
    .summary = "fail where there are leaks: a gate for test suites",
    .arguments = "TRACE...",
    .description =
        "Looks for blocks that nothing points to any more, and leaves with 23 if there are any, "
        "with 3 if that cannot be known: the recording is incomplete, or has no heap graph "
        "(recorded with `seep run --snapshot=exit`, or --check). A line for each root cause, the "
        "worst first.",
    .options = (const struct cli_option *const[]){gate_options, options_filters, options_sites,
                                                  options_symbols, options_output, NULL},
    .failure = CLI_FAILED,
    .run = run,
};
