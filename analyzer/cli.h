/* SPDX-License-Identifier: MIT
 *
 * The command line: one table row per subcommand, one per option; parsing, `--help`, the check of
 * the manual pages and shell completion derive from them.
 *
 * How to add a subcommand: write analyzer/cmd/NAME.c, which defines
 * `const struct cli_command cmd_NAME`, add it to the list in analyzer/cmd/commands.c and to
 * analyzer/meson.build, and describe it in docs/man/seep-NAME.1.
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses of seep itself; `seep run` adds the program's own. See docs/man/seep.1. */
enum cli_status {
    CLI_OK = 0,
    CLI_FAILED = 2,        /* usage, or input that cannot be read */
    CLI_INCOMPLETE = 3,    /* a gate could not be judged */
    CLI_FOUND = 23,        /* a gate found what it looks for */
    CLI_RUN_FAILED = 125,  /* seep run: own failure */
    CLI_RUN_REFUSED = 126, /* seep run: not executable, static, set-user-ID */
    CLI_RUN_NOT_FOUND = 127,
    CLI_SIGNAL_BASE = 128,
};

struct cli_option {
    const char *name;  /* long name without dashes; "": `help` is a heading in --help */
    char letter;       /* short name, or 0 */
    const char *value; /* NULL: a flag; "A|B|C": one of these, which is checked; else what the
                          value is called in help: "FILE", "N" */
    const char *help;  /* one sentence; "" hides the option from help */
};

struct cli_given;

struct cli {
    const struct cli_command *command;
    struct cli_given *given; /* options in the order given; see cli_value() */
    size_t given_count;
    char **arguments; /* what is left, NULL-ended */
    int argument_count;
    int before_dashes; /* how many of them stand before "--"; -1: there was none */
};

struct cli_command {
    const char *name;
    const char *summary;                     /* one line for the list of commands */
    const char *arguments;                   /* "TRACE", "[--] PROGRAM [ARGUMENT...]" */
    const char *description;                 /* a paragraph or two for --help */
    const struct cli_option *const *options; /* NULL-ended list of NULL-named-ended tables, so that
                                                commands share the tables of filters and formats */
    bool stop_at_argument;                   /* options end at the first argument (seep run) */
    int failure;                             /* status of a usage error; CLI_FAILED for most */
    int (*run)(struct cli *cli);             /* returns the exit status; prints its own errors */
};

extern const struct cli_command *const cli_commands[]; /* NULL-ended; cmd/commands.c */

/* The option's value: NULL if not given; a flag's is "". The last one given wins. */
const char *cli_value(const struct cli *cli, const char *name);
bool cli_flag(const struct cli *cli, const char *name);
/* Every value of an option that may be repeated, one after the other from `*position` (0 at the
 * start); NULL past the last. */
const char *cli_next_value(const struct cli *cli, const char *name, size_t *position);

/* The option of the command with this name, or NULL. `position` walks over all of them, headings
 * included: 0 at the start, NULL past the last. */
const struct cli_option *cli_option(const struct cli_command *command, const char *name);
const struct cli_option *cli_option_at(const struct cli_command *command, size_t position);
const struct cli_command *cli_command(const char *name);

/* Numbers, sizes ("4k", "1.5M", "2GiB"), durations ("250ms", "3s"); false if `text` is not one. */
bool cli_parse_count(const char *text, uint64_t *out);
bool cli_parse_bytes(const char *text, uint64_t *out);
bool cli_parse_ns(const char *text, uint64_t *out);

/* Prints "seep COMMAND: message" on standard error. */
void cli_error(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for a command line that makes no sense: points to --help as well. Returns the status to
 * leave with. */
int cli_usage_error(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The usage error for a command that is none, with the one that may have been meant. */
int cli_unknown_command(const struct cli *cli, const char *name);

/* What --help prints: of seep as a whole, or of one command. */
void cli_help(FILE *out, const struct cli_command *command);

/* The one of `names` (NULL-ended) that `word` was probably meant to be, or NULL. */
const char *cli_guess(const char *word, const char *const *names);

/* Parses and runs; main() returns what it returns. */
int cli_main(int argc, char **argv);

#endif
