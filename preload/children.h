/* SPDX-License-Identifier: MIT
 *
 * Which processes of a run are recorded: SEEP_CHILDREN is "all", "none", or patterns of names of
 * executables, separated by commas. The process that `seep run` started is, whatever it executes.
 * One that is not wanted keeps us in its environment: what it starts is judged by the same rule. */
#ifndef REC_CHILDREN_H
#define REC_CHILDREN_H

#include <stdbool.h>

/* Whether this process is to be recorded. `forked`: it was forked from a recorded process and has
 * executed nothing since. Options and facts must have been read. */
bool rec_children_wanted(bool forked);

#endif
