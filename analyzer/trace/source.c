/* SPDX-License-Identifier: MIT */
#include "trace/source.h"

#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum seep_err source_open(struct source *s, const char *path, struct err *err)
{
    *s = (struct source){.fd = -1};
    /* a FIFO that nobody writes to must not hold us up */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int reason = errno;
        if (fd >= 0)
            close(fd);
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", path, strerror(reason));
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return S_ISDIR(st.st_mode)
                   ? err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", path, strerror(EISDIR))
                   : err_set(err, SEEP_ERR_NOT_TRACE, 0, "%s: not a regular file", path);
    }
    *s = (struct source){.name = mem_strdup(path), .fd = fd, .size_bytes = (uint64_t)st.st_size};
    return SEEP_OK;
}

void source_open_bytes(struct source *s, const void *bytes, size_t length, const char *name)
{
    *s = (struct source){.name = mem_strdup(name), .fd = -1, .bytes = bytes, .size_bytes = length};
}

void source_close(struct source *s)
{
    if (!s || !s->name)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->name);
    *s = (struct source){.fd = -1};
}

enum seep_err source_read(const struct source *s, uint64_t offset, void *to, size_t length,
                          bool *got, struct err *err)
{
    *got = false;
    if (offset > s->size_bytes || length > s->size_bytes - offset)
        return SEEP_OK;
    if (s->fd < 0) {
        memcpy(to, s->bytes + offset, length);
        *got = true;
        return SEEP_OK;
    }
    for (size_t done = 0; done < length;) {
        ssize_t n = pread(s->fd, (char *)to + done, length - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, SEEP_ERR_IO, offset + done, "%s: %s", s->name, strerror(errno));
        if (n == 0)
            return SEEP_OK; /* shrank since it was opened */
        done += (size_t)n;
    }
    *got = true;
    return SEEP_OK;
}
