/* SPDX-License-Identifier: MIT */
#include "trace/columns.h"

#include <zstd.h>

/* Below this a frame's header and tables cost more than they save. */
#define COMPRESS_FROM_BYTES 32

struct table_head {
    uint16_t count, reserved;
};

void columns_release(struct columns *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < SEEP_COLUMNS_MAX; i++)
        bytes_release(&c->column[i]);
    ZSTD_freeCCtx(c->compressor);
    ZSTD_freeDCtx(c->decompressor);
    *c = (struct columns){0};
}

void columns_clear(struct columns *c)
{
    for (unsigned i = 0; i < SEEP_COLUMNS_MAX; i++)
        c->column[i].length = 0;
}

size_t columns_raw_bytes(const struct columns *c)
{
    size_t sum = 0;
    for (unsigned i = 0; i < SEEP_COLUMNS_MAX; i++)
        sum += c->column[i].length;
    return sum;
}

/* Appends the column's frame and returns its entry. */
static struct seep_column_entry encode(struct columns *c, unsigned id, int level, struct bytes *out)
{
    const struct bytes *raw = &c->column[id];
    struct seep_column_entry entry = {.column = (uint16_t)id, .raw_bytes = (uint32_t)raw->length};
    size_t bound = ZSTD_compressBound(raw->length), stored = raw->length;
    if (raw->length >= COMPRESS_FROM_BYTES) {
        if (!c->compressor && !(c->compressor = ZSTD_createCCtx()))
            mem_alloc(SIZE_MAX / 2); /* ends the program like any other lack of memory */
        uint8_t *room = bytes_room(out, bound);
        size_t n = ZSTD_compressCCtx(c->compressor, room, bound, raw->data, raw->length, level);
        if (!ZSTD_isError(n) && n < raw->length) {
            entry.encoding = SEEP_ENCODING_ZSTD;
            stored = n;
        }
    }
    if (entry.encoding == SEEP_ENCODING_RAW)
        memcpy(bytes_room(out, stored), raw->data, stored);
    out->length += stored;
    entry.stored_bytes = (uint32_t)stored;
    return entry;
}

void columns_encode(struct columns *c, unsigned from, unsigned to, int level, struct bytes *out,
                    uint64_t *stored)
{
    struct table_head head = {0};
    for (unsigned id = from; id < to; id++)
        head.count += c->column[id].length != 0;
    bytes_add(out, &head, sizeof head);
    size_t at = out->length, table_bytes = head.count * sizeof(struct seep_column_entry);
    memset(bytes_room(out, table_bytes), 0, table_bytes);
    out->length += table_bytes;
    for (unsigned id = from; id < to; id++) {
        if (stored)
            stored[id] = 0;
        if (!c->column[id].length)
            continue;
        struct seep_column_entry entry = encode(c, id, level, out);
        memcpy(out->data + at, &entry, sizeof entry);
        at += sizeof entry;
        if (stored)
            stored[id] = entry.stored_bytes;
    }
}

bool columns_parse(struct columns_table *t, const uint8_t *payload, size_t length)
{
    memset(t, 0, sizeof *t);
    struct table_head head;
    struct cursor c = cursor_at(payload, length);
    const uint8_t *at = cursor_take(&c, sizeof head);
    if (!at)
        return false;
    memcpy(&head, at, sizeof head);
    const uint8_t *table = cursor_take(&c, head.count * sizeof(struct seep_column_entry));
    if (head.count > SEEP_COLUMNS_MAX || !table)
        return false;
    for (unsigned i = 0; i < head.count; i++) {
        struct seep_column_entry entry;
        memcpy(&entry, table + i * sizeof entry, sizeof entry);
        const uint8_t *stored = cursor_take(&c, entry.stored_bytes);
        if (!stored || !entry.raw_bytes)
            return false;
        if (entry.column >= SEEP_COLUMNS_MAX)
            continue;
        if (t->entry[entry.column].raw_bytes)
            return false;
        t->entry[entry.column] = entry;
        t->stored[entry.column] = stored;
    }
    return true;
}

bool columns_decode(struct columns *c, const struct columns_table *t, unsigned id,
                    uint64_t max_bytes)
{
    const struct seep_column_entry *entry = &t->entry[id];
    struct bytes *raw = &c->column[id];
    raw->length = 0;
    if (entry->raw_bytes > max_bytes)
        return false;
    if (!entry->raw_bytes)
        return true;
    switch (entry->encoding) {
    case SEEP_ENCODING_RAW:
        if (entry->stored_bytes != entry->raw_bytes)
            return false;
        bytes_add(raw, t->stored[id], entry->raw_bytes);
        return true;
    case SEEP_ENCODING_ZSTD:
        if (ZSTD_getFrameContentSize(t->stored[id], entry->stored_bytes) != entry->raw_bytes)
            return false;
        if (!c->decompressor && !(c->decompressor = ZSTD_createDCtx()))
            mem_alloc(SIZE_MAX / 2);
        raw->length = ZSTD_decompressDCtx(c->decompressor, bytes_room(raw, entry->raw_bytes),
                                          entry->raw_bytes, t->stored[id], entry->stored_bytes);
        if (raw->length == entry->raw_bytes) /* an error is no such number */
            return true;
        raw->length = 0;
        return false;
    default: return false;
    }
}
