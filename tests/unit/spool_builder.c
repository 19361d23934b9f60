/* SPDX-License-Identifier: MIT */
#include "spool_builder.h"

#include "seep/crc32c.h"
#include "seep/trace_codec.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROW_ROOM 128

static int create(const struct spool_builder *b, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", b->path, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0);
    return fd;
}

static void put_all(int fd, const void *bytes, size_t length)
{
    ssize_t put = write(fd, bytes, length);
    assert(put == (ssize_t)length);
    (void)put;
}

void sb_begin(struct spool_builder *b, const char *path)
{
    memset(b, 0, sizeof *b);
    snprintf(b->path, sizeof b->path, "%s", path);
    int result = mkdir(path, 0700);
    assert(result == 0);
    (void)result;
    b->rows_fd = create(b, "rows");
    b->snapshots_fd = create(b, "snapshots");
    b->tail_bytes = 16384;
    struct seep_control *c = &b->control;
    memcpy(c->magic, SEEP_SPOOL_MAGIC, 8);
    c->version = SEEP_SPOOL_VERSION;
    c->clock = SEEP_CLOCK_TSC;
    c->state = SEEP_SPOOL_CLOSED;
    c->start_stamp = 1000000;
    c->start_ns = 5000000;
    c->last_stamp = 1000000;
}

void sb_fact(struct spool_builder *b, enum seep_fact key, const void *bytes, size_t length)
{
    uint8_t *p = b->facts + b->facts_bytes;
    p = seep_put_varint(p, key);
    p = seep_put_varint(p, length);
    memcpy(p, bytes, length);
    b->facts_bytes = (size_t)(p + length - b->facts);
}

void sb_fact_number(struct spool_builder *b, enum seep_fact key, uint64_t value)
{
    uint8_t bytes[SEEP_VARINT_MAX];
    sb_fact(b, key, bytes, (size_t)(seep_put_varint(bytes, value) - bytes));
}

static void restart(struct spool_builder *b, struct builder_lane *l)
{
    l->length = 0;
    l->last_stamp = b->control.start_stamp;
    l->last_address = l->last_pc = 0;
    l->last_stack = 0;
    l->start_thread = l->thread;
}

uint32_t sb_lane(struct spool_builder *b, uint32_t thread)
{
    b->lanes = realloc(b->lanes, (b->lane_count + 1) * sizeof *b->lanes);
    struct builder_lane *l = &b->lanes[b->lane_count];
    memset(l, 0, sizeof *l);
    l->index = b->lane_count++;
    l->thread = thread;
    l->capacity = SEEP_TAIL_MAX_BYTES;
    l->rows = malloc(l->capacity);
    restart(b, l);
    return l->index;
}

/* ------------------------------------------------------------------ rows */

static uint8_t *begin(struct spool_builder *b, uint32_t lane, size_t most)
{
    struct builder_lane *l = &b->lanes[lane];
    if (l->length > 0 && l->length + most > b->tail_bytes)
        sb_flush(b, lane);
    assert(l->length + most <= l->capacity);
    return l->rows + l->length;
}

static void commit(struct spool_builder *b, uint32_t lane, const uint8_t *end)
{
    b->lanes[lane].length = (size_t)(end - b->lanes[lane].rows);
}

static uint8_t *put_stamp(struct spool_builder *b, struct builder_lane *l, uint8_t *p,
                          uint64_t stamp)
{
    p = seep_put_svarint(p, (int64_t)(stamp - l->last_stamp));
    l->last_stamp = stamp;
    if (stamp > b->control.last_stamp)
        b->control.last_stamp = stamp;
    return p;
}

static uint8_t *put_address(uint8_t *first, uint8_t *p, uint64_t delta)
{
    if (*first & SEEP_ROW_UNALIGNED)
        return seep_put_svarint(p, (int64_t)delta);
    return seep_put_svarint(p, (int64_t)delta / 8);
}

static uint8_t *put_rest(struct builder_lane *l, uint8_t *first, uint8_t *p, uint32_t stack,
                         const struct builder_block *block, uint8_t usual)
{
    p = seep_put_varint(p, block->size);
    p = seep_put_svarint(p, (int64_t)stack - (int64_t)l->last_stack);
    l->last_stack = stack;
    if (block->call != usual) {
        *first |= SEEP_ROW_CALL;
        *p++ = block->call;
    }
    if (block->alignment) {
        *first |= SEEP_ROW_ALIGN;
        p = seep_put_varint(p, block->alignment);
    }
    if (block->usable != 0 && block->usable != SEEP_USABLE_GLIBC(block->size)) {
        *first |= SEEP_ROW_USABLE;
        p = seep_put_varint(p, block->usable - block->size);
    }
    return p;
}

