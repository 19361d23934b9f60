/* SPDX-License-Identifier: MIT */
#include "cmd/options.h"

#include "analysis/leaks.h"

#include "cmd/progress.h"
#include "util/mem.h"
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_option options_output[] = {
    {"", 0, NULL, "Output"},
    {"format", 0, "text|json", "Text for people, or JSON for programs."},
    {"color", 0, "auto|always|never",
     "Colours: on a terminal unless NO_COLOR is set (auto), or as said."},
    {NULL},
};

const struct cli_option options_symbols[] = {
    {"", 0, NULL, "Names"},
    {"sysroot", 0, "DIR", "Look for programs and libraries under DIR."},
    {"debug-dir", 0, "DIR",
     "Look for separate debug files in DIR too, before /usr/lib/debug. May be given again."},
    {NULL},
};

const struct cli_option options_sites[] = {
    {"", 0, NULL, "Call sites"},
    {"alloc-fn", 0, "PATTERN",
     "Count the functions that match, and what they call, as part of the allocator: the call site "
     "is who calls them. '^NAME$' is just that name. May be given again."},
    {NULL},
};

#define FILTERS_MAX 32
struct cli_option options_filters[FILTERS_MAX + 2] = {{"", 0, NULL, "Filters"}};

void options_init(void)
{
    size_t count = 1;
    for (const struct filter_option *f = filter_options; f->name && count <= FILTERS_MAX; f++)
        options_filters[count++] = (struct cli_option){f->name, 0, f->value, f->help};
}

bool options_colour(const struct cli *cli, int fd)
{
    const char *wish = cli_value(cli, "color");
    if (wish && strcmp(wish, "auto") != 0)
        return strcmp(wish, "always") == 0;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (no_color && no_color[0])
        return false;
    if (!term || strcmp(term, "dumb") == 0)
        return false;
    return isatty(fd);
}

bool options_json(const struct cli *cli)
{
    const char *format = cli_value(cli, "format");
    return format && strcmp(format, "json") == 0;
}

enum seep_err options_filter(const struct cli *cli, struct filter *f, struct err *err)
{
    filter_init(f);
    for (const struct filter_option *option = filter_options; option->name; option++) {
        size_t position = 0;
        const char *value;
        while ((value = cli_next_value(cli, option->name, &position))) {
            enum seep_err code = filter_set(f, option->name, value, err);
            if (code != SEEP_OK)
                return code;
        }
    }
    return SEEP_OK;
}

struct symbols *options_new_symbols(const struct cli *cli, const struct trace_dict *dict,
                                    struct options_names *names, struct progress *progress)
{
    size_t position = 0, count = 0;
    const char *value;
    while ((value = cli_next_value(cli, "debug-dir", &position)))
        strbuf_addf(&names->debug_dirs, "%s%s", names->debug_dirs.length ? ":" : "", value);
    names->alloc_fns = mem_zalloc(cli->given_count + 1, sizeof *names->alloc_fns);
    position = 0;
    while ((value = cli_next_value(cli, "alloc-fn", &position)))
        names->alloc_fns[count++] = value;
    struct symbol_options options = {
        .sysroot = cli_value(cli, "sysroot"),
        .debug_dirs = names->debug_dirs.text,
        .alloc_fns = names->alloc_fns,
        .progress = progress ? progress_step : NULL,
        .progress_arg = progress,
    };
    return symbols_new(dict, &options);
}

void options_names_release(struct options_names *names)
{
    strbuf_release(&names->debug_dirs);
    free(names->alloc_fns);
    *names = (struct options_names){0};
}

static void print_unmet(const struct cli *cli, const struct symbols *symbols)
{
    const char *pattern;
    for (size_t i = 0; (pattern = symbols_unmet_alloc_fn(symbols, i)); i++) {
        struct strbuf shown = {0};
        utf8_add_visible(&shown, pattern, strlen(pattern));
        cli_error(cli, "--alloc-fn=%s: no function in these stacks matches", shown.text);
        strbuf_release(&shown);
    }
}

