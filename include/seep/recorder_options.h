/* SPDX-License-Identifier: MIT
 *
 * The options of the recorder, the only list of them: the recorder reads them from its
 * environment, `seep run` hands them over there, and the manual page is checked against them.
 *
 * X(name, kind, default, help): the variable is SEEP_ and the upper-case name. Kinds: TEXT, BYTES
 * (a number, with k, m or g behind it), NUMBER, FLAG (0 or 1). Defaults are texts as a user would
 * write them. */
#ifndef SEEP_RECORDER_OPTIONS_H
#define SEEP_RECORDER_OPTIONS_H

#define SEEP_RECORDER_OPTIONS(X)                                                                   \
    X(OUT, TEXT, "seep.%e.%p.seep",                                                                \
      "the trace to be; its spool stands beside it. %p pid, %e program, %h host, %t time")         \
    X(SPOOL_MAX, BYTES, "4g", "size at which recording stops, the program goes on; 0: no limit")   \
    X(TAIL_MAX, BYTES, "128k", "largest tail of a thread, 16k to 256k")                            \
    X(FREE_STACKS, FLAG, "0", "record the stacks of frees too")                                    \
    X(CHILDREN, TEXT, "all",                                                                       \
      "processes recorded beside the first: all, none, or patterns of names of executables")       \
    X(SNAPSHOT, TEXT, "never",                                                                     \
      "when snapshots of the heap graph are taken: exit, signal:SIGNAL, mark:NAME, separated by "  \
      "commas; or never")                                                                          \
    X(QUIET, FLAG, "0", "no messages on standard error")                                           \
    X(RUN_ID, TEXT, "", "set by seep run: joins the processes of one run")                         \
    X(SPOOL_LIMIT, BYTES, "0",                                                                     \
      "set by seep run: bytes of a spool's rows that a packer lets come together; 0: any")         \
    X(WHEN_FULL, TEXT, "wait", "set by seep run: wait or drop when there are more")                \
    X(FILTERS, NUMBER, "0", "set by seep run: the seccomp filters around it")                      \
    X(MAIN_PID, NUMBER, "0", "set by seep run: the process it started")                            \
    X(MAIN_NAMESPACE, NUMBER, "0", "set by seep run: the pid namespace of that process")

/* The signals that SNAPSHOT knows by name, with or without SIG; others by number. */
#define SEEP_SNAPSHOT_SIGNALS(X)                                                                   \
    X(HUP)                                                                                         \
    X(INT)                                                                                         \
    X(QUIT)                                                                                        \
    X(USR1)                                                                                        \
    X(USR2)                                                                                        \
    X(ALRM)                                                                                        \
    X(TERM)                                                                                        \
    X(URG)                                                                                         \
    X(PROF)                                                                                        \
    X(WINCH)                                                                                       \
    X(IO)                                                                                          \
    X(PWR)

#endif
