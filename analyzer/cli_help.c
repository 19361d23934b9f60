/* SPDX-License-Identifier: MIT
 *
 * What --help prints, all of it from the tables. */
#include "cli.h"

#include "util/strbuf.h"

#include <string.h>

#define WIDTH 80
#define INDENT 26 /* column where the options' descriptions stand */

/* Prints text wrapped to WIDTH, the first line from column `at`, the others from `indent`. A
 * newline in the text ends a line. */
static void print_wrapped(FILE *out, const char *text, size_t at, size_t indent)
{
    size_t column = at;
    bool fresh = true;
    while (*text) {
        if (*text == '\n') {
            fputc('\n', out);
            column = 0;
            fresh = true;
            text++;
            continue;
        }
        size_t word = strcspn(text, " \n");
        if (!fresh && column + 1 + word > WIDTH) {
            fputc('\n', out);
            column = 0;
            fresh = true;
        }
        if (fresh) {
            if (column < indent) {
                fprintf(out, "%*s", (int)(indent - column), "");
                column = indent;
            }
        } else {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, word, out);
        column += word;
        fresh = false;
        text += word;
        if (*text == ' ')
            text++;
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const struct cli_option *option)
{
    struct strbuf left = {0};
    if (option->letter)
        strbuf_addf(&left, "  -%c, ", option->letter);
    else
        strbuf_adds(&left, "      ");
    strbuf_addf(&left, "--%s", option->name);
    if (option->value)
        strbuf_addf(&left, "=%s", option->value);
    fputs(left.text, out);
    size_t at = left.length;
    if (at + 2 > INDENT) {
        fputc('\n', out);
        at = 0;
    }
    print_wrapped(out, option->help, at, INDENT);
    strbuf_release(&left);
}

static void print_command(FILE *out, const struct cli_command *command)
{
    fprintf(out, "Usage: seep %s [OPTION...]%s%s\n\n", command->name,
            command->arguments && command->arguments[0] ? " " : "",
            command->arguments ? command->arguments : "");
    print_wrapped(out, command->description, 0, 0);
    fputc('\n', out);
    const struct cli_option *option = cli_option_at(command, 0);
    if (!option || option->name[0])
        fputs("Options:\n", out);
    for (size_t i = 0; (option = cli_option_at(command, i)); i++) {
        if (!option->name[0])
            fprintf(out, "%s%s:\n", i ? "\n" : "", option->help);
        else if (option->help[0])
            print_option(out, option);
    }
    static const struct cli_option help = {"help", 'h', NULL, "Show this text."};
    fputs(option || cli_option_at(command, 0) ? "\n" : "", out);
    print_option(out, &help);
}

void cli_help(FILE *out, const struct cli_command *command)
{
    if (command) {
        print_command(out, command);
        return;
    }
    fputs("seep records every allocation of a program with its call stack, and explains\n"
          "afterwards where its memory went.\n\n"
          "Usage: seep COMMAND [OPTION...] [ARGUMENT...]\n\n"
          "Commands:\n",
          out);
    for (const struct cli_command *const *c = cli_commands; *c; c++) {
        if (!(*c)->summary[0])
            continue;
        fprintf(out, "  %-10s", (*c)->name);
        print_wrapped(out, (*c)->summary, 12, 12);
    }
    fputs("\n'seep help COMMAND' explains one of them; 'seep --version' tells the version.\n"
          "To begin: seep run ./program, then seep leaks on the trace it names.\n",
          out);
}
