/* SPDX-License-Identifier: MIT */
#include "trace/pack_state.h"

#include "trace/chunk.h"
#include "trace/trace_reader.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_FILE "packed"
#define STATE_NEW_FILE STATE_FILE ".new"
#define STACKS_FILE "stacks"
#define MAGIC "SEEPPKD\n"
#define STATE_LIMIT (UINT64_C(4) << 30)
#define PROGRESS_EVENTS 65536

/* Leads the file; what stands in it as in memory must have been written by a build like this. */
struct head {
    char magic[8];
    uint32_t checksum; /* of what follows the head */
    uint16_t place_bytes, flight_bytes, row_state_bytes, pair_bytes;
    uint32_t unused;
    uint64_t length; /* of what follows */
};

static struct head make_head(void)
{
    return (struct head){.magic = MAGIC,
                         .place_bytes = sizeof(struct place),
                         .flight_bytes = sizeof(struct order_flight),
                         .row_state_bytes = sizeof(struct row_state),
                         .pair_bytes = sizeof(struct spool_clock_pair)};
}

/* ------------------------------------------------------------------ saving */

static void put_place(struct bytes *b, const struct place *place)
{
    bytes_add(b, place, sizeof *place);
    if (place->type == PLACE_BESIDE)
        bytes_add(b, place->payload, (size_t)place->payload_bytes);
}

static void put_lane(struct bytes *b, const struct lane_reader *r)
{
    bytes_varint(b, r->next_piece > 0);
    bytes_varint(b, r->thread);
    bytes_varint(b, r->row);
    bytes_varint(b, r->skip);
    bytes_varint(b, r->piece_at - (uint32_t)(r->end - r->p));
    bytes_varint(b, r->last_stamp);
    bytes_varint(b, r->lost);
    bytes_add(b, &r->state, sizeof r->state);
    bytes_varint(b, r->count);
    for (uint32_t i = 0; i < r->count; i++)
        put_place(b, &r->ring[(r->head + i) & (LANE_RING - 1)]);
}

static void put_order(struct bytes *b, const struct order *o)
{
    bytes_varint(b, o->count);
    for (uint32_t i = 0; i < o->count; i++)
        put_place(b, &o->ahead[(o->head + i) & (ORDER_AHEAD - 1)]);
    for (uint32_t i = 0; i < o->count; i++)
        bytes_varint(b, o->ahead_ns[(o->head + i) & (ORDER_AHEAD - 1)]);
    bytes_varint(b, o->flight_count);
    bytes_add(b, o->flights, o->flight_count * sizeof *o->flights);
    bytes_varint(b, o->free_flight);
    bytes_varint(b, o->last_link);
    bytes_varint(b, o->stamp);
    bytes_varint(b, o->repaired);
    bytes_varint(b, o->raced);
    bytes_varint(b, o->unknown_frees);
    for (uint32_t lane = 0; lane < SEEP_LANE_LIMIT; lane++) {
        if (o->lane_flights[lane] == 0)
            continue;
        bytes_varint(b, lane + 1);
        bytes_varint(b, o->lane_flights[lane]);
    }
    bytes_varint(b, 0);
}