void options_print_problems(const struct cli *cli, const struct symbols *symbols)
{
    enum { SHOWN = 3 };
    size_t count = 0;
    for (const char *problem; (problem = symbols_problem(symbols, count)); count++) {
        if (count >= SHOWN)
            continue;
        struct strbuf shown = {0};
        utf8_add_visible(&shown, problem, strlen(problem));
        cli_error(cli, "%s", shown.text ? shown.text : "");
        strbuf_release(&shown);
    }
    if (count > SHOWN)
        cli_error(cli, "%zu more modules whose code could not be named", count - SHOWN);
    print_unmet(cli, symbols);
}

size_t options_choice(const struct cli *cli, const char *name, const char *const *names,
                      size_t missing)
{
    const char *value = cli_value(cli, name);
    for (size_t i = 0; value && names[i]; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    return missing;
}

bool options_count(const struct cli *cli, const char *name, bool all, uint64_t *out)
{
    const char *value = cli_value(cli, name);
    if (!value)
        return true;
    if (all && strcmp(value, "all") == 0) {
        *out = 0;
        return true;
    }
    if (cli_parse_count(value, out))
        return true;
    cli_usage_error(cli, "--%s=%s: a number%s is wanted", name, value, all ? " or 'all'" : "");
    return false;
}

bool options_share(const struct cli *cli, const char *name, double *out)
{
    const char *value = cli_value(cli, name);
    char *end;
    if (!value)
        return true;
    *out = strtod(value, &end) / 100;
    if (end != value && *end == '\0' && *out >= 0 && *out <= 1)
        return true;
    cli_usage_error(cli, "--%s=%s: a percentage is expected", name, value);
    return false;
}

#define LEVEL_MAX 19

const struct cli_option options_packing[] = {
    {"time-resolution", 0, "DURATION",
     "Store times that are off by that much at most: whole microseconds up to 1s; 1us if not "
     "given. "
     "With 1ms traces are smaller."},
    {"level", 0, "N", "How hard zstd tries, 1 to 19; 3 if not given."},
    {NULL},
};

bool options_coding(const struct cli *cli, struct trace_coding *out)
{
    const char *value = cli_value(cli, "time-resolution");
    uint64_t number;
    if (value) {
        if (!cli_parse_ns(value, &number) || number == 0 || number % 1000 != 0 ||
            number / 1000 > SEEP_UNIT_US_MAX) {
            cli_usage_error(
                cli, "--time-resolution=%s: a duration from 1us to 1s is wanted, like 1ms", value);
            return false;
        }
        out->unit_us = (uint32_t)(number / 1000);
    }
    value = cli_value(cli, "level");
    if (value) {
        if (!cli_parse_count(value, &number) || number < 1 || number > LEVEL_MAX) {
            cli_usage_error(cli, "--level=%s: a number from 1 to %d is wanted", value, LEVEL_MAX);
            return false;
        }
        out->level = (int)number;
    }
    return true;
}

bool options_bytes(const struct cli *cli, const char *name, uint64_t *out)
{
    const char *value = cli_value(cli, name);
    if (!value || cli_parse_bytes(value, out))
        return true;
    cli_usage_error(cli, "--%s=%s: a size is wanted, like 4096, 4k or 1.5M", name, value);
    return false;
}

bool options_kinds(const struct cli *cli, const char *name, const char *otherwise,
                   struct leaks_options *leaks)
{
    static const struct {
        const char *name;
        unsigned kinds;
    } known[] = {{"definite", LEAKS_DEFINITE},
                 {"possible", LEAKS_POSSIBLE},
                 {"reachable", LEAKS_REACHABLE},
                 {"all", LEAKS_DEFINITE | LEAKS_POSSIBLE | LEAKS_REACHABLE},
                 {"live", 0}};
    const char *list = cli_value(cli, name);
    for (const char *at = list ? list : otherwise;; at++) {
        size_t length = strcspn(at, ","), i = 0;
        while (i < sizeof known / sizeof known[0] &&
               (strlen(known[i].name) != length || memcmp(known[i].name, at, length) != 0))
            i++;
        if (i == sizeof known / sizeof known[0]) {
            cli_usage_error(cli,
                            "--%s=%s: definite, possible, reachable, all or live are "
                            "expected, separated by commas",
                            name, list);
            return false;
        }
        leaks->kinds |= known[i].kinds;
        leaks->live |= !known[i].kinds;
        at += length;
        if (!*at)
            return true;
    }
}
