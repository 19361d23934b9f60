/* SPDX-License-Identifier: MIT */
#include "replay/script_file.h"

#include "util/mem.h"
#include "util/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_OPS 65536u /* 1 MiB: what is changed later mostly is in there still */
#define HEADER_OPS (sizeof(struct seep_replay_header) / sizeof(struct seep_replay_op))

_Static_assert(sizeof(struct seep_replay_header) % sizeof(struct seep_replay_op) == 0, "aligned");

enum seep_err script_file_open(struct script_file *f, struct err *err)
{
    const char *directory = getenv("TMPDIR");
    struct strbuf path = {0};
    *f = (struct script_file){.fd = -1, .written = HEADER_OPS};
    strbuf_addf(&path, "%s/seep-replay-XXXXXX", directory && directory[0] ? directory : "/tmp");
    f->fd = mkstemp(path.text);
    if (f->fd < 0)
        err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", path.text, strerror(errno));
    else
        unlink(path.text);
    strbuf_release(&path);
    f->ops = mem_alloc(BUFFER_OPS * sizeof *f->ops);
    return f->fd < 0 ? SEEP_ERR_IO : SEEP_OK;
}

static void write_at(struct script_file *f, const void *bytes, size_t length, uint64_t offset)
{
    for (const char *p = bytes; length && !f->error;) {
        ssize_t n = pwrite(f->fd, p, length, (off_t)offset);
        if (n <= 0) {
            f->error = n < 0 ? errno : ENOSPC;
            return;
        }
        p += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
}

static void flush(struct script_file *f)
{
    write_at(f, f->ops, f->count * sizeof *f->ops, f->written * sizeof *f->ops);
    f->written += f->count;
    f->count = 0;
}

uint64_t script_file_add(struct script_file *f, const struct seep_replay_op *op)
{
    if (f->count == BUFFER_OPS)
        flush(f);
    f->ops[f->count] = *op;
    return f->written + f->count++;
}

void script_file_set_value(struct script_file *f, uint64_t index, uint64_t value)
{
    if (index >= f->written)
        f->ops[index - f->written].value = value;
    else
        write_at(f, &value, sizeof value,
                 index * sizeof *f->ops + offsetof(struct seep_replay_op, value));
}

enum seep_err script_file_finish(struct script_file *f, struct seep_replay_header *header,
                                 const uint64_t *chains, struct err *err)
{
    flush(f);
    header->magic = SEEP_REPLAY_MAGIC;
    header->op_count = f->written;
    header->chains_offset = f->written * sizeof *f->ops;
    write_at(f, chains, header->thread_count * sizeof *chains, header->chains_offset);
    write_at(f, header, sizeof *header, 0);
    if (f->error)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET,
                       "the replay's script, %llu MiB in the directory for temporary files: %s",
                       (unsigned long long)(header->chains_offset >> 20), strerror(f->error));
    free(f->ops);
    f->ops = NULL;
    f->fd = -1;
    return SEEP_OK;
}

void script_file_release(struct script_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->ops);
    *f = (struct script_file){.fd = -1};
}
