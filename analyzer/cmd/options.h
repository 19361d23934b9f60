/* SPDX-License-Identifier: MIT
 *
 * Options that several commands share: their tables, and what is made of them. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "trace/pack.h"
#include "cli.h"

#include "model/filter.h"
#include "model/symbols.h"
#include "util/strbuf.h"

extern const struct cli_option options_output[];  /* --format and --color */
extern const struct cli_option options_packing[]; /* --time-resolution, --level */
extern const struct cli_option options_symbols[]; /* --sysroot and --debug-dir */
extern const struct cli_option options_sites[];   /* --alloc-fn */
extern struct cli_option options_filters[];       /* made of filter_options by options_init() */

/* Fills the tables that are made of the lower layers' lists. To be called before anything else. */
void options_init(void);

/* Whether text on `fd` is to be coloured: --color, else NO_COLOR and TERM, else whether it is a
 * terminal. */
bool options_colour(const struct cli *cli, int fd);

/* True for --format=json. */
bool options_json(const struct cli *cli);

/* Takes the filters given into `f`, which is initialised here and released by the caller, also on
 * error. USAGE with a message. */
enum seep_err options_filter(const struct cli *cli, struct filter *f, struct err *err);

/* What a symboliser refers to. Zero-initialise; released by options_names_release() after it. */
struct options_names {
    struct strbuf debug_dirs;
    const char **alloc_fns; /* the array is owned */
};

/* A symboliser as the options want it, owned by the caller. `progress` (a struct progress, or NULL)
 * is shown while it works. */
struct progress;
struct symbols *options_new_symbols(const struct cli *cli, const struct trace_dict *dict,
                                    struct options_names *names, struct progress *progress);
void options_names_release(struct options_names *names);

/* Tells on standard error, in a few lines, which modules could not be named and why, and which
 * --alloc-fn names nothing. */
void options_print_problems(const struct cli *cli, const struct symbols *symbols);

/* The place of an option's value among `names` (NULL-ended), or `missing` if it was not given. */
size_t options_choice(const struct cli *cli, const char *name, const char *const *names,
                      size_t missing);

/* The kinds of blocks, separated by commas, that an option names, or `otherwise` where it is not
 * given, into kinds and live of *leaks. False after printing what is wrong. */
struct leaks_options;
bool options_kinds(const struct cli *cli, const char *name, const char *otherwise,
                   struct leaks_options *leaks);

/* The number that an option gives, in *out, which is left alone where it was not given. "all" is
 * taken for 0 if `all`. Prints the usage error and returns false where it is no number. */
bool options_count(const struct cli *cli, const char *name, bool all, uint64_t *out);
bool options_bytes(const struct cli *cli, const char *name, uint64_t *out);

/* The percentage that an option gives, as a share of 0 .. 1; else the same. */
bool options_share(const struct cli *cli, const char *name, double *out);

/* How traces are stored, from options_packing, in *out, which is left alone where nothing was
 * given. Prints the usage error and returns false where it makes no sense. */
bool options_coding(const struct cli *cli, struct trace_coding *out);

#endif
