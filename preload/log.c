/* SPDX-License-Identifier: MIT */
#include "log.h"

#include "facts.h"
#include "options.h"
#include "sys.h"
#include "text.h"

#include <stdarg.h>
#include <sys/stat.h>

static struct stat error_stat;
static bool error_known;

static bool error_is(struct stat *st)
{
    return !sys_failed(sys_call(SYS_fstat, 2, st));
}

void rec_log_init(void)
{
    error_known = error_is(&error_stat);
}

void rec_log(const char *first, ...)
{
    struct stat now;
    if (rec_option_number(REC_OPTION_QUIET) || !error_known || !error_is(&now) ||
        now.st_dev != error_stat.st_dev || now.st_ino != error_stat.st_ino)
        return;
    char line[512];
    struct text t = TEXT(line);
    text_add(&t, "seep: ");
    if (*rec_facts_exe_name()) { /* else it was not looked up, as no call more than needed may be
                                    made */
        text_add(&t, rec_facts_exe_name());
        text_addc(&t, '[');
        text_add_number(&t, (uint64_t)sys_call(SYS_getpid));
        text_add(&t, "]: ");
    }
    va_list parts;
    va_start(parts, first);
    for (const char *part = first; part; part = va_arg(parts, const char *))
        text_add(&t, part);
    va_end(parts);
    text_addc(&t, '\n');
    sys_call(SYS_write, 2, line, t.length);
}
