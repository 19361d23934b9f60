/* SPDX-License-Identifier: MIT
 *
 * What is resident of jemalloc's own: pages of its mappings that are in none of its extents, used,
 * dirty or retained. Its figure stats.metadata has what it never touched, too. Of its mappings
 * these are the ones that it makes: nameless, of 2 MiB or more, with no swap set aside. */
#ifndef FRAG_JEMALLOC_H
#define FRAG_JEMALLOC_H

#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JEMALLOC_PAGE 4096u
#define JEMALLOC_LEAST (UINT64_C(2) << 20)

typedef int jemalloc_mallctl(const char *, void *, size_t *, void *, size_t);

/* Bytes of the extent that begins at `at`; 0: there is none; < 0: it cannot be asked. */
static int64_t jemalloc_extent_bytes(jemalloc_mallctl *mallctl, uintptr_t at)
{
    uintptr_t in = at;
    size_t out[3] = {0}, length = sizeof out; /* free and all regions, bytes */
    int failed = mallctl("experimental.utilization.batch_query", out, &length, &in, sizeof in);
    return failed ? -1 : (int64_t)out[2];
}

/* Adds what is resident of [start, end) outside extents. */
static bool jemalloc_add_own(jemalloc_mallctl *mallctl, int pagemap, uintptr_t start, uintptr_t end,
                             uint64_t *bytes)
{
    for (uintptr_t at = start; at < end;) {
        int64_t extent = jemalloc_extent_bytes(mallctl, at);
        uint64_t word = 0;
        if (extent < 0)
            return false;
        if (extent == 0 && pread(pagemap, &word, sizeof word,
                                 (off_t)(at / JEMALLOC_PAGE * sizeof word)) == sizeof word)
            *bytes += word >> 63 ? JEMALLOC_PAGE : 0;
        at += extent ? (uintptr_t)extent : JEMALLOC_PAGE;
    }
    return true;
}

/* 0: the allocator is another, or cannot be asked. */
static uint64_t jemalloc_own_resident(int pagemap)
{
    static char text[1u << 20];
    jemalloc_mallctl *mallctl;
    *(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
    int fd = mallctl ? open("/proc/self/smaps", O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    size_t length = 0;
    for (ssize_t n; (n = read(fd, text + length, sizeof text - 1 - length)) > 0;)
        length += (size_t)n;
    close(fd);
    text[length] = '\0';
    uintptr_t start = 0, end = 0;
    uint64_t bytes = 0;
    bool candidate = false;
    for (char *line = text, *next; (next = strchr(line, '\n')); line = next + 1) {
        *next = '\0';
        char *dash = line + strcspn(line, "- :");
        if (*dash == '-') {
            char *rest;
            start = strtoull(line, NULL, 16);
            end = strtoull(dash + 1, &rest, 16);
            candidate = rest[2] == 'w' && !strchr(rest, '/') && !strchr(rest, '[') &&
                        end - start >= JEMALLOC_LEAST;
        } else if (candidate && strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0 &&
                   strstr(line, " nr") && !strstr(line, " wf") && /* the recorder's is wiped */
                   !jemalloc_add_own(mallctl, pagemap, start, end, &bytes)) {
            return 0;
        }
    }
    return bytes;
}

#endif
