/* SPDX-License-Identifier: MIT */
#include "trace/records.h"

void records_put(struct columns *c, struct record_place *place, const struct record *record)
{
    struct bytes *heads = &c->column[SEEP_COLUMN_RECORDS];
    bytes_varint(heads, record->beside.kind);
    bytes_varint(heads, record->number - place->number);
    bytes_varint(heads, record->time_ns - place->time_ns);
    bytes_varint(heads, record->beside.length);
    bytes_add(&c->column[SEEP_COLUMN_RECORD_BYTES], record->beside.bytes, record->beside.length);
    *place = (struct record_place){record->number, record->time_ns};
}

void records_begin(struct records *r, const struct columns *c)
{
    *r = (struct records){
        .heads = cursor_of(&c->column[SEEP_COLUMN_RECORDS]),
        .bytes = cursor_of(&c->column[SEEP_COLUMN_RECORD_BYTES]),
    };
}

bool records_next(struct records *r, struct record *record)
{
    if (cursor_done(&r->heads))
        return false;
    record->beside.kind = (enum seep_beside)cursor_bounded(&r->heads, UINT16_MAX);
    r->place.number += cursor_bounded(&r->heads, INT64_MAX);
    r->place.time_ns += cursor_bounded(&r->heads, INT64_MAX);
    uint64_t length = cursor_bounded(&r->heads, SEEP_BESIDE_BYTES_MAX);
    record->beside.length = (size_t)length;
    record->beside.bytes = cursor_take(&r->bytes, length);
    record->number = r->place.number;
    record->time_ns = r->place.time_ns;
    return !r->heads.bad && !r->bytes.bad;
}
