/* SPDX-License-Identifier: MIT
 * The command line, over a table of its own. */
#include "cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What the command saw, as text: "letters: top=5 keep | one two". */
static char seen[512];

static int note(struct cli *cli)
{
    static const char *const names[] = {"top", "keep", "format", "name", NULL};
    int n = snprintf(seen, sizeof seen, "%s:", cli->command->name);
    for (const char *const *name = names; *name; name++)
        if (cli_flag(cli, *name))
            n +=
                snprintf(seen + n, sizeof seen - (size_t)n, " %s=%s", *name, cli_value(cli, *name));
    n += snprintf(seen + n, sizeof seen - (size_t)n, " |");
    for (int i = 0; i < cli->argument_count; i++)
        n += snprintf(seen + n, sizeof seen - (size_t)n, " %s", cli->arguments[i]);
    assert_null(cli->arguments[cli->argument_count]);
    size_t position = 0;
    const char *value;
    while ((value = cli_next_value(cli, "name", &position)))
        n += snprintf(seen + n, sizeof seen - (size_t)n, " +%s", value);
    return CLI_OK;
}

static const struct cli_option one[] = {
    {"top", 'n', "N", "Show N of them."},
    {"keep", 'k', NULL, "Keep it."},
    {"secret", 0, NULL, ""},
    {NULL},
};
static const struct cli_option two[] = {
    {"", 0, NULL, "More"},
    {"format", 0, "text|json", "What it looks like."},
    {"name", 0, "NAME", "A name, which may be given again."},
    {NULL},
};
static const struct cli_command cmd_show = {
    .name = "show",
    .summary = "show things",
    .arguments = "FILE",
    .description = "Shows things.",
    .options = (const struct cli_option *const[]){one, two, NULL},
    .failure = 2,
    .run = note,
};
static const struct cli_command cmd_start = {
    .name = "start",
    .summary = "start things",
    .arguments = "[--] PROGRAM",
    .description = "Starts.",
    .options = (const struct cli_option *const[]){one, NULL},
    .stop_at_argument = true,
    .failure = 125,
    .run = note,
};
const struct cli_command *const cli_commands[] = {&cmd_show, &cmd_start, NULL};

/* Runs `seep words...`; what was printed goes to `printed`. Returns the exit status. */
static char printed[8192];

static int seep(const char *words)
{
    char copy[256], *argv[32];
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t) "seep";
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    seen[0] = '\0';

    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    fflush(stderr);
    int out = dup(1), err = dup(2);
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    int status = cli_main(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    rewind(file);
    printed[fread(printed, 1, sizeof printed - 1, file)] = '\0';
    fclose(file);
    return status;
}

static void sees(const char *words, const char *wanted)
{
    assert_int_equal(seep(words), 0);
    assert_string_equal(seen, wanted);
    assert_string_equal(printed, "");
}

static void test_ways_to_give_options(void **state)
{
    (void)state;
    sees("show", "show: |");
    sees("show x", "show: | x");
    sees("show --top=5 x", "show: top=5 | x");
    sees("show --top 5 x", "show: top=5 | x");
    sees("show -n 5 x", "show: top=5 | x");
    sees("show -n5 x", "show: top=5 | x");
    sees("show -kn5 x", "show: top=5 keep= | x");
    sees("show x --keep y -n 1 z", "show: top=1 keep= | x y z");
    sees("show -n1 -n2", "show: top=2 |");
    sees("show --top= x", "show: top= | x");
    sees("show --top -k", "show: top=-k |");
    sees("show - -k", "show: keep= | -");
    sees("show -k -- -n --format", "show: keep= | -n --format");
    sees("show --name=a b --name c --keep --name=d", "show: keep= name=d | b +a +c +d");
}

static void test_options_end_at_the_program(void **state)
{
    (void)state;
    sees("start -k prog -n 5 --keep", "start: keep= | prog -n 5 --keep");
    sees("start -- prog -- x", "start: | prog -- x");
    sees("start -k -- -prog", "start: keep= | -prog");
}

static void refuses(const char *words, int status, const char *word)
{
    assert_int_equal(seep(words), status);
    assert_string_equal(seen, "");
    if (!strstr(printed, word))
        fail_msg("'%s' not in: %s", word, printed);
}

static void test_errors(void **state)
{
    (void)state;
    refuses("show --tip=5", 2, "there is no option --tip; did you mean --top?");
    refuses("show --form=json", 2, "did you mean --format?");
    refuses("show --zzzzzz", 2, "there is no option --zzzzzz\n");
    refuses("show -z", 2, "there is no option -z");
    refuses("show --top", 2, "--top needs a value: N");
    refuses("show -n", 2, "-n needs a value: N");
    refuses("show --keep=yes", 2, "--keep takes no value");
    refuses("show --format=xml", 2, "text|json");
    refuses("show --format=tex", 2, "text|json");
    refuses("start --nothing prog", 125, "there is no option --nothing");
    refuses("shwo x", 2, "there is no command 'shwo'; did you mean 'show'?");
    refuses("completely-else", 2, "there is no command 'completely-else'\n");
    refuses("--frob", 2, "there is no option --frob");
    refuses("", 2, "Commands:");
    /* a secret option works and is not told of */
    refuses("show --secrat", 2, "there is no option --secrat\n");
    sees("show --secret", "show: |");
}

static void test_help(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(seep(i ? "show -h" : "show x --help --top=1"), 0);
        assert_string_equal(seen, "");
        assert_non_null(strstr(printed, "Usage: seep show [OPTION...] FILE\n"));
        assert_non_null(strstr(printed, "  -n, --top=N             Show N of them.\n"));
        assert_non_null(
            strstr(printed, "\nMore:\n      --format=text|json  What it looks like.\n"));
        assert_null(strstr(printed, "secret"));
    }
    assert_int_equal(seep("--help"), 0);
    assert_non_null(strstr(printed, "  start     start things\n"));
    assert_int_equal(seep("--version"), 0);
    assert_string_equal(printed, "seep " SEEP_VERSION "\n");
}

static void test_quantities(void **state)
{
    (void)state;
    uint64_t n = 7;
    assert_true(cli_parse_count("12", &n));
    assert_int_equal(n, 12);
    assert_false(cli_parse_count("12k", &n));
    assert_int_equal(n, 12);
    assert_true(cli_parse_bytes("1.5M", &n));
    assert_int_equal(n, 1572864);
    assert_true(cli_parse_ns("250ms", &n));
    assert_int_equal(n, 250000000);
    assert_false(cli_parse_ns("", &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways_to_give_options),
        cmocka_unit_test(test_options_end_at_the_program),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_quantities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
