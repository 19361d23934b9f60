/* SPDX-License-Identifier: MIT
 *
 * Finding the pieces of a spool's lanes: chunks in `rows`, by the headers that stand at multiples
 * of SEEP_ROWS_ALIGN, and tails, by the array of lanes in `control`.
 *
 * A running process goes on meanwhile. Each thread marks its lane before it takes a row's stamp,
 * with a stamp that is no later, and takes the mark away once the row is published. So: we take a
 * stamp W; wait until a mark that was set before W must have left its processor's store buffer;
 * read the marks; and only then the tails. A lane without a mark has published all that it stamped
 * up to W, and one with a mark all that it stamped before that. Everything up to the smallest of
 * these is there. Definitions too: one is published before anybody can refer to it, hence before
 * the row that does, hence before the marks were read. */
#include "trace/row.h"
#include "trace/spool.h"
#include "trace/stamp_clock.h"

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

#define CHUNK_ROWS_LIMIT (16u << 20) /* far above SEEP_TAIL_MAX_BYTES: only keeps nonsense out */
#define HEAD_BYTES 96                /* a header, and room for a CLOCK row behind it */
#define TAIL_TRIES 1000
#define MARK_WAIT_NS                                                                               \
    2000000          /* a store is visible, or its thread was off the processor, long before */
#define MARK_LOOKS 8 /* a mark found so often is looked into */
#define MARK_LOOKS_LONG                                                                            \
    100 /* and one found so often is not waited for if the program waits for us */

struct indexer {
    struct spool *s;
    const struct spool_notes *notes;
    struct spool_piece *found; /* owned; in this look */
    size_t found_count, found_capacity;
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

static void add_found(struct indexer *x, struct spool_piece piece)
{
    MEM_GROW(x->found, x->found_capacity, x->found_count + 1);
    x->found[x->found_count++] = piece;
}

struct spool_lane *spool_lane(struct spool *s, uint32_t number)
{
    MEM_GROW(s->lanes, s->lane_capacity, (size_t)number + 1);
    while (s->lane_count <= number)
        s->lanes[s->lane_count++] = (struct spool_lane){0};
    return &s->lanes[number];
}

/* ------------------------------------------------------------------ marks */

static bool read_lane(const struct spool *s, uint32_t number, struct seep_lane *lane)
{
    return spool_pread(s->control_fd, lane, sizeof *lane,
                       sizeof(struct seep_control) + (uint64_t)number * sizeof *lane);
}

/* Whether the thread that holds the lane is gone: whatever ended it, it ends no row any more. */
static bool holder_is_gone(const struct spool *s, const struct seep_lane *lane)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/task/%u", s->control.pid, lane->holder);
    return access(path, F_OK) != 0 && errno == ENOENT;
}

/* Up to which stamp all rows of the lane are there: `now`, the stamp read before the marks were, or
 * that of the mark. */
static void take_mark(struct spool *s, uint32_t number, const struct seep_lane *lane, uint64_t now)
{
    struct spool_lane *l = spool_lane(s, number);
    l->marked_looks = lane->mark != 0 && lane->mark == l->mark ? l->marked_looks + 1 : 0;
    l->mark = lane->mark;
    bool gone = l->marked_looks >= MARK_LOOKS && holder_is_gone(s, lane);
    /* A row that comes after all is counted as repaired: merge_head(). */
    bool waited_enough = l->marked_looks >= MARK_LOOKS_LONG && s->pressed;
    if (l->mark == 0 || gone || waited_enough)
        l->bound = now;
    else if (l->mark > l->bound)
        l->bound = l->mark;
}

static void index_marks(struct indexer *x)
{
    struct spool *s = x->s;
    uint64_t now = UINT64_MAX;
    if (stamp_clock_read_pair(s->control.clock, &s->looked_at))
        now = s->looked_at.stamp;
    nanosleep(&(struct timespec){.tv_nsec = MARK_WAIT_NS}, NULL);
    uint32_t lanes = s->control.lane_count;
    if (!spool_pread(s->control_fd, &lanes, sizeof lanes,
                     offsetof(struct seep_control, lane_count)))
        lanes = s->control.lane_count;
    s->control.lane_count = lanes;
    s->newest_stamp = now;
    struct seep_lane lane;
    for (uint32_t i = 0; i < lanes && i < SEEP_LANE_LIMIT && read_lane(s, i, &lane); i++) {
        take_mark(s, i, &lane, now);
        if (s->lanes[i].bound < s->newest_stamp)
            s->newest_stamp = s->lanes[i].bound;
    }
}

