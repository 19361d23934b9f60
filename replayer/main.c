/* SPDX-License-Identifier: MIT
 *
 * seep-replay: carries out the allocations of a recording in a process of its own, for `seep
 * compare`, which starts it with the allocator to be measured preloaded. */
#include "perform.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct replay replay;

_Noreturn void replay_die(const char *what)
{
    dprintf(STDERR_FILENO, "seep-replay: %s\n", what);
    _exit(1);
}

static void *map(int fd, size_t bytes, int protection)
{
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *p = mmap(NULL, bytes ? bytes : 1, protection, flags | MAP_POPULATE, fd, 0);
    if (p == MAP_FAILED)
        replay_die("no memory");
    return p;
}

static void set_up(char **arguments)
{
    static struct seep_replay_header header;
    struct stat st;
    int outcome = atoi(arguments[2]);
    replay.script = atoi(arguments[1]);
    replay.mode = (enum seep_replay_mode)atoi(arguments[3]);
    replay.speed_percent = (unsigned)atoi(arguments[4]);
    replay.counted = arguments[5] && strcmp(arguments[5], "counted") == 0;
    replay.free_running = arguments[5] && strcmp(arguments[5], "free") == 0;
    if (pread(replay.script, &header, sizeof header, 0) != sizeof header ||
        header.magic != SEEP_REPLAY_MAGIC || fstat(outcome, &st) != 0 || replay.speed_percent == 0)
        replay_die("this is no script; seep compare starts it with one");
    replay.header = &header;
    replay.outcome = map(outcome, (size_t)st.st_size, PROT_READ | PROT_WRITE);
    replay.slots = map(-1, ((size_t)header.slot_count + header.flight_count) * sizeof(void *),
                       PROT_READ | PROT_WRITE);
    if (!own_open())
        replay_die("/proc cannot be read");
    own_rss_bytes(); /* what is needed for it is resident from here on */
    own_peak_rss_bytes();
}

/* The least that reading the clock twice takes. */
static uint64_t timer_ticks(void)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 10000; i++) {
        uint64_t begin = ticks_begin(), took = ticks_end() - begin;
        if (took < least)
            least = took;
    }
    return least;
}

static uint64_t cpu_ns(const struct rusage *u)
{
    return ((uint64_t)u->ru_utime.tv_sec + (uint64_t)u->ru_stime.tv_sec) * 1000000000u +
           ((uint64_t)u->ru_utime.tv_usec + (uint64_t)u->ru_stime.tv_usec) * 1000u;
}

static void tell_usage(const struct rusage *before, const struct rusage *after)
{
    struct seep_replay_outcome *o = replay.outcome;
    o->cpu_ns = cpu_ns(after) - cpu_ns(before);
    o->minor_faults = (uint64_t)(after->ru_minflt - before->ru_minflt);
    o->major_faults = (uint64_t)(after->ru_majflt - before->ru_majflt);
    o->voluntary_switches = (uint64_t)(after->ru_nvcsw - before->ru_nvcsw);
    o->involuntary_switches = (uint64_t)(after->ru_nivcsw - before->ru_nivcsw);
}

/* ------------------------------------------------------------------ whose malloc it is
 *
 * Each allocator has a way of its own to say its version. */

typedef int mallctl_function(const char *, void *, size_t *, void *, size_t);
typedef const char *tc_version_function(int *, int *, const char **);
typedef int mi_version_function(void);

/* `library` has the malloc: others that are loaded may be asked by the same names. */
static void tell_version(char *out, size_t room, const char *library)
{
    void *from = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    union {
        void *address;
        mallctl_function *mallctl;
        tc_version_function *tc_version;
        mi_version_function *mi_version;
    } f;
    if (!from)
        return;
    if ((f.address = dlsym(from, "mi_version"))) {
        int version = f.mi_version(); /* 209: 2.0.9; from 2.1 on 2.1.7 is 217 */
        snprintf(out, room, "%d.%d.%d", version / 100, version / 10 % 10, version % 10);
    } else if ((f.address = dlsym(from, "tc_version"))) {
        int major, minor;
        const char *patch;
        snprintf(out, room, "%s", f.tc_version(&major, &minor, &patch));
    } else if ((f.address = dlsym(from, "mallctl"))) {
        const char *version = NULL;
        size_t bytes = sizeof(version);
        if (f.mallctl("version", (void *)&version, &bytes, NULL, 0) == 0 && version)
            snprintf(out, room, "%.*s", (int)strcspn(version, "-"), version);
    } else if (strstr(replay.outcome->library, "/libc.so")) {
        snprintf(out, room, "%s", gnu_get_libc_version());
    }
}

static void tell_allocator(void)
{
    Dl_info info;
    void *address = dlsym(RTLD_DEFAULT, "malloc");
    if (address && dladdr(address, &info) && info.dli_fname)
        snprintf(replay.outcome->library, sizeof replay.outcome->library, "%s", info.dli_fname);
    tell_version(replay.outcome->version, sizeof replay.outcome->version, replay.outcome->library);
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 6)
        replay_die("seep compare starts it with what it needs");
    set_up(argv);
    replay.outcome->timer_ticks = replay.mode == SEEP_REPLAY_LATENCY ? timer_ticks() : 0;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    uint64_t ticks = ticks_begin(), begin = own_now_ns();
    if (replay.free_running)
        free_run();
    else
        turns_run();
    replay.outcome->wall_ns = own_now_ns() - begin;
    replay.outcome->ticks = ticks_end() - ticks;
    getrusage(RUSAGE_SELF, &after);
    replay.outcome->final_rss_bytes = own_rss_bytes();
    replay.outcome->peak_rss_bytes = own_peak_rss_bytes();
    tell_usage(&before, &after);
    tell_allocator();
    replay.outcome->done = 1;
    _exit(0); /* threads that were never seen to end go with it */
}
