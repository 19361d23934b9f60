/* SPDX-License-Identifier: MIT */
#include "cmd/print.h"

#include "analysis/completeness.h"
#include "cmd/options.h"
#include "report/json.h"
#include "report/text.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned terminal_width(int fd, bool terminal)
{
    const char *columns = getenv("COLUMNS");
    uint64_t wish;
    if (columns && cli_parse_count(columns, &wish) && wish >= 40 && wish <= 1000)
        return (unsigned)wish;
    struct winsize size;
    if (terminal && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return terminal ? 80 : 100;
}

void print_report_to(const struct cli *cli, const struct report *report, FILE *stream)
{
    struct strbuf out = {0};
    if (options_json(cli)) {
        json_report(&out, report);
    } else {
        bool terminal = isatty(fileno(stream));
        struct text_style style = {
            .colour = options_colour(cli, fileno(stream)),
            .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
            .cut = terminal && !cli_flag(cli, "full-names"),
            .full_names = cli_flag(cli, "full-names"),
            .width = terminal_width(fileno(stream), terminal),
        };
        text_report(&out, report, &style);
    }
    fwrite(out.text, 1, out.length, stream); /* main() looks whether that went well */
    strbuf_release(&out);
}

int print_report(const struct cli *cli, const struct report *report)
{
    print_report_to(cli, report, stdout);
    return CLI_OK;
}

void print_losses(const struct cli *cli, const struct trace_summary *summary)
{
    struct result *root = result_new_object();
    const struct result *reasons =
        result_get(completeness_add(root, "completeness", summary), "reasons");
    for (size_t i = 0; i < result_length(reasons); i++)
        cli_error(cli, "incomplete recording: %s", result_at(reasons, i)->u.text);
    result_free(root);
}
