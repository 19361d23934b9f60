/* SPDX-License-Identifier: MIT */
#include "replay/room.h"

#include "util/human.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* What is left to the rest of the machine. */
#define SPARE_BYTES (UINT64_C(64) << 20)

unsigned room_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* A number in a file of one number, or a line of /proc/meminfo; UINT64_MAX where there is none. */
static uint64_t read_number(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    uint64_t value = UINT64_MAX;
    char line[256];
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0 && strpbrk(line, "0123456789")) {
            value = strtoull(strpbrk(line, "0123456789"), NULL, 10);
            break;
        }
    if (file)
        fclose(file);
    return value;
}

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What a control group has left, of either version of its files; UINT64_MAX: no limit. */
static uint64_t group_bytes(const char *folder, const char *limit_name, const char *used_name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    uint64_t limit = read_number(path, "");
    snprintf(path, sizeof path, "%s/%s", folder, used_name);
    uint64_t used = read_number(path, "");
    if (limit == UINT64_MAX || used == UINT64_MAX)
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    uint64_t cached = read_number(path, "inactive_file "); /* is dropped where memory is short */
    used -= cached == UINT64_MAX ? 0 : min(cached, used);
    return limit > used ? limit - used : 0;
}

/* The least that our control group and those around it have left. */
static uint64_t groups_bytes(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX], folder[PATH_MAX + 32];
    uint64_t left = UINT64_MAX;
    while (file && fgets(line, sizeof line, file)) {
        char *path = strrchr(line, ':');
        bool first = strstr(line, ":memory:") != NULL;
        if (!path || (!first && strncmp(line, "0::", 3) != 0))
            continue;
        path++;
        path[strcspn(path, "\n")] = '\0';
        for (char *end = path + strlen(path); end; end = strrchr(path, '/')) {
            *end = '\0';
            snprintf(folder, sizeof folder, "/sys/fs/cgroup%s%s", first ? "/memory" : "", path);
            left = min(left,
                       first ? group_bytes(folder, "memory.limit_in_bytes", "memory.usage_in_bytes")
                             : group_bytes(folder, "memory.max", "memory.current"));
        }
    }
    if (file)
        fclose(file);
    return left;
}

/* Bytes that a replay may take here: what is available, within limits of control groups and of
 * this process. */
static uint64_t available_bytes(void)
{
    static const int limits[] = {RLIMIT_AS, RLIMIT_DATA};
    uint64_t available = read_number("/proc/meminfo", "MemAvailable:");
    if (available != UINT64_MAX)
        available *= 1024;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)limits[i], &limit) == 0 &&
            limit.rlim_cur != RLIM_INFINITY)
            available = min(available, limit.rlim_cur);
    }
    return min(available, groups_bytes());
}

enum seep_err room_check(const struct recorded *recorded, unsigned scale, struct err *err)
{
    uint64_t need = recorded_need_bytes(recorded, scale) + SPARE_BYTES;
    uint64_t available = available_bytes();
    unsigned fits = scale;
    if (need <= available)
        return SEEP_OK;
    while (fits < 1u << 20 && recorded_need_bytes(recorded, fits) + SPARE_BYTES > available)
        fits *= 2;
    return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                   "a replay needs about %s, and %s are available; --scale=%u replays one in %u "
                   "blocks of each size",
                   human_bytes(need).text, human_bytes(available).text, fits, fits);
}