void sb_alloc(struct spool_builder *b, uint32_t lane, uint64_t stamp, uint32_t stack,
              const struct builder_block *block)
{
    uint8_t *first = begin(b, lane, ROW_ROOM);
    struct builder_lane *l = &b->lanes[lane];
    *first = SEEP_ROW_ALLOC | ((block->address | l->last_address) & 7 ? SEEP_ROW_UNALIGNED : 0);
    uint8_t *p = put_stamp(b, l, first + 1, stamp);
    p = put_address(first, p, block->address - l->last_address);
    l->last_address = block->address;
    commit(b, lane, put_rest(l, first, p, stack, block, SEEP_CALL_MALLOC));
}

void sb_free(struct spool_builder *b, uint32_t lane, uint64_t stamp, uint8_t call, uint64_t address)
{
    uint8_t *first = begin(b, lane, ROW_ROOM);
    struct builder_lane *l = &b->lanes[lane];
    *first = SEEP_ROW_FREE | ((address | l->last_address) & 7 ? SEEP_ROW_UNALIGNED : 0);
    uint8_t *p = put_stamp(b, l, first + 1, stamp);
    p = put_address(first, p, address - l->last_address);
    l->last_address = address;
    if (call != SEEP_CALL_FREE) {
        *first |= SEEP_ROW_CALL;
        *p++ = call;
    }
    commit(b, lane, p);
}

void sb_realloc(struct spool_builder *b, uint32_t lane, uint64_t start, uint64_t end,
                uint32_t stack, uint64_t old_address, const struct builder_block *block)
{
    uint8_t *first = begin(b, lane, ROW_ROOM);
    struct builder_lane *l = &b->lanes[lane];
    *first = SEEP_ROW_REALLOC |
             ((block->address | old_address | l->last_address) & 7 ? SEEP_ROW_UNALIGNED : 0);
    uint8_t *p = put_stamp(b, l, first + 1, start);
    p = seep_put_varint(p, end - start);
    if (end > b->control.last_stamp)
        b->control.last_stamp = end;
    p = put_address(first, p, old_address - l->last_address);
    p = put_address(first, p, block->address - old_address);
    l->last_address = block->address;
    commit(b, lane, put_rest(l, first, p, stack, block, SEEP_CALL_REALLOC));
}

void sb_failed(struct spool_builder *b, uint32_t lane, uint64_t stamp, uint32_t stack, uint8_t call,
               uint64_t address, uint64_t size)
{
    uint8_t *first = begin(b, lane, ROW_ROOM);
    struct builder_lane *l = &b->lanes[lane];
    *first = SEEP_ROW_FAILED | SEEP_ROW_CALL | (address & 7 ? SEEP_ROW_UNALIGNED : 0);
    uint8_t *p = put_stamp(b, l, first + 1, stamp);
    p = put_address(first, p, address);
    p = seep_put_varint(p, size);
    p = seep_put_svarint(p, (int64_t)stack - (int64_t)l->last_stack);
    l->last_stack = stack;
    *p++ = call;
    commit(b, lane, p);
}

void sb_stack(struct spool_builder *b, uint32_t lane, uint32_t id, uint32_t parent, uint64_t pc,
              uint8_t flags)
{
    uint8_t *p = begin(b, lane, ROW_ROOM);
    struct builder_lane *l = &b->lanes[lane];
    *p++ = SEEP_ROW_STACK | flags;
    p = seep_put_varint(p, id);
    p = seep_put_varint(p, parent);
    p = seep_put_svarint(p, (int64_t)(pc - l->last_pc));
    l->last_pc = pc;
    commit(b, lane, p);
}

void sb_root(struct spool_builder *b, uint32_t lane, uint32_t id, uint32_t generation)
{
    uint8_t *p = begin(b, lane, ROW_ROOM);
    *p++ = SEEP_ROW_STACK | SEEP_ROW_ROOT;
    p = seep_put_varint(p, id);
    commit(b, lane, seep_put_varint(p, generation));
}

void sb_beside(struct spool_builder *b, uint32_t lane, uint64_t stamp, enum seep_beside kind,
               const void *bytes, size_t length)
{
    uint8_t *p = begin(b, lane, ROW_ROOM + length);
    *p++ = SEEP_ROW_BESIDE;
    p = seep_put_varint(p, kind);
    p = put_stamp(b, &b->lanes[lane], p, stamp);
    p = seep_put_varint(p, length);
    memcpy(p, bytes, length);
    commit(b, lane, p + length);
}

void sb_thread(struct spool_builder *b, uint32_t lane, uint64_t stamp, uint32_t thread,
               uint32_t tid, const char *name)
{
    uint8_t payload[64];
    uint8_t *p = seep_put_varint(payload, thread);
    p = seep_put_varint(p, tid);
    memcpy(p, name, strlen(name));
    p += strlen(name);
    sb_beside(b, lane, stamp, SEEP_BESIDE_THREAD_START, payload, (size_t)(p - payload));
    b->lanes[lane].thread = thread;
}

