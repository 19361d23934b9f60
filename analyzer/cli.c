/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "util/mem.h"
#include "util/quantity.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct cli_given {
    const struct cli_option *option;
    const char *value; /* "" for a flag */
};

/* Every command has it, without a row in its table. */
static const struct cli_option help_option = {"help", 'h', NULL, ""};

/* ------------------------------------------------------------------ tables */

const struct cli_option *cli_option_at(const struct cli_command *command, size_t position)
{
    if (!command->options)
        return NULL;
    for (const struct cli_option *const *table = command->options; *table; table++)
        for (const struct cli_option *option = *table; option->name; option++)
            if (position-- == 0)
                return option;
    return NULL;
}

const struct cli_option *cli_option(const struct cli_command *command, const char *name)
{
    const struct cli_option *option;
    for (size_t i = 0; (option = cli_option_at(command, i)); i++)
        if (option->name[0] && strcmp(option->name, name) == 0)
            return option;
    return strcmp(name, help_option.name) == 0 ? &help_option : NULL;
}

static const struct cli_option *option_by_letter(const struct cli_command *command, char letter)
{
    const struct cli_option *option;
    for (size_t i = 0; (option = cli_option_at(command, i)); i++)
        if (option->letter == letter)
            return option;
    return letter == help_option.letter ? &help_option : NULL;
}

const struct cli_command *cli_command(const char *name)
{
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

/* ------------------------------------------------------------------ what was given */

const char *cli_value(const struct cli *cli, const char *name)
{
    for (size_t i = cli->given_count; i > 0; i--)
        if (strcmp(cli->given[i - 1].option->name, name) == 0)
            return cli->given[i - 1].value;
    return NULL;
}

bool cli_flag(const struct cli *cli, const char *name)
{
    return cli_value(cli, name) != NULL;
}

const char *cli_next_value(const struct cli *cli, const char *name, size_t *position)
{
    while (*position < cli->given_count) {
        const struct cli_given *given = &cli->given[(*position)++];
        if (strcmp(given->option->name, name) == 0)
            return given->value;
    }
    return NULL;
}

bool cli_parse_count(const char *text, uint64_t *out)
{
    return quantity_count(text, out);
}

bool cli_parse_bytes(const char *text, uint64_t *out)
{
    return quantity_bytes(text, out);
}

bool cli_parse_ns(const char *text, uint64_t *out)
{
    return quantity_ns(text, out);
}

/* ------------------------------------------------------------------ messages */

static void print_error(const struct cli_command *command, const char *format, va_list args)
{
    fflush(stdout);
    fprintf(stderr, "seep%s%s: ", command ? " " : "", command ? command->name : "");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void cli_error(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_error(cli->command, format, args);
    va_end(args);
}

int cli_usage_error(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_error(cli->command, format, args);
    va_end(args);
    if (!cli->command) {
        fputs("See 'seep help'.\n", stderr);
        return CLI_FAILED;
    }
    fprintf(stderr, "See 'seep %s --help'.\n", cli->command->name);
    return cli->command->failure;
}

/* Insertions, deletions, replacements and swaps of neighbours between two words; at most `limit`
 * (words longer than 31 are never alike). */
static size_t edit_distance(const char *a, const char *b, size_t limit)
{
    size_t n = strlen(a), m = strlen(b), row[3][32];
    if (n > 31 || m > 31)
        return limit;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *before = row[(i + 2) % 3], *before_that = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before_that[j - 2] + 1 < best)
                best = before_that[j - 2] + 1;
            now[j] = best;
        }
    }
    size_t distance = row[n % 3][m];
    return distance < limit ? distance : limit;
}

const char *cli_guess(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t length = strlen(word);
    size_t least = length < 3 ? 2 : length < 6 ? 3 : 4; /* fewer mistakes than this */
    for (; *names; names++) {
        size_t distance = edit_distance(word, *names, least);
        if (length >= 3 && strncmp(word, *names, length) == 0)
            distance = 1; /* the beginning of a name */
        if (distance < least) {
            least = distance;
            best = *names;
        }
    }
    return best;
}

/* ------------------------------------------------------------------ parsing */

static int unknown_option(const struct cli *cli, const char *name, size_t length)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    size_t count = 0;
    while (cli_option_at(cli->command, count))
        count++;
    const char **names = mem_zalloc(count + 1, sizeof *names);
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (cli_option_at(cli->command, i)->help[0])
            names[used++] = cli_option_at(cli->command, i)->name;
    const char *guess = cli_guess(word, names);
    free(names);
    if (guess)
        return cli_usage_error(cli, "there is no option --%s; did you mean --%s?", word, guess);
    return cli_usage_error(cli, "there is no option --%s", word);
}

