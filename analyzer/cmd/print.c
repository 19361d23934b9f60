/* SPDX-License-Identifier: MIT */
#include "cmd/print.h"

#include "cmd/options.h"
#include "report/json.h"
#include "report/text.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned terminal_width(bool terminal)
{
    const char *columns = getenv("COLUMNS");
    uint64_t wish;
    if (columns && cli_parse_count(columns, &wish) && wish >= 40 && wish <= 1000)
        return (unsigned)wish;
    struct winsize size;
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return terminal ? 80 : 100;
}

int print_report(const struct cli *cli, const struct report *report)
{
    struct strbuf out = {0};
    if (options_json(cli)) {
        json_report(&out, report);
    } else {
        bool terminal = isatty(STDOUT_FILENO);
        struct text_style style = {
            .colour = options_colour(cli),
            .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
            .cut = terminal && !cli_flag(cli, "full-names"),
            .full_names = cli_flag(cli, "full-names"),
            .width = terminal_width(terminal),
        };
        text_report(&out, report, &style);
    }
    fwrite(out.text, 1, out.length, stdout); /* main() looks whether that went well */
    strbuf_release(&out);
    return CLI_OK;
}
