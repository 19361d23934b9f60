/* SPDX-License-Identifier: MIT */
#include "maps.h"

#include "sys.h"

#include <fcntl.h>
#include <stddef.h>

/* Under the cold-path lock. A line is at most 73 bytes and a path (proc(5)), so one always fits. */
static char buffer[8192];
static char name[4097];

struct line {
    uintptr_t start, end;
    uint64_t offset, inode, device;
    bool readable;
    const char *path; /* in the buffer, ended by '\n' */
};

static const char *hex(const char *p, uint64_t *out)
{
    uint64_t v = 0;
    for (;; p++) {
        if (*p >= '0' && *p <= '9')
            v = v << 4 | (uint64_t)(*p - '0');
        else if (*p >= 'a' && *p <= 'f')
            v = v << 4 | (uint64_t)(*p - 'a' + 10);
        else
            break;
    }
    *out = v;
    return p;
}

static const char *blanks(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* "start-end rwxp offset major:minor inode   path\n" */
static void parse(const char *p, struct line *line)
{
    uint64_t major, minor, start, end;
    p = hex(p, &start);
    p = hex(p + (*p == '-'), &end);
    line->start = start;
    line->end = end;
    p = blanks(p);
    line->readable = *p == 'r';
    while (*p != ' ' && *p != '\n')
        p++;
    p = hex(blanks(p), &line->offset);
    p = hex(blanks(p), &major);
    p = hex(p + (*p == ':'), &minor);
    line->device = major << 32 | minor;
    p = hex(blanks(p), &line->inode); /* decimal, but only compared */
    line->path = blanks(p);
}

/* What has been seen while lines pass by. */
struct search {
    uintptr_t address;
    struct rec_mapping *out;
    bool found;
    uintptr_t last_end;
    uint64_t image_inode, image_device;
    uintptr_t image;
};

static void keep_name(const char *path)
{
    size_t n = 0;
    while (path[n] != '\n' && n < sizeof name - 1) {
        name[n] = path[n];
        n++;
    }
    name[n] = '\0';
}

/* False: no more lines are wanted. */
static bool see(struct search *s, const struct line *line)
{
    struct rec_mapping *out = s->out;
    if (s->found) {
        if (!line->readable || line->start != out->readable_end)
            return false;
        out->readable_end = line->end;
        return true;
    }
    if (s->address < line->start)
        return false;
    bool is_file = line->inode != 0 || *line->path == '[';
    if (is_file && line->offset == 0) {
        s->image = line->start;
        s->image_inode = line->inode;
        s->image_device = line->device;
    }
    if (s->address < line->end) {
        s->found = true;
        out->start = line->start;
        out->end = line->end;
        out->readable_end = line->readable ? line->end : 0;
        out->below = s->last_end;
        out->image = is_file && s->image_inode == line->inode && s->image_device == line->device
                         ? s->image
                         : 0;
        keep_name(line->path);
        out->name = name;
        return line->readable;
    }
    s->last_end = line->end;
    return true;
}

bool rec_maps_find(uintptr_t address, struct rec_mapping *out)
{
    struct search search = {.address = address, .out = out};
    long fd = sys_call(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (sys_failed(fd))
        return false;
    size_t held = 0; /* bytes in the buffer: the beginning of a line */
    for (bool more = true; more;) {
        long got = sys_call(SYS_read, fd, buffer + held, sizeof buffer - held);
        if (got == -4) /* EINTR */
            continue;
        if (got <= 0)
            break;
        size_t end = held + (size_t)got, from = 0;
        for (size_t i = held; more && i < end; i++) {
            if (buffer[i] != '\n')
                continue;
            struct line line;
            parse(buffer + from, &line);
            more = see(&search, &line);
            from = i + 1;
        }
        held = end - from;
        if (held == sizeof buffer)
            break; /* no such line exists */
        for (size_t i = 0; i < held; i++)
            buffer[i] = buffer[from + i];
    }
    sys_call(SYS_close, fd);
    return search.found;
}
