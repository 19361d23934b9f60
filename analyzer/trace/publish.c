/* SPDX-License-Identifier: MIT */
#include "trace/publish.h"

#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *publish_temporary(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct strbuf name = {0};
    if (slash != NULL)
        strbuf_add(&name, path, (size_t)(slash + 1 - path));
    strbuf_addf(&name, ".seep-writing-%ld", (long)getpid());
    unlink(name.text);
    return strbuf_detach(&name);
}

enum seep_err publish_exists(const char *path, struct err *err)
{
    return err_set(err, SEEP_ERR_EXISTS, ERR_NO_OFFSET, "%s: exists already", path);
}

enum seep_err publish(const char *temporary, const char *path, bool overwrite, struct err *err)
{
    int result;
    struct stat st;
    /* a device or a pipe would be gone for everybody */
    if (overwrite && lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return err_set(err, SEEP_ERR_EXISTS, ERR_NO_OFFSET, "%s: is no regular file", path);
    if (overwrite) {
        result = rename(temporary, path);
    } else {
        result = renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE);
        if (result != 0 && (errno == EINVAL || errno == ENOSYS)) /* not on this file system */
            result = link(temporary, path);
    }
    if (result == 0)
        return SEEP_OK;
    if (errno == EEXIST)
        return publish_exists(path, err);
    return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", path, strerror(errno));
}
