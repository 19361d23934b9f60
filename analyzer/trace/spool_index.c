/* SPDX-License-Identifier: MIT
 *
 * Finding the pieces of a spool's lanes: chunks in `rows`, by the headers that stand at multiples
 * of SEEP_ROWS_ALIGN, and tails, by the array of lanes in `control`. */
#include "trace/row.h"
#include "trace/spool.h"

#include "seep/crc32c.h"
#include "seep/trace_codec.h"
#include "util/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#define CHUNK_ROWS_LIMIT (16u << 20) /* far above SEEP_TAIL_MAX_BYTES: only keeps nonsense out */
#define HEAD_BYTES 96                /* a header, and room for a CLOCK row behind it */
#define TAIL_TRIES 1000

struct indexer {
    struct spool *s;
    const struct spool_notes *notes;
};

static void note(struct indexer *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct indexer *x, const char *format, ...)
{
    if (x->notes == NULL || x->notes->note == NULL)
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    x->notes->note(x->notes->arg, text);
}

static void add_piece(struct spool *s, struct spool_piece piece)
{
    MEM_GROW(s->pieces, s->piece_capacity, s->piece_count + 1);
    s->pieces[s->piece_count++] = piece;
}

/* ------------------------------------------------------------------ tails */

/* No reading of the recorder's clock that comes later is part of the picture of a running process:
 * tails are copied one after the other, and a free must not be seen without its allocation. Rows
 * stamped before but not yet published when their tail is copied would be missing all the same;
 * waiting a moment leaves that to threads that were descheduled in the middle of a hook. */
