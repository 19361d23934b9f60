/* SPDX-License-Identifier: MIT */
#include "children.h"

#include "facts.h"
#include "options.h"
#include "sys.h"
#include "text.h"

/* A pattern ends at its comma. '*' stands for any text, '?' for one letter. */
static bool matches(const char *pattern, const char *name)
{
    const char *star = NULL, *from = name; /* the last '*', and where it stops for now */
    while (*name || (*pattern && *pattern != ',')) {
        if (*pattern == '*') {
            star = ++pattern;
            from = name;
        } else if (*name && *pattern != ',' && (*pattern == '?' || *pattern == *name)) {
            pattern++;
            name++;
        } else if (star && *from) {
            pattern = star;
            name = ++from;
        } else {
            return false;
        }
    }
    return true;
}

static bool is_main(void)
{
    uint64_t namespace = rec_facts_pid_namespace();
    return (uint64_t)sys_call(SYS_getpid) == rec_option_number(REC_OPTION_MAIN_PID) &&
           (namespace == 0 || namespace == rec_option_number(REC_OPTION_MAIN_NAMESPACE));
}

bool rec_children_wanted(bool forked)
{
    const char *rule = rec_option_text(REC_OPTION_CHILDREN);
    bool under_run = rec_option_number(REC_OPTION_MAIN_PID) != 0;
    if (text_equal(rule, "all") || (!forked && under_run && is_main()))
        return true;
    if (text_equal(rule, "none"))
        return !forked && !under_run; /* the first process is not known: none is left out */
    for (const char *pattern = rule; *pattern;) {
        if (matches(pattern, rec_facts_exe_name()))
            return true;
        while (*pattern && *pattern++ != ',')
            continue;
    }
    return false;
}
