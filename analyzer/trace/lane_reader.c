/* SPDX-License-Identifier: MIT */
#include "trace/lane_reader.h"

#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seep/trace_codec.h"

_Static_assert(LANE_RING >= 2 * LANE_WINDOW, "a batch must fit");
_Static_assert((LANE_RING & (LANE_RING - 1)) == 0, "indices are masked");

static const struct spool_lane *lane_of(const struct lane_reader *r)
{
    return &r->spool->lanes[r->lane];
}

/* The piece being decoded; one was begun. */
static const struct spool_piece *current(const struct lane_reader *r)
{
    return &lane_of(r)->pieces[r->next_piece - 1];
}

static struct place *ring_at(const struct lane_reader *r, uint32_t i)
{
    return &r->ring[(r->head + i) & (LANE_RING - 1)];
}

void lane_reader_init(struct lane_reader *r, const struct spool *spool,
                      const struct spool_notes *notes, struct stack_map *stacks, uint32_t lane,
                      size_t buffer_bytes)
{
    *r = (struct lane_reader){
        .spool = spool, .notes = notes, .stacks = stacks, .lane = lane, .capacity = buffer_bytes};
    r->buffer = mem_alloc(buffer_bytes);
    r->ring = mem_aligned(sizeof *r->ring, LANE_RING * sizeof *r->ring);
    r->p = r->end = r->buffer;
}

void lane_reader_release(struct lane_reader *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        if (ring_at(r, i)->type == PLACE_BESIDE)
            free(ring_at(r, i)->payload);
    }
    free(r->buffer);
    free(r->ring);
    *r = (struct lane_reader){0};
}

/* ------------------------------------------------------------------ bytes */

static void lose_rest(struct lane_reader *r, const char *why, uint64_t offset)
{
    const struct spool_piece *piece = current(r);
    r->lost++;
    r->p = r->end = r->buffer;
    r->skip = true;
    if (r->notes != NULL && r->notes->note != NULL) {
        char text[160];
        snprintf(text, sizeof text, "lane %u: rows of sequence %u from byte %llu on %s", r->lane,
                 piece->sequence, (unsigned long long)offset, why);
        r->notes->note(r->notes->arg, text);
    }
}

/* Makes sure that the next row lies whole in the buffer. False: the lane has no more bytes. */
static bool fill(struct lane_reader *r)
{
    size_t have = (size_t)(r->end - r->p);
    while (have == 0 && (r->next_piece == 0 || r->skip || r->piece_at == current(r)->bytes)) {
        if (r->next_piece == lane_of(r)->piece_count)
            return false;
        r->next_piece++;
        r->state = (struct row_state){.stamp = r->spool->control.start_stamp};
        r->piece_at = 0;
        r->skip = false;
    }
    const struct spool_piece *piece = current(r);
    if (have >= ROW_BYTES_LIMIT || r->piece_at == piece->bytes)
        return true;
    /* not earlier: an empty tail may still change hands */
    if (r->piece_at == 0)
        r->thread = piece->thread;
    r->piece_position = (uint64_t)piece->sequence << 32;
    memmove(r->buffer, r->p, have);
    size_t want = r->capacity - have;
    if (want > piece->bytes - r->piece_at)
        want = piece->bytes - r->piece_at;
    ssize_t got = spool_read(r->spool, piece, r->piece_at, r->buffer + have, want);
    r->p = r->buffer;
    r->end = r->buffer + have + (got > 0 ? (size_t)got : 0);
    r->piece_at += got > 0 ? (uint32_t)got : 0;
    r->bytes_read += got > 0 ? (uint64_t)got : 0;
    if (got < (ssize_t)want) {
        if (r->p == r->end)
            lose_rest(r, got < 0 ? "cannot be read" : "are cut off", r->piece_at);
        else
            /* decode what is there; the next call comes here again with nothing in the buffer */
            return true;
    }
    return true;
}

/* ------------------------------------------------------------------ rows to places */

/* Where the next place is made. */
static struct place *ring_end(const struct lane_reader *r)
{
    return ring_at(r, r->count);
}

/* Takes the place that was made at ring_end() in: mostly it is in order already. */
static void insert(struct lane_reader *r)
{
    uint32_t i = r->count++;
    if (i == 0 || ring_at(r, i - 1)->stamp <= ring_at(r, i)->stamp)
        return;
    struct place place = *ring_at(r, i);
    for (; i > 0 && ring_at(r, i - 1)->stamp > place.stamp; i--)
        *ring_at(r, i) = *ring_at(r, i - 1);
    *ring_at(r, i) = place;
}

static void define(const struct lane_reader *r, struct stack_map *stacks, const struct row *row)
{
    uint64_t shift = row->flags & SEEP_ROW_ROOT ? r->spool->generation_shift : 0;
    stack_map_define(stacks, row->stack, row->parent, row->pc + shift, row->flags);
}