static void put_all(struct bytes *b, const struct packer *p)
{
    const struct spool *s = &p->spool;
    bytes_varint(b, p->options->coding.unit_us);
    bytes_varint(b, trace_writer_event_count(p->writer));
    bytes_varint(b, trace_writer_record_count(p->writer));
    bytes_varint(b, beside_next_snapshot(&p->beside));
    bytes_varint(b, p->stacks.logged_bytes);
    bytes_varint(b, s->missing_pieces);
    bytes_varint(b, s->damaged_pieces);
    bytes_varint(b, p->merge.lane_count);
    for (size_t i = 0; i < p->merge.lane_count; i++) {
        size_t done = lane_reader_done_pieces(&p->merge.lanes[i]);
        const struct spool_lane *l = &s->lanes[i];
        bytes_varint(b, done < l->piece_count ? l->pieces[done].sequence : l->first_sequence);
    }
    bytes_varint(b, p->clock.pair_count);
    bytes_add(b, p->clock.pairs, p->clock.pair_count * sizeof *p->clock.pairs);
    for (size_t i = 0; i < p->merge.lane_count; i++)
        put_lane(b, &p->merge.lanes[i]);
    put_order(b, &p->order);
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, (const uint8_t *)data + done, bytes - done);
        if (n < 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Appends the definitions that were read since the last time. */
static bool save_stacks(struct packer *p)
{
    struct bytes *log = &p->stacks.log;
    int fd =
        openat(p->spool.directory, STACKS_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* what a failed attempt has left there is written over */
    bool written = fd >= 0 && lseek(fd, (off_t)p->stacks.logged_bytes, SEEK_SET) >= 0 &&
                   write_all(fd, log->data, log->length);
    int error = errno;
    if (fd >= 0 && close(fd) != 0)
        written = false;
    else
        errno = error;
    if (written) {
        p->stacks.logged_bytes += log->length;
        log->length = 0;
    }
    return written;
}

static bool save_file(const struct packer *p, const struct head *head, const struct bytes *b)
{
    int directory = p->spool.directory;
    int fd = openat(directory, STATE_NEW_FILE,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written =
        fd >= 0 && write_all(fd, head, sizeof *head) && write_all(fd, b->data, b->length);
    int error = errno;
    if (fd >= 0 && close(fd) != 0)
        written = false;
    else
        errno = error;
    return written && renameat(directory, STATE_NEW_FILE, directory, STATE_FILE) == 0;
}

enum seep_err pack_state_save(struct packer *p, struct err *err)
{
    struct bytes b = {0};
    bool saved = save_stacks(p);
    if (saved) {
        put_all(&b, p);
        struct head head = make_head();
        head.checksum = chunk_crc(b.data, b.length);
        head.length = b.length;
        saved = save_file(p, &head, &b);
    }
    bytes_release(&b);
    return saved ? SEEP_OK
                 : err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s/" STATE_FILE ": %s", p->spool.path,
                           strerror(errno));
}

/* ------------------------------------------------------------------ reading it back */

static enum seep_err damaged(const struct packer *p, struct err *err)
{
    return err_set(err, SEEP_ERR_DAMAGED, ERR_NO_OFFSET,
                   "%s/" STATE_FILE ": damaged; %s/" PACKER_PART_FILE " is a trace of what was "
                   "packed before",
                   p->spool.path, p->spool.path);
}

static bool take(struct cursor *c, void *to, size_t bytes)
{
    const uint8_t *from = cursor_take(c, bytes);
    if (from != NULL)
        memcpy(to, from, bytes);
    return from != NULL;
}

/* Lane numbers, kinds and the like are used as they are: the checksum holds for the whole file. */
static bool take_place(struct cursor *c, struct place *out)
{
    if (!take(c, out, sizeof *out))
        return false;
    if (out->type != PLACE_BESIDE)
        return true;
    const uint8_t *payload = cursor_take(c, out->payload_bytes);
    if (payload == NULL)
        return false;
    out->payload = mem_alloc((size_t)out->payload_bytes + 1);
    memcpy(out->payload, payload, (size_t)out->payload_bytes);
    return true;
}

bool pack_state_exists(const struct packer *p)
{
    return faccessat(p->spool.directory, STATE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum seep_err read_file(struct pack_state *state, const struct packer *p, struct err *err)
{
    int fd = openat(p->spool.directory, STATE_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? SEEP_OK
                               : err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s/" STATE_FILE ": %s",
                                         p->spool.path, strerror(errno));
    struct head head, wanted = make_head();
    struct stat st;
    enum seep_err e = SEEP_OK;
    if (fstat(fd, &st) != 0 || !spool_pread(fd, &head, sizeof head, 0) ||
        memcmp(head.magic, MAGIC, sizeof head.magic) != 0 ||
        head.length != (uint64_t)st.st_size - sizeof head || head.length > STATE_LIMIT) {
        e = damaged(p, err);
    } else if (head.place_bytes != wanted.place_bytes || head.flight_bytes != wanted.flight_bytes ||
               head.row_state_bytes != wanted.row_state_bytes ||
               head.pair_bytes != wanted.pair_bytes) {
        e = err_set(err, SEEP_ERR_VERSION, ERR_NO_OFFSET,
                    "%s/" STATE_FILE ": was written by another build of seep, which has to finish "
                    "this spool; %s/" PACKER_PART_FILE " is a trace of what was packed before",
                    p->spool.path, p->spool.path);
    } else {
        state->data = mem_alloc((size_t)head.length + 1);
        state->at = cursor_at(state->data, (size_t)head.length);
        if (!spool_pread(fd, state->data, (size_t)head.length, sizeof head) ||
            chunk_crc(state->data, (size_t)head.length) != head.checksum)
            e = damaged(p, err);
    }
    close(fd);
    return e;
}

/* They join those that the recorder has left. */
static void take_pairs(struct cursor *c, struct spool *s)
{
    for (uint64_t count = cursor_varint(c); count > 0 && !c->bad; count--) {
        MEM_GROW(s->pairs, s->pair_capacity, s->pair_count + 1);
        if (take(c, &s->pairs[s->pair_count], sizeof *s->pairs))
            s->pair_count++;
    }
}

enum seep_err pack_state_open(struct pack_state *state, struct packer *p, struct err *err)
{
    *state = (struct pack_state){0};
    enum seep_err e = read_file(state, p, err);
    if (e != SEEP_OK || state->data == NULL)
        return e;
    struct cursor *c = &state->at;
    state->unit_us = (uint32_t)cursor_varint(c);
    state->events = cursor_varint(c);
    state->records = cursor_varint(c);
    state->snapshot_at = cursor_varint(c);
    state->stack_bytes = cursor_varint(c);
    p->spool.missing_pieces = cursor_varint(c);
    p->spool.damaged_pieces = cursor_varint(c);
    state->lanes = cursor_bounded(c, SEEP_LANE_LIMIT);
    for (uint32_t i = 0; i < state->lanes && !c->bad; i++)
        spool_lane(&p->spool, i)->first_sequence = (uint32_t)cursor_varint(c);
    take_pairs(c, &p->spool);
    return c->bad ? damaged(p, err) : SEEP_OK;
}

void pack_state_release(struct pack_state *state)
{
    free(state->data);
    *state = (struct pack_state){0};
}

static bool take_lane(struct cursor *c, struct lane_reader *r)
{
    const struct spool_lane *l = &r->spool->lanes[r->lane];
    /* the piece that was being read must be there: it is never given back before it is done */
    bool begun = cursor_varint(c) != 0;
    bool there = l->piece_count > 0 && l->pieces[0].sequence == l->first_sequence;
    r->thread = (uint32_t)cursor_varint(c);
    r->row = (uint32_t)cursor_varint(c);
    r->skip = cursor_varint(c) != 0;
    r->piece_at = (uint32_t)cursor_varint(c);
    r->last_stamp = cursor_varint(c);
    r->lost = cursor_varint(c);
    take(c, &r->state, sizeof r->state);
    r->next_piece = begun && there;
    uint32_t count = (uint32_t)cursor_bounded(c, LANE_RING);
    while (r->count < count && take_place(c, &r->ring[r->count]))
        r->count++;
    return !c->bad && (!there || r->piece_at <= l->pieces[0].bytes);
}

static bool read_definitions(const struct pack_state *state, struct packer *p)
{
    int fd = openat(p->spool.directory, STACKS_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    bool good = fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size >= state->stack_bytes;
    uint8_t *data = good ? mem_alloc((size_t)state->stack_bytes + 1) : NULL;
    good = good && spool_pread(fd, data, (size_t)state->stack_bytes, 0) &&
           stack_map_define_logged(&p->stacks, data, (size_t)state->stack_bytes);
    free(data);
    if (fd >= 0)
        close(fd);
    return good || state->stack_bytes == 0;
}

enum seep_err pack_state_restore_lanes(struct pack_state *state, struct packer *p, struct err *err)
{
    struct cursor *c = &state->at;
    /* lanes that came later have higher numbers */
    for (uint32_t i = 0; i < p->merge.lane_count && !c->bad; i++) {
        if (i < state->lanes && !take_lane(c, &p->merge.lanes[i]))
            cursor_fail(c);
    }
    return c->bad || !read_definitions(state, p) ? damaged(p, err) : SEEP_OK;
}

static bool take_order(struct cursor *c, struct order *o)
{
    uint32_t count = (uint32_t)cursor_bounded(c, ORDER_AHEAD);
    while (o->count < count && take_place(c, &o->ahead[o->count]))
        o->count++;
    for (uint32_t i = 0; i < o->count; i++)
        o->ahead_ns[i] = cursor_varint(c);
    o->flight_count = (size_t)cursor_bounded(c, (uint64_t)(c->end - c->at) / sizeof *o->flights);
    MEM_GROW(o->flights, o->flight_capacity, o->flight_count);
    take(c, o->flights, o->flight_count * sizeof *o->flights);
    o->free_flight = (uint32_t)cursor_bounded(c, o->flight_count);
    o->last_link = (uint32_t)cursor_varint(c);
    o->stamp = cursor_varint(c);
    o->repaired = cursor_varint(c);
    o->raced = cursor_varint(c);
    o->unknown_frees = cursor_varint(c);
    for (uint64_t lane; (lane = cursor_bounded(c, SEEP_LANE_LIMIT)) != 0;)
        o->lane_flights[lane - 1] = (uint32_t)cursor_bounded(c, o->flight_count);
    return cursor_done(c) && !c->bad;
}

/* What of the trace's events the writer is given again: all up to where the state was saved. */
static enum seep_err copy_events(struct pack_state *state, struct packer *p, struct trace_reader *r,
                                 struct err *err)
{
    /* the process's inheritance was written anew */
    uint64_t skip_events = trace_writer_event_count(p->writer);
    uint64_t skip_records = trace_writer_record_count(p->writer);
    uint64_t events = 0, records = 0;
    struct trace_event ev;
    enum seep_err e = SEEP_OK;
    while (e == SEEP_OK && (events < state->events || records < state->records)) {
        e = trace_reader_next(r, &ev, err);
        if (e == SEEP_END || (e == SEEP_OK && ev.type == TRACE_GAP))
            return damaged(p, err);
        if (e != SEEP_OK)
            return e;
        if (ev.type == TRACE_BESIDE) {
            if (records++ >= skip_records)
                e = beside_take(&p->beside, (enum seep_beside)ev.beside.kind, ev.beside.bytes,
                                ev.beside.length, 0, ev.time_ns, err);
            continue;
        }
        beside_thread(&p->beside, ev.thread, ev.time_ns);
        if (events++ >= skip_events)
            e = trace_writer_event(p->writer, &ev, err);
        p->beside.time_ns = ev.time_ns;
        if (events % PROGRESS_EVENTS == 0 &&
            !packer_go_on(p, (double)events / (double)(state->events + 1)))
            return packer_interrupted(err);
    }
    return e;
}

enum seep_err pack_state_restore_trace(struct pack_state *state, struct packer *p, struct err *err)
{
    struct strbuf part = {0};
    strbuf_addf(&part, "%s/" PACKER_PART_FILE, p->spool.path);
    struct trace_reader *r;
    enum seep_err e = trace_reader_open(&r, part.text, err);
    strbuf_release(&part);
    if (e != SEEP_OK)
        return e;
    const struct trace_dict *dict = trace_reader_dict(r);
    for (uint32_t id = 1; id <= dict->stack_count; id++)
        stack_map_fold(&p->stacks, dict->stacks[id].parent, dict->stacks[id].pc,
                       dict->stacks[id].flags);
    e = copy_events(state, p, r, err);
    trace_reader_free(r);
    if (e != SEEP_OK)
        return e;
    beside_seek_snapshot(&p->beside, state->snapshot_at);
    if (!take_order(&state->at, &p->order))
        return damaged(p, err);
    order_adopt_blocks(&p->order);
    return SEEP_OK;
}
