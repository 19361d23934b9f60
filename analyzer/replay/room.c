/* SPDX-License-Identifier: MIT */
#include "replay/room.h"

#include "util/human.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Bytes that a replay may take here: what is available, within the limit of our cgroup. */
static uint64_t available_bytes(void)
{
    uint64_t available = read_number("/proc/meminfo", "MemAvailable:");
    uint64_t limit = read_number("/sys/fs/cgroup/memory.max", "");
    uint64_t used = read_number("/sys/fs/cgroup/memory.current", "");
    if (available != UINT64_MAX)
        available *= 1024;
    if (limit != UINT64_MAX && used != UINT64_MAX) {
        uint64_t left = limit > used ? limit - used : 0;
        available = left < available ? left : available;
    }
    return available;
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