static void take_beside(struct lane_reader *r, const struct row *row, struct place *place)
{
    if (row->beside == SEEP_BESIDE_CLOCK)
        return;
    if (row->beside == SEEP_BESIDE_THREAD_START) {
        const uint8_t *p = row->payload;
        uint64_t thread;
        if (seep_get_varint(&p, p + row->payload_bytes, &thread) && thread <= UINT32_MAX)
            r->thread = place->thread = (uint32_t)thread;
    }
    place->type = PLACE_BESIDE;
    place->alignment = row->beside;
    place->payload = mem_alloc(row->payload_bytes);
    memcpy(place->payload, row->payload, row->payload_bytes);
    place->payload_bytes = row->payload_bytes;
    insert(r);
}

/* Makes a place of the row at one of its two moments. */
static struct place *make_place(struct lane_reader *r, const struct row *row, enum place_type type,
                                uint64_t stamp, uint64_t address)
{
    struct place *place = ring_end(r);
    *place =
        (struct place){.stamp = stamp,
                       .address = place_key(address, row->call),
                       .position = r->piece_position | (r->piece_at - (uint32_t)(r->end - r->p)),
                       .thread = r->thread,
                       .lane = (uint16_t)r->lane,
                       .row = r->row,
                       .type = (uint8_t)type,
                       .call = row->call,
                       .late = stamp < r->last_stamp};
    return place;
}

static void take_row(struct lane_reader *r, const struct row *row)
{
    static const uint8_t types[] = {[SEEP_ROW_ALLOC] = PLACE_ALLOC,
                                    [SEEP_ROW_FREE] = PLACE_FREE,
                                    [SEEP_ROW_REALLOC] = PLACE_REALLOC_END,
                                    [SEEP_ROW_FAILED] = PLACE_FAILED,
                                    [SEEP_ROW_BESIDE] = PLACE_BESIDE};
    if (row->op == SEEP_ROW_STACK) {
        define(r, r->stacks, row);
        return;
    }
    uint64_t stamp = row->stamp;
    if (row->op == SEEP_ROW_REALLOC) {
        make_place(r, row, PLACE_REALLOC_START, stamp, row->old_address);
        insert(r);
        stamp = row->end_stamp;
    }
    struct place *place = make_place(r, row, types[row->op], stamp, row->address);
    if (row->op == SEEP_ROW_BESIDE) {
        take_beside(r, row, place);
        return;
    }
    place->stack = row->stack;
    if (row->op != SEEP_ROW_FREE) {
        place->size = row->size;
        place->usable = row->usable;
        place->alignment = row->alignment;
    }
    insert(r);
}

/* Decodes until the ring holds two windows, or the lane ends. */
void lane_reader_refill(struct lane_reader *r)
{
    struct row row = {0};
    while (r->count + 2 <= LANE_RING) {
        if (r->end - r->p < ROW_BYTES_LIMIT && !fill(r)) {
            r->ended = true;
            return;
        }
        if (r->p == r->end)
            continue;
        enum row_result result = row_decode(&r->p, r->end, &r->state, &row);
        if (result == ROW_OK) {
            take_row(r, &row);
            r->row++;
            continue;
        }
        if (result == ROW_DAMAGED) {
            lose_rest(r, "make no sense", r->piece_at - (uint64_t)(r->end - r->p));
        } else {
            r->p = r->end = r->buffer;
            r->skip = true;
        }
    }
}

void lane_reader_renew(struct lane_reader *r)
{
    r->ended = false;
    /* a tail may have more definitions */
    if (r->scanned_pieces > 0 && r->scanned_pieces == r->known_pieces)
        r->scanned_pieces--;
    r->known_pieces = lane_of(r)->piece_count;
}

size_t lane_reader_done_pieces(const struct lane_reader *r)
{
    return r->next_piece > 0 ? r->next_piece - 1 : 0;
}

/* ------------------------------------------------------------------ reading ahead */

/* Decodes a whole piece for its definitions (where `stacks` is not NULL) and newest stamp. */
static uint64_t scan_piece(const struct lane_reader *r, const struct spool_piece *piece,
                           struct stack_map *stacks)
{
    uint8_t *bytes = mem_alloc(piece->bytes);
    ssize_t got = spool_read(r->spool, piece, 0, bytes, piece->bytes);
    const uint8_t *p = bytes, *end = bytes + (got > 0 ? got : 0);
    struct row_state state = {.stamp = r->spool->control.start_stamp};
    struct row row;
    uint64_t newest = 0;
    while (row_decode(&p, end, &state, &row) == ROW_OK) {
        if (row.op == SEEP_ROW_STACK) {
            if (stacks != NULL)
                define(r, stacks, &row);
        } else if (row.stamp > newest) {
            newest = row.stamp;
        }
    }
    free(bytes);
    return newest;
}

bool lane_reader_scan(struct lane_reader *r)
{
    /* The piece being decoded is read again from its start: what was defined stays as it is. */
    size_t from = r->next_piece > 0 ? r->next_piece - 1 : 0;
    if (r->scanned_pieces < from)
        r->scanned_pieces = from;
    if (r->scanned_pieces >= lane_of(r)->piece_count)
        return false;
    scan_piece(r, &lane_of(r)->pieces[r->scanned_pieces++], r->stacks);
    return true;
}

uint64_t lane_reader_newest(const struct lane_reader *r)
{
    const struct spool_lane *lane = lane_of(r);
    return lane->piece_count > 0 ? scan_piece(r, &lane->pieces[lane->piece_count - 1], NULL) : 0;
}
