/* SPDX-License-Identifier: MIT
 *
 * Annotations for programs that want their phases to show in a recording. Include it and call;
 * nothing is to be linked. Without the recorder loaded a call is one comparison with NULL.
 */
#ifndef SEEP_SEEP_H
#define SEEP_SEEP_H

#ifdef __cplusplus
extern "C" {
#endif

/* Defined by the recorder. Weak: NULL when the program runs without it. */
__attribute__((weak)) void seep_recorder_mark(const char *name);

/* Puts a mark named `name` (at most 255 bytes are kept; the text is copied) into the recording at
 * this moment, for `seep info` and for time filters: `seep leaks --from=NAME --to=NAME`. */
static inline void seep_mark(const char *name)
{
    if (seep_recorder_mark)
        seep_recorder_mark(name);
}

#ifdef __cplusplus
}
#endif

#endif
