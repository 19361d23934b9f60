/* SPDX-License-Identifier: MIT */
#include "trace/chunk_list.h"

#define HEADER_BYTES sizeof(struct seep_chunk_header)
#define WINDOW_BYTES 65536

void chunk_list_release(struct chunk_list *l)
{
    if (!l)
        return;
    free(l->entries);
    *l = (struct chunk_list){0};
}

static const struct chunk_entry *last_of(const struct chunk_list *l)
{
    return l->count ? &l->entries[l->count - 1] : NULL;
}

/* Numbers rise, so that an old chunk, or the image of one within another, is not taken for the
 * next. */
static bool follows(const struct chunk_list *l, const struct seep_chunk_header *h)
{
    return chunk_header_ok(h) && (!l->count || h->number > last_of(l)->header.number);
}

/* Finds the next chunk header at or behind `*offset`; *found says whether there is one. */
static enum seep_err search(const struct chunk_list *l, const struct source *s, uint64_t *offset,
                            bool *found, struct err *err)
{
    uint8_t *window = mem_alloc(WINDOW_BYTES);
    enum seep_err code = SEEP_OK;
    *found = false;
    while (!*found && *offset + HEADER_BYTES <= s->size_bytes) {
        size_t length = WINDOW_BYTES;
        if (length > s->size_bytes - *offset)
            length = (size_t)(s->size_bytes - *offset);
        bool got;
        code = source_read(s, *offset, window, length, &got, err);
        if (code || !got)
            break;
        size_t at = 0;
        for (; !*found && at + HEADER_BYTES <= length; at += !*found) {
            struct seep_chunk_header h;
            memcpy(&h.magic, window + at, sizeof h.magic);
            if (h.magic != SEEP_CHUNK_MAGIC)
                continue;
            memcpy(&h, window + at, sizeof h);
            *found = follows(l, &h);
        }
        *offset += at;
    }
    free(window);
    return code;
}

static enum seep_err read_group_head(struct chunk_list *l, const struct source *s,
                                     struct chunk_entry *entry, struct err *err)
{
    bool got = false;
    if (entry->header.type != SEEP_CHUNK_GROUP)
        return SEEP_OK;
    if (entry->header.stored_bytes >= sizeof entry->group) {
        enum seep_err code = source_read(s, entry->offset + HEADER_BYTES, &entry->group,
                                         sizeof entry->group, &got, err);
        if (code)
            return code;
    }
    entry->group_ok = got && chunk_group_ok(&entry->group);
    uint64_t end = entry->group.first_event + entry->group.event_count;
    if (entry->group_ok && end > l->known_events)
        l->known_events = end;
    return SEEP_OK;
}

static void note_damage(struct chunk_list *l, uint64_t offset)
{
    if (!l->damaged)
        l->damage_bytes = offset;
    l->damaged = true;
}

/* Takes the chunk at `*offset` and moves behind it; false where there is none. */
static enum seep_err take(struct chunk_list *l, const struct source *s, uint64_t *offset,
                          bool *taken, struct err *err)
{
    struct chunk_entry entry = {.offset = *offset};
    *taken = false;
    enum seep_err code = source_read(s, *offset, &entry.header, HEADER_BYTES, taken, err);
    if (code || !*taken || !follows(l, &entry.header)) {
        *taken = false;
        return code;
    }
    code = read_group_head(l, s, &entry, err);
    if (code)
        return code;
    if (entry.header.stored_bytes > s->size_bytes - *offset - HEADER_BYTES) {
        /* cut, or its end is missing in the middle of the file */
        uint64_t next = *offset + HEADER_BYTES;
        bool found;
        code = search(l, s, &next, &found, err);
        if (found)
            note_damage(l, *offset);
        *offset = found ? next : s->size_bytes;
        return code;
    }
    const struct chunk_entry *last = last_of(l);
    uint64_t missing = entry.header.number - (last ? last->header.number + 1 : 0);
    uint64_t from = last ? last->offset + HEADER_BYTES : sizeof(struct seep_file_header);
    uint64_t room = (*offset - from) / HEADER_BYTES;
    entry.missing = (uint32_t)(missing < room ? missing : room);
    if (entry.missing)
        note_damage(l, from);
    MEM_GROW(l->entries, l->capacity, l->count + 1);
    l->entries[l->count++] = entry;
    *offset += HEADER_BYTES + entry.header.stored_bytes;
    return SEEP_OK;
}

/* Whether a trailer that names the last chunk, an INDEX, ends the file at `offset`. */
static enum seep_err at_end(const struct chunk_list *l, const struct source *s, uint64_t offset,
                            bool *end, struct err *err)
{
    struct seep_trailer trailer;
    *end = false;
    if (s->size_bytes - offset != sizeof trailer)
        return SEEP_OK;
    enum seep_err code = source_read(s, offset, &trailer, sizeof trailer, end, err);
    const struct chunk_entry *last = last_of(l);
    *end = !code && *end && last && chunk_trailer_ok(&trailer) &&
           last->header.type == SEEP_CHUNK_INDEX && last->offset == trailer.index_offset;
    return code;
}

enum seep_err chunk_list_read(struct chunk_list *l, const struct source *s, struct err *err)
{
    *l = (struct chunk_list){.truncated = true};
    uint64_t offset = sizeof(struct seep_file_header);
    enum seep_err code = SEEP_OK;
    while (!code && offset < s->size_bytes) {
        bool good;
        code = at_end(l, s, offset, &good, err);
        if (code || good) {
            l->truncated = !good;
            break;
        }
        code = take(l, s, &offset, &good, err);
        if (code || good || offset >= s->size_bytes)
            continue;
        bool cut = s->size_bytes - offset < HEADER_BYTES;
        /* the header before may have told a wrong length, too */
        uint64_t next = l->count ? last_of(l)->offset + HEADER_BYTES : offset;
        code = search(l, s, &next, &good, err);
        if (code || (!good && cut))
            break;
        note_damage(l, offset);
        offset = good ? next : s->size_bytes;
    }
    return code;
}

enum seep_err chunk_load(const struct chunk_entry *entry, const struct source *s,
                         struct bytes *payload, bool *good, struct err *err)
{
    const struct seep_chunk_header *h = &entry->header;
    payload->length = 0;
    enum seep_err code =
        source_read(s, entry->offset + HEADER_BYTES, bytes_room(payload, h->stored_bytes),
                    h->stored_bytes, good, err);
    if (code || !*good)
        return code;
    payload->length = h->stored_bytes;
    *good = chunk_crc_ok(h->payload_checksum, payload->data, payload->length);
    return SEEP_OK;
}
