/* SPDX-License-Identifier: MIT */
#include "cmd/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_option options_output[] = {
    {"", 0, NULL, "Output"},
    {"format", 0, "text|json", "text for people, or JSON for programs"},
    {"color", 0, "auto|always|never",
     "colours: on a terminal unless NO_COLOR is set (auto), or as said"},
    {NULL},
};

void options_init(void)
{
}

bool options_colour(const struct cli *cli)
{
    const char *wish = cli_value(cli, "color");
    if (wish && strcmp(wish, "auto") != 0)
        return strcmp(wish, "always") == 0;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color && no_color[0])
        return false;
    if (!term || strcmp(term, "dumb") == 0)
        return false;
    return isatty(STDOUT_FILENO);
}

bool options_json(const struct cli *cli)
{
    const char *format = cli_value(cli, "format");
    return format && strcmp(format, "json") == 0;
}