/* ------------------------------------------------------------------ tails */

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
    struct spool_lane *l = spool_lane(s, piece->lane);
    struct seep_lane lane;
    for (int i = 0; i < TAIL_TRIES; i++) {
        MEM_GROW(l->tail, l->tail_capacity, piece->bytes);
        bool got = spool_pread(s->control_fd, l->tail, piece->bytes, piece->offset);
        if (!read_lane(s, piece->lane, &lane))
            return false;
        if (got && (uint32_t)(lane.word >> 32) == piece->sequence) {
            piece->file = SPOOL_MEMORY;
            piece->offset = 0;
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
    if (lanes > SEEP_LANE_LIMIT) {
        note(x, "control: %u lanes are more than there can be", lanes);
        lanes = SEEP_LANE_LIMIT;
        s->damaged_pieces++;
    }
    uint64_t tails_size = size_of(s->control_fd);
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
        /* an empty one says how far the lane has come */
        if (sound && (!s->running || copy_tail(s, &piece, tails_size))) {
            add_found(x, piece);
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

/* A stretch in which no chunk stands. One may come, as long as the process runs: space is taken
 * first, and written then. */
static void add_gap(struct spool *s, uint64_t from, uint64_t to)
{
    if (from == to || !s->running)
        return;
    MEM_GROW(s->gaps, s->gap_capacity, s->gap_count + 1);
    s->gaps[s->gap_count++] = (struct spool_gap){from, to};
}

/* Looks for chunks in bytes `at` .. `size`. *rest: where the last one ends. */
static enum seep_err scan_rows(struct indexer *x, uint64_t at, uint64_t size, uint64_t *rest,
                               bool (*progress)(void *), void *progress_arg, struct err *err)
{
    struct spool *s = x->s;
    uint8_t head[HEAD_BYTES];
    bool in_bad = false;
    *rest = at;
    for (uint64_t steps = 0; at + sizeof(struct seep_rows_header) <= size; steps++) {
        if (steps % 4096 == 4095 && progress != NULL && !progress(progress_arg))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        size_t want = size - at < HEAD_BYTES ? (size_t)(size - at) : HEAD_BYTES;
        if (!spool_pread(s->rows, head, want, at))
            return err_set(err, SEEP_ERR_IO, at, "%s/rows: %s", s->path, strerror(errno));
        struct seep_rows_header h;
        memcpy(&h, head, sizeof h);
        if (!header_is_sound(&h)) {
            if (h.magic != 0 && !in_bad && !s->running) {
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
        add_found(x, piece);
        add_gap(s, *rest, at);
        at += h.space_bytes;
        *rest = at;
    }
    return SEEP_OK;
}

static enum seep_err index_rows(struct indexer *x, bool (*progress)(void *), void *progress_arg,
                                struct err *err)
{
    struct spool *s = x->s;
    struct spool_gap *gaps = s->gaps;
    size_t gap_count = s->gap_count;
    s->gaps = NULL;
    s->gap_count = s->gap_capacity = 0;
    enum seep_err e = SEEP_OK;
    for (size_t i = 0; i < gap_count && e == SEEP_OK; i++) {
        uint64_t rest;
        e = scan_rows(x, gaps[i].from, gaps[i].to, &rest, progress, progress_arg, err);
        if (rest < gaps[i].to)
            add_gap(s, rest, gaps[i].to);
    }
    free(gaps);
    uint64_t size = size_of(s->rows);
    if (e == SEEP_OK && size > s->rows_scanned)
        e = scan_rows(x, s->rows_scanned, size, &s->rows_scanned, progress, progress_arg, err);
    return e;
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

/* Adds a piece behind those of its lane, or in the place of an earlier copy of it. */
static void join_piece(struct indexer *x, const struct spool_piece *p)
{
    struct spool *s = x->s;
    struct spool_lane *l = spool_lane(s, p->lane);
    struct spool_piece *last = l->piece_count > 0 ? &l->pieces[l->piece_count - 1] : NULL;
    if (last != NULL && p->sequence <= last->sequence) {
        if (p->sequence == last->sequence && last->file == SPOOL_MEMORY) {
            s->rows_total += p->bytes - last->bytes;
            *last = *p;
        } else if (last->file != SPOOL_TAILS) {
            note(x, "rows: lane %u has sequence %u twice", p->lane, p->sequence);
            s->damaged_pieces++;
        }
        return;
    }
    if (p->sequence < l->first_sequence)
        return;
    uint32_t expected =
        last == NULL ? l->first_sequence : last->sequence + (last->file != SPOOL_MEMORY);
    if (p->sequence > expected)
        note_missing(x, p->lane, expected, p->sequence);
    s->rows_total += p->bytes;
    MEM_GROW(l->pieces, l->piece_capacity, l->piece_count + 1);
    l->pieces[l->piece_count++] = *p;
}

/* What a running process has written out since its tail was copied belongs to the next look: its
 * thread may be in the middle of it. */
static bool is_early(const struct spool *s, const struct spool_piece *p,
                     const struct spool_piece *tail)
{
    return s->running && p->file == SPOOL_ROWS &&
           (tail == NULL || tail->lane != p->lane || p->sequence >= tail->sequence);
}

static void join_pieces(struct indexer *x)
{
    struct spool *s = x->s;
    for (size_t i = 0; i < s->early_count; i++)
        add_found(x, s->early[i]);
    s->early_count = 0;
    if (x->found_count > 0)
        qsort(x->found, x->found_count, sizeof *x->found, compare_pieces);
    for (size_t i = 0, end; i < x->found_count; i = end) {
        const struct spool_piece *tail = NULL;
        for (end = i; end < x->found_count && x->found[end].lane == x->found[i].lane; end++) {
            if (x->found[end].file != SPOOL_ROWS)
                tail = &x->found[end];
        }
        for (size_t k = i; k < end; k++) {
            const struct spool_piece *p = &x->found[k];
            if (!is_early(s, p, tail)) {
                join_piece(x, p);
                continue;
            }
            MEM_GROW(s->early, s->early_capacity, s->early_count + 1);
            s->early[s->early_count++] = *p;
        }
    }
}

enum seep_err spool_index(struct spool *s, const struct spool_notes *notes,
                          bool (*progress)(void *arg), void *progress_arg, struct err *err)
{
    struct indexer x = {.s = s, .notes = notes};
    s->newest_stamp = UINT64_MAX;
    if (s->running)
        index_marks(&x);
    /* Tails before chunks: all sequences before a tail's own are in `rows` by then. */
    index_tails(&x);
    enum seep_err e = index_rows(&x, progress, progress_arg, err);
    if (e == SEEP_OK)
        join_pieces(&x);
    free(x.found);
    return e;
}
