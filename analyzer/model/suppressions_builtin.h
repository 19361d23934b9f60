/* SPDX-License-Identifier: MIT
 *
 * What libc, the loader and libstdc++ keep for the life of the process. Private to suppressions.c
 * and its test.
 *
 * A rule looks at the innermost frames only, the run of them that lies in one kind of module: an
 * allocation that the program makes below libc (a qsort comparison, a constructor that the loader
 * runs) begins in the program's own code and is never touched. */
#ifndef MODEL_SUPPRESSIONS_BUILTIN_H
#define MODEL_SUPPRESSIONS_BUILTIN_H

#include "model/module_kind.h"

#define BUILTIN_FUNCTIONS 16

struct builtin_rule {
    const char *what;        /* what it looks for, in words */
    const char *reason;      /* why it is no news */
    enum module_kind run;    /* kind of the innermost frames */
    enum module_kind caller; /* kind of the module that called the run; OTHER: any */
    /* some frame of the run is one of these (pattern.h); none given: whatever they are called */
    const char *functions[BUILTIN_FUNCTIONS + 1];
};

extern const struct builtin_rule builtin_rules[]; /* ended by a NULL `what` */

/* What rules compare of a function's name: without libc's prefix for internal aliases, __GI_, and
 * without leading underscores, since its debug information calls dlopen ___dlopen and setenv
 * __setenv. */
const char *builtin_name(const char *function);

#endif
