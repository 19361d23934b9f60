/* SPDX-License-Identifier: MIT */
#include "own.h"

#include "seep/replay_script.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int statm = -1, status = -1, clear_refs = -1;

bool own_open(void)
{
    statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    status = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    clear_refs = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    return statm >= 0 && status >= 0;
}

static bool read_text(int fd, char *text, size_t room)
{
    ssize_t n = pread(fd, text, room - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

uint64_t own_rss_bytes(void)
{
    char text[256];
    if (!read_text(statm, text, sizeof text))
        return 0;
    const char *second = strchr(text, ' ');
    return second ? strtoull(second, NULL, 10) * SEEP_REPLAY_PAGE_BYTES : 0;
}

uint64_t own_peak_rss_bytes(void)
{
    char text[4096];
    if (!read_text(status, text, sizeof text))
        return 0;
    const char *line = strstr(text, "VmHWM:");
    return line ? strtoull(line + strlen("VmHWM:"), NULL, 10) * 1024 : 0;
}

void own_reset_peak(void)
{
    /* a kernel that refuses leaves the peak of the start, which is below any that counts */
    if (clear_refs >= 0 && write(clear_refs, "5", 1) != 1)
        close(clear_refs);
}

uint64_t own_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
