/* SPDX-License-Identifier: MIT
 *
 * How to add a rule: one row. The functions are public names of libc where there are any, since a
 * stripped libc has no others; without leading underscores, see builtin_name(). What the caller has
 * to free (fopen's FILE, getline's buffer, newlocale, iconv_open, getaddrinfo) does not belong
 * here. */
#include "model/suppressions_builtin.h"

#include "model/pattern.h"

#include <stddef.h>
#include <string.h>

const struct builtin_rule builtin_rules[] = {
    {"allocations of the dynamic loader",
     "lists of modules, search paths and thread-local storage, kept while their library is loaded "
     "or their thread lives",
     MODULE_LOADER,
     MODULE_OTHER,
     {NULL}},
    {"libstdc++ initialised by the loader",
     "the pool that lets exceptions be thrown when memory is out (72,704 bytes), made once",
     MODULE_LIBSTDCXX,
     MODULE_LOADER,
     {NULL}},
    {"_IO_file_doallocate in libc",
     "the buffer of a stdio stream, kept until the stream is closed; the stream itself is listed",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^IO_file_doallocate", "^IO_wfile_doallocate", "^IO_default_doallocate"}},
    {"setlocale in libc",
     "the program's locale, loaded once and kept",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^setlocale$", "^nl_find_locale", "^nl_load_locale", "^nl_make_l10nflist"}},
    {"gettext in libc",
     "catalogues of translated messages, loaded once and kept",
     MODULE_LIBC,
     MODULE_OTHER,
     {"gettext", "textdomain", "^nl_load_domain", "^nl_find_domain"}},
    {"character conversion in libc",
     "the table of character conversions, loaded once and kept",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^gconv_read_conf", "^gconv_load_cache", "^gconv_find_shlib", "^gconv_lookup_cache",
      "^wcsmbs_load_conv", "^mbrtowc", "^mbstowcs$", "^mbsrtowcs", "^wcrtomb", "^wcstombs$",
      "^wcsrtombs", "^btowc$", "^mblen$", "^mbtowc$", "^IO_fwide"}},
    {"time zones in libc",
     "the time zone's rules, loaded by the first call that needs local time and kept",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^tzset", "^tz_convert", "^tzfile_read", "^localtime", "^mktime", "^timelocal", "^ctime",
      "^strftime", "^wcsftime"}},
    {"name services in libc",
     "the configuration of name services and static results of getpwnam and its kind",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^getpw", "^getgr", "^getsp", "^getserv", "^getproto", "^gethostby", "^getnetby", "^nss_",
      "^initgroups"}},
    {"atexit in libc",
     "the list of functions to be called at exit",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^cxa_atexit", "^new_exitfn", "^on_exit$", "^atexit$", "^at_quick_exit$",
      "^cxa_at_quick_exit", "^internal_atexit"}},
    {"__cxa_thread_atexit_impl in libc",
     "the list of destructors to be called when a thread ends",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^cxa_thread_atexit"}},
    {"pthread_atfork in libc",
     "the list of functions to be called at fork",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^register_atfork", "^pthread_atfork"}},
    {"pthread_setspecific in libc",
     "a thread's table of specific values beyond the first 32, kept until it ends",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^pthread_setspecific", "^tss_set$"}},
    {"setenv in libc",
     "the environment",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^setenv$", "^putenv$", "^add_to_environ"}},
    {"dlerror in libc",
     "the text and state that dlerror gives out, per thread",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^dlerror$", "^dlerror_run", "^libc_dlerror", "^dlopen", "^dlsym", "^dlvsym"}},
    {"static texts in libc",
     "the text that strerror, strsignal, ttyname or ptsname gave out, kept for the next call",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^strerror$", "^strerror_l$", "^strsignal$", "^ttyname$", "^ptsname$"}},
    {"start of libc",
     "what libc sets up before main",
     MODULE_LIBC,
     MODULE_OTHER,
     {"^libc_start_main", "^libc_early_init", "^libc_init_first"}},
    {NULL, NULL, MODULE_OTHER, MODULE_OTHER, {NULL}},
};

const char *builtin_name(const char *function)
{
    static const char internal[] = "__GI_";
    if (strncmp(function, internal, sizeof internal - 1) == 0)
        function += sizeof internal - 1;
    return function + strspn(function, "_");
}
