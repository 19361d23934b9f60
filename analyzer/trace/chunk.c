/* SPDX-License-Identifier: MIT */
#include "trace/chunk.h"

#include <inttypes.h>

_Static_assert(sizeof(struct seep_file_header) == 32, "on disk");
_Static_assert(sizeof(struct seep_chunk_header) == 32, "on disk");
_Static_assert(sizeof(struct seep_trailer) == 24, "on disk");
_Static_assert(sizeof(struct seep_group_header) == 64, "on disk");
_Static_assert(sizeof(struct seep_column_entry) == 12, "on disk");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "structs are copied as they lie in memory");

/* Remainders of the sixteen half bytes, for processors that cannot do it themselves. */
static const uint32_t crc_half[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t length)
{
    while (length--) {
        crc ^= *p++;
        crc = crc >> 4 ^ crc_half[crc & 15];
        crc = crc >> 4 ^ crc_half[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)
/* The processor knows this very polynomial. */
__attribute__((target("sse4.2"))) static uint32_t crc_add_fast(uint64_t crc, const uint8_t *p,
                                                               size_t length)
{
    for (; length >= 8; p += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    return crc_add((uint32_t)crc, p, length);
}
#endif

uint32_t chunk_crc(const void *data, size_t length)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_add_fast(~0u, data, length);
#endif
    return ~crc_add(~0u, data, length);
}

bool chunk_crc_ok(uint32_t stored, const void *data, size_t length)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    (void)stored, (void)data, (void)length;
    return true;
#else
    return stored == chunk_crc(data, length);
#endif
}

struct seep_file_header chunk_file_header(void)
{
    struct seep_file_header h = {.version = SEEP_TRACE_VERSION};
    memcpy(h.magic, SEEP_TRACE_MAGIC, sizeof h.magic);
    h.checksum = chunk_crc(&h, offsetof(struct seep_file_header, checksum));
    return h;
}

enum seep_err chunk_check_file_header(const uint8_t *start, size_t length, const char *name,
                                      struct err *err)
{
    struct seep_file_header h = {0};
    memcpy(&h, start, length < sizeof h ? length : sizeof h);
    for (size_t i = 0; i < sizeof h.magic; i++)
        if (i >= length || h.magic[i] != (uint8_t)SEEP_TRACE_MAGIC[i])
            return err_set(err, SEEP_ERR_NOT_TRACE, i,
                           length == 0   ? "%s: not a trace: the file is empty"
                           : i >= length ? "%s: not a trace: it ends at byte %zu"
                                         : "%s: not a trace", /* the error has the offset */
                           name, i);
    if (length < sizeof h)
        return err_set(err, SEEP_ERR_DAMAGED, length,
                       "%s: cut off within its file header, at byte %zu", name, length);
    if (!chunk_crc_ok(h.checksum, &h, offsetof(struct seep_file_header, checksum)))
        return err_set(err, SEEP_ERR_DAMAGED, 0, "%s: the file header is damaged (bytes 0 to %zu)",
                       name, sizeof h - 1);
    if (h.version == 0)
        return err_set(err, SEEP_ERR_VERSION, offsetof(struct seep_file_header, version),
                       "%s: trace format version 0, which was not meant to last: it was made by a "
                       "seep before 1.0, record the program again",
                       name);
    if (h.version > SEEP_TRACE_VERSION)
        return err_set(err, SEEP_ERR_VERSION, offsetof(struct seep_file_header, version),
                       "%s: trace format version %" PRIu32 ", this program knows up to version %u",
                       name, h.version, SEEP_TRACE_VERSION);
    return SEEP_OK;
}

struct seep_chunk_header chunk_header(enum seep_chunk_type type, uint32_t number,
                                      const struct bytes *stored)
{
    struct seep_chunk_header h = {
        .magic = SEEP_CHUNK_MAGIC,
        .type = (uint16_t)type,
        .stored_bytes = stored->length,
        .number = number,
        .payload_checksum = chunk_crc(stored->data, stored->length),
    };
    h.header_checksum = chunk_crc(&h, offsetof(struct seep_chunk_header, header_checksum));
    return h;
}

bool chunk_header_ok(const struct seep_chunk_header *h)
{
    return h->magic == SEEP_CHUNK_MAGIC &&
           chunk_crc_ok(h->header_checksum, h, offsetof(struct seep_chunk_header, header_checksum));
}

struct seep_trailer chunk_trailer(uint64_t index_offset)
{
    struct seep_trailer t = {.index_offset = index_offset};
    t.checksum = chunk_crc(&t, offsetof(struct seep_trailer, checksum));
    memcpy(t.magic, SEEP_TRAILER_MAGIC, sizeof t.magic);
    return t;
}

bool chunk_trailer_ok(const struct seep_trailer *t)
{
    return memcmp(t->magic, SEEP_TRAILER_MAGIC, sizeof t->magic) == 0 &&
           chunk_crc_ok(t->checksum, t, offsetof(struct seep_trailer, checksum));
}

void chunk_seal_group(struct seep_group_header *h)
{
    h->checksum = chunk_crc(h, offsetof(struct seep_group_header, checksum));
}

bool chunk_group_ok(const struct seep_group_header *h)
{
    return chunk_crc_ok(h->checksum, h, offsetof(struct seep_group_header, checksum)) &&
           h->event_count <= SEEP_PART_EVENTS_MAX && h->slot_count <= SEEP_LIVE_MAX &&
           h->live_count <= h->slot_count && h->flight_count <= SEEP_FLIGHTS_MAX &&
           h->first_event < UINT64_C(1) << 55 && h->table_bits >= SEEP_TABLE_BITS_MIN &&
           h->table_bits <= SEEP_TABLE_BITS_MAX && h->unit_us && h->unit_us <= SEEP_UNIT_US_MAX &&
           h->start_ns <= h->end_ns + h->unit_us * UINT64_C(1000) && h->end_ns <= INT64_MAX;
}