static uint64_t stamp_now(const struct spool *s)
{
    struct timespec ts;
#if defined(__x86_64__)
    if (s->control.clock == SEEP_CLOCK_TSC)
        return __rdtsc();
#endif
    if (s->control.clock != SEEP_CLOCK_MONOTONIC || clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
        return UINT64_MAX;
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool read_lane(const struct spool *s, uint32_t number, struct seep_lane *lane)
{
    return spool_pread(s->control_fd, lane, sizeof *lane,
                       sizeof(struct seep_control) + (uint64_t)number * sizeof *lane);
}

/* What `word` of a lane names. False: the lane has no tail. *sound says whether it makes sense. */
static bool tail_of(const struct seep_lane *lane, uint32_t number, uint64_t tails_size,
                    struct spool_piece *piece, bool *sound)
{
    uint32_t sequence = (uint32_t)(lane->word >> 32);
    uint32_t side = sequence & 1;
    *sound = true;
    if (lane->tail_bytes[side] == 0)
        return false;
    *piece = (struct spool_piece){.offset = lane->tail_offset[side],
                                  .lane = number,
                                  .sequence = sequence,
                                  .bytes = (uint32_t)lane->word,
                                  .thread = lane->thread[side],
                                  .file = SPOOL_TAILS};
    *sound = piece->bytes <= lane->tail_bytes[side] && piece->offset <= tails_size &&
             piece->bytes <= tails_size - piece->offset;
    return true;
}

/* Copies a tail that its thread goes on writing. The copy is good if `word` still names the same
 * sequence afterwards: committed bytes of a sequence are never changed. */
static bool copy_tail(struct spool *s, struct spool_piece *piece, uint64_t tails_size)
{
    struct seep_lane lane;
    for (int i = 0; i < TAIL_TRIES; i++) {
        MEM_GROW(s->memory, s->memory_capacity, s->memory_bytes + piece->bytes);
        bool got = spool_pread(s->tails, s->memory + s->memory_bytes, piece->bytes, piece->offset);
        if (!read_lane(s, piece->lane, &lane))
            return false;
        if (got && (uint32_t)(lane.word >> 32) == piece->sequence) {
            piece->file = SPOOL_MEMORY;
            piece->offset = s->memory_bytes;
            s->memory_bytes += piece->bytes;
            return true;
        }
        bool sound;
        if (!tail_of(&lane, piece->lane, tails_size, piece, &sound) || !sound)
            return false;
    }
    return false;
}

static uint64_t size_of(int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void index_tails(struct indexer *x)
{
    struct spool *s = x->s;
    uint32_t lanes = s->control.lane_count;
    if (s->running) {
        s->newest_stamp = stamp_now(s);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        if (!spool_pread(s->control_fd, &lanes, sizeof lanes,
                         offsetof(struct seep_control, lane_count)))
            lanes = s->control.lane_count;
    }
    if (lanes > SEEP_LANE_LIMIT) {
        note(x, "control: %u lanes are more than there can be", lanes);
        lanes = SEEP_LANE_LIMIT;
        s->damaged_pieces++;
    }
    uint64_t tails_size = size_of(s->tails);
    for (uint32_t i = 0; i < lanes; i++) {
        struct seep_lane lane;
        struct spool_piece piece;
        bool sound;
        if (!read_lane(s, i, &lane)) {
            note(x, "control: cut at lane %u of %u", i, lanes);
            s->damaged_pieces += lanes - i;
            return;
        }
        if (!tail_of(&lane, i, tails_size, &piece, &sound))
            continue;
        /* an empty one says only how far the lane has come */
        if (sound && (piece.bytes == 0 || !s->running || copy_tail(s, &piece, tails_size))) {
            add_piece(s, piece);
        } else {
            note(x, "lane %u: its tail, sequence %u, cannot be read", i, piece.sequence);
            s->damaged_pieces++;
        }
    }
}

/* ------------------------------------------------------------------ chunks */

static bool header_is_sound(const struct seep_rows_header *h)
{
    return h->magic == SEEP_ROWS_MAGIC && h->lane < SEEP_LANE_LIMIT &&
           h->checksum == seep_crc32c(0, h, offsetof(struct seep_rows_header, checksum)) &&
           h->bytes <= CHUNK_ROWS_LIMIT && h->space_bytes >= sizeof *h + h->bytes &&
           h->space_bytes % SEEP_ROWS_ALIGN == 0 &&
           h->space_bytes <= sizeof *h + h->bytes + (1u << 20);
}

/* Keeps the pair of a CLOCK row that stands first in the chunk. */
static void take_clock(struct spool *s, const uint8_t *p, const uint8_t *end)
{
    struct row_state state = {.stamp = s->control.start_stamp};
    struct row row;
    struct spool_clock_pair pair;
    if (row_decode(&p, end, &state, &row) != ROW_OK || row.op != SEEP_ROW_BESIDE ||
        row.beside != SEEP_BESIDE_CLOCK)
        return;
    p = row.payload;
    end = p + row.payload_bytes;
    if (seep_get_u64(&p, end, &pair.stamp) && seep_get_u64(&p, end, &pair.ns)) {
        MEM_GROW(s->pairs, s->pair_capacity, s->pair_count + 1);
        s->pairs[s->pair_count++] = pair;
    }
}

/* The next offset >= `from`, a multiple of SEEP_ROWS_ALIGN, that is not in a hole; `size` if none.
 * Reserved space that was never written may be vast. */
static uint64_t skip_hole(int fd, uint64_t from, uint64_t size)
{
    off_t data = lseek(fd, (off_t)from, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? size : from;
    return (uint64_t)data / SEEP_ROWS_ALIGN * SEEP_ROWS_ALIGN;
}

static enum seep_err index_rows(struct indexer *x, bool (*progress)(void *), void *progress_arg,
                                struct err *err)
{
    struct spool *s = x->s;
    uint64_t size = size_of(s->rows), at = 0;
    uint8_t head[HEAD_BYTES];
    bool in_bad = false;
    for (uint64_t steps = 0; at + sizeof(struct seep_rows_header) <= size; steps++) {
        if (steps % 4096 == 4095 && progress != NULL && !progress(progress_arg))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        size_t want = size - at < HEAD_BYTES ? (size_t)(size - at) : HEAD_BYTES;
        if (!spool_pread(s->rows, head, want, at))
            return err_set(err, SEEP_ERR_IO, at, "%s/rows: %s", s->path, strerror(errno));
        struct seep_rows_header h;
        memcpy(&h, head, sizeof h);
        if (!header_is_sound(&h)) {
            if (h.magic != 0 && !in_bad) {
                note(x, "rows: no chunk where one is expected, at byte %llu",
                     (unsigned long long)at);
                in_bad = true;
            }
            uint64_t next = at + SEEP_ROWS_ALIGN;
            at = h.magic == 0 && next < size ? skip_hole(s->rows, next, size) : next;
            continue;
        }
        in_bad = false;
        struct spool_piece piece = {.offset = at + sizeof h,
                                    .lane = h.lane,
                                    .sequence = h.sequence,
                                    .bytes = h.bytes,
                                    .thread = h.thread,
                                    .file = SPOOL_ROWS};
        size_t inside = want - sizeof h < h.bytes ? want - sizeof h : h.bytes;
        take_clock(s, head + sizeof h, head + sizeof h + inside);
        add_piece(s, piece);
        at += h.space_bytes;
    }
    return SEEP_OK;
}

/* ------------------------------------------------------------------ lanes made of them */

/* By lane and sequence; where a sequence is there twice the better copy first: the tail, and of
 * chunks the one written first. */
static int compare_pieces(const void *a, const void *b)
{
    const struct spool_piece *x = a, *y = b;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? -1 : 1;
    if ((x->file == SPOOL_ROWS) != (y->file == SPOOL_ROWS))
        return x->file == SPOOL_ROWS ? 1 : -1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void note_missing(struct indexer *x, uint32_t lane, uint32_t first, uint32_t end)
{
    x->s->missing_pieces += end - first;
    if (end - first == 1)
        note(x, "lane %u: rows missing, sequence %u", lane, first);
    else
        note(x, "lane %u: rows missing, sequences %u to %u", lane, first, end - 1);
}

static void join_pieces(struct indexer *x)
{
    struct spool *s = x->s;
    qsort(s->pieces, s->piece_count, sizeof *s->pieces, compare_pieces);
    size_t kept = 0;
    for (size_t i = 0; i < s->piece_count; i++) {
        const struct spool_piece *p = &s->pieces[i];
        const struct spool_piece *last = kept > 0 ? &s->pieces[kept - 1] : NULL;
        bool first = last == NULL || last->lane != p->lane;
        if (!first && last->sequence == p->sequence) {
            if (last->file == SPOOL_ROWS) {
                note(x, "rows: lane %u has sequence %u twice", p->lane, p->sequence);
                s->damaged_pieces++;
            }
            continue;
        }
        /* What a running process writes out while its spool is read lies behind the copied tail. */
        if (!first && s->running && last->file != SPOOL_ROWS && p->file == SPOOL_ROWS)
            continue;
        uint32_t expected = first ? 0 : last->sequence + 1;
        if (p->sequence > expected)
            note_missing(x, p->lane, expected, p->sequence);
        s->rows_total += p->bytes;
        s->pieces[kept++] = *p;
    }
    s->piece_count = kept;
}

enum seep_err spool_index(struct spool *s, const struct spool_notes *notes,
                          bool (*progress)(void *arg), void *progress_arg, struct err *err)
{
    struct indexer x = {.s = s, .notes = notes};
    /* Tails before chunks: all sequences before a tail's own are in `rows` by then. */
    index_tails(&x);
    enum seep_err e = index_rows(&x, progress, progress_arg, err);
    if (e != SEEP_OK)
        return e;
    join_pieces(&x);
    return SEEP_OK;
}
