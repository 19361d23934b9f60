/* SPDX-License-Identifier: MIT
 *
 * The list of subcommands, in the order of `seep help`. How to add one: cli.h. */
#include "cli.h"

extern const struct cli_command cmd_run, cmd_pack, cmd_cut, cmd_merge, cmd_info, cmd_leaks,
    cmd_check, cmd_heap, cmd_flame, cmd_growth, cmd_sites, cmd_report, cmd_export, cmd_diff,
    cmd_compare, cmd_dump, cmd_frag, cmd_help;

/* One a line. */
/* clang-format off */
const struct cli_command *const cli_commands[] = {
    &cmd_run,
    &cmd_pack,
    &cmd_info,
    &cmd_leaks,
    &cmd_growth,
    &cmd_sites,
    &cmd_frag,
    &cmd_flame,
    &cmd_report,
    &cmd_diff,
    &cmd_check,
    &cmd_heap,
    &cmd_compare,
    &cmd_export,
    &cmd_dump,
    &cmd_cut,
    &cmd_merge,
    &cmd_help,
    NULL,
};
/* clang-format on */
