/* SPDX-License-Identifier: MIT */
#include "cmd/completion.h"

#include "cli.h"

#include <string.h>

static void add_words(struct strbuf *out, const char *choices)
{
    for (; *choices; choices++)
        strbuf_addc(out, *choices == '|' ? ' ' : *choices);
}

/* Options of a command that are followed by a value: "--top|-n|". */
static void add_choices(struct strbuf *out, const struct cli_command *command)
{
    const struct cli_option *option;
    for (size_t i = 0; (option = cli_option_at(command, i)); i++) {
        if (!option->name[0] || !option->value)
            continue;
        strbuf_addf(out, "    '%s --%s'", command->name, option->name);
        if (option->letter)
            strbuf_addf(out, "|'%s -%c'", command->name, option->letter);
        strbuf_adds(out, ") words='");
        if (strchr(option->value, '|'))
            add_words(out, option->value);
        strbuf_adds(out, "' ;;\n");
    }
}

static void add_options(struct strbuf *out, const struct cli_command *command)
{
    const struct cli_option *option;
    strbuf_addf(out, "    '%s '*) words='--help", command->name);
    for (size_t i = 0; (option = cli_option_at(command, i)); i++)
        if (option->name[0] && option->help[0])
            strbuf_addf(out, " --%s%s", option->name, option->value ? "=" : "");
    strbuf_adds(out, "' ;;\n");
}

void completion_bash(struct strbuf *out)
{
    strbuf_adds(
        out, "# bash completion for seep, printed by 'seep help --completion=bash'\n"
             "_seep() {\n"
             "    local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]} words=\n"
             "    # --option=word comes as three words\n"
             "    if [[ $word == = ]]; then\n"
             "        word=\n"
             "    elif [[ $option == = ]]; then\n"
             "        option=${COMP_WORDS[COMP_CWORD-2]}\n"
             "    elif [[ $option != -* || $word == -* ]]; then\n"
             "        option=\n"
             "    fi\n"
             "    if ((COMP_CWORD == 1)); then\n"
             "        words='--help --version");
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        strbuf_addf(out, " %s", (*c)->name);
    strbuf_adds(out, "'\n"
                     "    else case \"${COMP_WORDS[1]} $option\" in\n"
                     "    help' '*) words='--help --completion=");
    for (const struct cli_command *const *c = cli_commands; *c; c++)
        strbuf_addf(out, " %s", (*c)->name);
    strbuf_adds(out, "' ;;\n");
    for (const struct cli_command *const *c = cli_commands; *c; c++) {
        add_choices(out, *c);
        add_options(out, *c);
    }
    strbuf_adds(out, "    esac fi\n"
                     "    # without an option's beginning the word is a file's name\n"
                     "    if ((COMP_CWORD > 1)) && [[ $word != -* && -z $option && "
                     "${COMP_WORDS[1]} != help ]]; then\n"
                     "        words=\n"
                     "    fi\n"
                     "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                     "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2>/dev/null\n"
                     "    return 0\n"
                     "}\n"
                     "complete -o default -F _seep seep\n");
}