/* True if `value` is one of "A|B|C". */
static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);
    while (true) {
        size_t n = strcspn(choices, "|");
        if (n == length && strncmp(choices, value, n) == 0)
            return true;
        if (!choices[n])
            return false;
        choices += n + 1;
    }
}

static int take(struct cli *cli, const struct cli_option *option, const char *value)
{
    if (option->value && strchr(option->value, '|') && !is_choice(option->value, value))
        return cli_usage_error(cli, "--%s=%s: it is one of %s", option->name, value, option->value);
    cli->given = mem_resize(cli->given, cli->given_count + 1, sizeof *cli->given);
    cli->given[cli->given_count++] = (struct cli_given){option, option->value ? value : ""};
    return CLI_OK;
}

/* argv[*i] is "--name", "--name=value". */
static int parse_long(struct cli *cli, char **argv, int *i)
{
    const char *name = argv[*i] + 2;
    size_t length = strcspn(name, "=");
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)length, name);
    const struct cli_option *option = length < sizeof word ? cli_option(cli->command, word) : NULL;
    if (!option)
        return unknown_option(cli, name, length);
    if (name[length] == '=') {
        if (!option->value)
            return cli_usage_error(cli, "--%s takes no value", option->name);
        return take(cli, option, name + length + 1);
    }
    if (!option->value)
        return take(cli, option, "");
    if (!argv[*i + 1])
        return cli_usage_error(cli, "--%s needs a value: %s", option->name, option->value);
    return take(cli, option, argv[++*i]);
}

/* argv[*i] is "-x", "-xVALUE" or several flags, "-xyz". */
static int parse_short(struct cli *cli, char **argv, int *i)
{
    for (const char *letter = argv[*i] + 1; *letter; letter++) {
        const struct cli_option *option = option_by_letter(cli->command, *letter);
        if (!option)
            return cli_usage_error(cli, "there is no option -%c", *letter);
        if (option->value) {
            if (letter[1])
                return take(cli, option, letter + 1);
            if (!argv[*i + 1])
                return cli_usage_error(cli, "-%c needs a value: %s", *letter, option->value);
            return take(cli, option, argv[++*i]);
        }
        int status = take(cli, option, "");
        if (status != CLI_OK)
            return status;
    }
    return CLI_OK;
}

/* argv[0] is the command's name. Arguments keep their order and lie in a new array. */
static int parse(struct cli *cli, char **argv, int argc)
{
    cli->arguments = mem_zalloc((size_t)argc + 1, sizeof *cli->arguments);
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        int status = CLI_OK;
        if (options_end || argv[i][0] != '-' || !argv[i][1]) {
            cli->arguments[cli->argument_count++] = argv[i];
            options_end = options_end || cli->command->stop_at_argument;
        } else if (strcmp(argv[i], "--") == 0) {
            options_end = true;
            cli->before_dashes = cli->argument_count;
        } else if (argv[i][1] == '-') {
            status = parse_long(cli, argv, &i);
        } else {
            status = parse_short(cli, argv, &i);
        }
        if (status != CLI_OK)
            return status;
    }
    return CLI_OK;
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    struct cli cli = {.command = command, .before_dashes = -1};
    int status = parse(&cli, argv, argc);
    if (cli_flag(&cli, help_option.name)) {
        cli_help(stdout, command);
        status = CLI_OK;
    } else if (status == CLI_OK) {
        status = command->run(&cli);
    }
    free(cli.given);
    free(cli.arguments);
    return status;
}

int cli_unknown_command(const struct cli *cli, const char *name)
{
    size_t count = 0;
    while (cli_commands[count])
        count++;
    const char **names = mem_zalloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = cli_commands[i]->name;
    const char *guess = cli_guess(name, names);
    free(names);
    if (guess)
        return cli_usage_error(cli, "there is no command '%s'; did you mean '%s'?", name, guess);
    return cli_usage_error(cli, "there is no command '%s'", name);
}

int cli_main(int argc, char **argv)
{
    if (argc < 2) {
        cli_help(stderr, NULL);
        return CLI_FAILED;
    }
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        cli_help(stdout, NULL);
        return CLI_OK;
    }
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        printf("seep %s\n", SEEP_VERSION);
        return CLI_OK;
    }
    if (first[0] == '-') {
        struct cli none = {0};
        return cli_usage_error(&none, "there is no option %s", first);
    }
    const struct cli_command *command = cli_command(first);
    struct cli none = {0};
    return command ? run_command(command, argc - 1, argv + 1) : cli_unknown_command(&none, first);
}