void sb_bytes(struct spool_builder *b, uint32_t lane, const void *bytes, size_t length)
{
    uint8_t *p = begin(b, lane, length);
    memcpy(p, bytes, length);
    commit(b, lane, p + length);
}

/* ------------------------------------------------------------------ files */

static void write_chunk(struct spool_builder *b, const struct builder_lane *l, size_t rows_bytes)
{
    uint32_t space = (uint32_t)(sizeof(struct seep_rows_header) + l->length + SEEP_ROWS_ALIGN - 1) /
                     SEEP_ROWS_ALIGN * SEEP_ROWS_ALIGN;
    struct seep_rows_header h = {.magic = SEEP_ROWS_MAGIC,
                                 .lane = l->index,
                                 .sequence = l->sequence,
                                 .bytes = (uint32_t)l->length,
                                 .thread = l->start_thread,
                                 .space_bytes = space};
    h.checksum = seep_crc32c(0, &h, offsetof(struct seep_rows_header, checksum));
    off_t at = (off_t)b->control.rows_end;
    b->control.rows_end += space;
    int result = ftruncate(b->rows_fd, (off_t)b->control.rows_end);
    ssize_t put = pwrite(b->rows_fd, &h, sizeof h, at);
    put += pwrite(b->rows_fd, l->rows, rows_bytes, at + (off_t)sizeof h);
    assert(result == 0 && put == (ssize_t)(sizeof h + rows_bytes));
    (void)result;
    (void)put;
}

void sb_flush(struct spool_builder *b, uint32_t lane)
{
    struct builder_lane *l = &b->lanes[lane];
    write_chunk(b, l, l->length);
    l->sequence++;
    restart(b, l);
}

void sb_flush_unsaid(struct spool_builder *b, uint32_t lane, size_t cut_bytes)
{
    struct builder_lane *l = &b->lanes[lane];
    write_chunk(b, l, l->length > cut_bytes ? l->length - cut_bytes : 0);
}

void sb_hole(struct spool_builder *b, uint32_t bytes)
{
    b->control.rows_end += bytes;
    int result = ftruncate(b->rows_fd, (off_t)b->control.rows_end);
    assert(result == 0);
    (void)result;
}

void sb_lose(struct spool_builder *b, uint32_t lane)
{
    b->lanes[lane].sequence++;
    restart(b, &b->lanes[lane]);
}

void sb_snapshot(struct spool_builder *b, uint64_t monotonic_ns, enum seep_beside kind,
                 const void *bytes, size_t length)
{
    uint32_t words[2] = {kind, (uint32_t)length};
    put_all(b->snapshots_fd, &monotonic_ns, 8);
    put_all(b->snapshots_fd, words, 8);
    put_all(b->snapshots_fd, bytes, length);
}

void sb_finish(struct spool_builder *b)
{
    struct seep_control *c = &b->control;
    c->lane_count = b->lane_count;
    c->facts_offset = sizeof *c + b->lane_count * sizeof(struct seep_lane);
    c->facts_bytes = b->facts_bytes;
    off_t tails = (off_t)(c->facts_offset + b->facts_bytes);
    if (c->last_ns == 0 && c->last_stamp > c->start_stamp && c->last_seq == 0)
        c->last_ns = c->start_ns + (c->last_stamp - c->start_stamp) / 2;
    int control = create(b, "control");
    put_all(control, c, sizeof *c);
    for (uint32_t i = 0; i < b->lane_count; i++) {
        struct builder_lane *l = &b->lanes[i];
        struct seep_lane lane = {.word = (uint64_t)l->sequence << 32 | l->length};
        unsigned side = l->sequence & 1;
        lane.tail_offset[side] = (uint64_t)tails + (uint64_t)i * SEEP_TAIL_MAX_BYTES;
        lane.tail_bytes[side] = SEEP_TAIL_MAX_BYTES;
        lane.thread[side] = l->start_thread;
        lane.thread[!side] = 0xdeadbeef; /* of a sequence that is over */
        put_all(control, &lane, sizeof lane);
        ssize_t put = pwrite(control, l->rows, l->length, (off_t)lane.tail_offset[side]);
        assert(put == (ssize_t)l->length);
        (void)put;
        free(l->rows);
    }
    put_all(control, b->facts, b->facts_bytes);
    int result = ftruncate(control, tails + (off_t)b->lane_count * SEEP_TAIL_MAX_BYTES);
    assert(result == 0);
    (void)result;
    close(control);
    close(b->rows_fd);
    close(b->snapshots_fd);
    free(b->lanes);
    b->lanes = NULL;
}
