/* SPDX-License-Identifier: MIT */
#include "trace/graph_file.h"

#include "seep/trace_codec.h"
#include "trace/spool.h"
#include "util/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM_MIN (2 * SEEP_VARINT_MAX) /* of a word; of a region's head, four varints and more */

bool graph_file_open(struct graph_file *f, int fd)
{
    struct stat st;
    *f = (struct graph_file){.fd = fd};
    f->buffer = mem_alloc(GRAPH_FILE_BUFFER_BYTES);
    errno = 0;
    if (fstat(fd, &st) != 0 || !spool_pread(fd, &f->header, sizeof f->header, 0))
        return false;
    f->size_bytes = (uint64_t)st.st_size;
    graph_file_rewind(f);
    return memcmp(f->header.magic, SEEP_GRAPH_MAGIC, sizeof f->header.magic) == 0 &&
           f->header.version == SEEP_GRAPH_VERSION && f->header.complete == 1;
}

void graph_file_close(struct graph_file *f)
{
    if (f->buffer == NULL)
        return;
    close(f->fd);
    free(f->buffer);
    *f = (struct graph_file){.fd = -1};
}

void graph_file_rewind(struct graph_file *f)
{
    f->offset = sizeof f->header;
    f->at = f->end = f->buffer;
    f->region_end = f->value = f->place = f->words = 0;
    f->bad = false;
}

/* Sees to it that what comes next lies in the buffer, if the file has it. */
static void fill(struct graph_file *f)
{
    size_t left = (size_t)(f->end - f->at);
    uint64_t more = f->size_bytes > f->offset ? f->size_bytes - f->offset : 0;
    if (left >= 4 * ROOM_MIN || more == 0)
        return;
    size_t room = GRAPH_FILE_BUFFER_BYTES - left;
    size_t bytes = more < room ? (size_t)more : room;
    memmove(f->buffer, f->at, left);
    if (!spool_pread(f->fd, f->buffer + left, bytes, f->offset)) {
        bytes = 0;
        f->size_bytes = f->offset; /* is shorter than it was */
    }
    f->offset += bytes;
    f->at = f->buffer;
    f->end = f->buffer + left + bytes;
}

static uint64_t take(struct graph_file *f)
{
    uint64_t v = 0;
    if (!f->bad && !seep_get_varint(&f->at, f->end, &v))
        f->bad = true;
    return v;
}

bool graph_file_region(struct graph_file *f, struct graph_file_region *region)
{
    fill(f);
    uint64_t kind = take(f);
    if (f->bad || kind == SEEP_GRAPH_END)
        return false;
    region->kind = (enum seep_graph_region)kind;
    region->start = f->region_end + (uint64_t)seep_unzigzag(take(f));
    region->bytes = take(f);
    region->thread = (uint32_t)take(f);
    f->region_end = region->start + region->bytes;
    f->bad |= kind > SEEP_GRAPH_REGISTERED || region->start > UINT64_MAX - region->bytes;
    f->words = region->bytes / 8;
    f->place = UINT64_MAX; /* one before the first */
    return !f->bad;
}

bool graph_file_word(struct graph_file *f, uint64_t *place, uint64_t *value)
{
    if (f->end - f->at < ROOM_MIN)
        fill(f);
    uint64_t step = take(f);
    if (f->bad || step == 0)
        return false;
    f->bad = step > f->words || f->place + step >= f->words;
    f->place += step;
    f->value += (uint64_t)seep_unzigzag(take(f));
    *place = f->place;
    *value = f->value;
    return !f->bad;
}
