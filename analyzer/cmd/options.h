/* SPDX-License-Identifier: MIT
 *
 * Options that several commands share. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "cli.h"

/* --format and --color. */
extern const struct cli_option options_output[];

/* Fills the tables that are made of the lower layers' lists. To be called before anything else. */
void options_init(void);

/* Whether text on standard output is to be coloured: --color, else NO_COLOR and TERM, else whether
 * it is a terminal. */
bool options_colour(const struct cli *cli);

/* True for --format=json. */
bool options_json(const struct cli *cli);

#endif
