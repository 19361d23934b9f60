/* SPDX-License-Identifier: MIT
 *
 * Packing a process while it runs: looks at its spool ten times a second, packs what was stamped
 * up to the look before, and gives the rows back to the file system once the trace holds them, so
 * that the spool stays small however long the process runs.
 *
 * One look behind: a child that was forked meanwhile is told what it has from here (handout.h) when
 * its fork is passed, so its spool has to be known then. The recorder counts a fork before it
 * happens. Thus each fork that may be passed now is among those counted, and where there are more
 * of them than children known, nothing is passed until the child has made its spool: for a while,
 * since one that goes straight on to another program makes none, and while there is space. */
#include "trace/pack_state.h"

#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 100000000
/* Whoever looks into the trace meanwhile sees no older one. */
#define FLUSH_NS UINT64_C(5000000000)
/* That long a child's spool is awaited. */
#define AWAIT_NS UINT64_C(1000000000)
/* Between looks whether to go on, or whether all has ended. */
#define STEP_NS 5000000

static uint64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

enum seep_err follow_begin(struct packer *p, struct err *err)
{
    int fd = openat(p->spool.directory, "control", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    void *mapped = fd < 0
                       ? MAP_FAILED
                       : mmap(NULL, sizeof *p->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (mapped == MAP_FAILED)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s/control: %s", p->spool.path,
                       strerror(error));
    p->shared = mapped;
    p->family.main_pid = p->options->main_pid;
    p->family.main_trace = p->options->main_trace;
    __atomic_store_n(&p->shared->packer, 1, __ATOMIC_RELAXED);
    p->look_ns = p->flush_ns = monotonic_ns();
    return SEEP_OK;
}

void follow_release(struct packer *p)
{
    if (p->shared != NULL) {
        __atomic_store_n(&p->shared->packer, 0, __ATOMIC_RELAXED);
        munmap(p->shared, sizeof *p->shared);
    }
    family_release(&p->family);
    free(p->freed_pieces);
}

/* ------------------------------------------------------------------ looks */

/* Somebody waits for the trace of a process that has ended. */
static bool is_awaited(const struct packer *p)
{
    return p->options->may_end != NULL && p->options->may_end(p->options->may_end_arg);
}

/* Sleeps until it is time for the next look. */
static enum seep_err wait_for_look(struct packer *p, struct err *err)
{
    for (;;) {
        if (!packer_go_on(p, 0))
            return packer_interrupted(err);
        uint64_t now = monotonic_ns(), due = p->look_ns + (is_awaited(p) ? STEP_NS : LOOK_NS);
        if (now >= due)
            break;
        nanosleep(&(struct timespec){.tv_nsec = due - now < STEP_NS ? (long)(due - now) : STEP_NS},
                  NULL);
    }
    p->look_ns = monotonic_ns();
    return SEEP_OK;
}

/* Children that came since the last look. */
static void meet_children(struct packer *p)
{
    struct stat st;
    if (fstatat(p->spool.directory, "..", &st, 0) != 0)
        return;
    int64_t changed = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
    /* a file system's clock is coarse: a directory that has just changed may change again unseen */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = now.tv_sec * INT64_C(1000000000) + now.tv_nsec - changed;
    /* and what a spool says of its process comes after the spool: while one is awaited, look */
    if (changed == p->family_changed_ns && age > 2 * (int64_t)LOOK_NS && p->awaiting_ns == 0)
        return;
    p->family_changed_ns = changed;
    size_t known = p->family.count;
    family_add_siblings(&p->family, p->spool.path);
    for (size_t i = known; i < p->family.count; i++) {
        if (family_next_child(&p->family, p->spool.path, i) != i)
            continue;
        p->children++;
        handout_add(&p->handout, p->family.all[i].path, p->order.stamp);
    }
}

static uint64_t held_bytes(const struct packer *p)
{
    return __atomic_load_n(&p->shared->rows_end, __ATOMIC_RELAXED) -
           __atomic_load_n(&p->shared->rows_freed, __ATOMIC_RELAXED);
}

/* Whether a child of a fork that may be passed now is still to make its spool. */
static bool is_child_awaited(struct packer *p)
{
    uint64_t forks = __atomic_load_n(&p->shared->forks, __ATOMIC_RELAXED);
    bool missing = forks > p->children + p->childless_forks;
    if (missing && p->awaiting_ns == 0)
        p->awaiting_ns = p->look_ns;
    if (missing && p->look_ns - p->awaiting_ns < AWAIT_NS &&
        held_bytes(p) < p->options->spool_limit / 2)
        return true;
    if (missing)
        p->childless_forks = forks - p->children;
    p->awaiting_ns = 0;
    return false;
}

/* What may be packed now is what the look before has found. */
static void step_back(struct packer *p)
{
    if (!p->spool.running)
        return;
    uint64_t found = p->spool.newest_stamp;
    if (!is_child_awaited(p))
        p->passed_stamp = p->next_newest_stamp;
    p->spool.newest_stamp = p->passed_stamp;
    p->next_newest_stamp = found;
}

void follow_first_look(struct packer *p)
{
    step_back(p);
}

enum seep_err follow_look(struct packer *p, bool *more, struct err *err)
{
    struct spool *s = &p->spool;
    *more = true;
    bool at_end = !s->running;
    enum seep_err e = follow_free(p, err);
    if (e == SEEP_OK && p->look_ns - p->flush_ns > FLUSH_NS) {
        p->flush_ns = p->look_ns;
        e = trace_writer_flush(p->writer, err);
    }
    if (e == SEEP_OK)
        e = wait_for_look(p, err);
    if (e != SEEP_OK)
        return e;
    bool may_end = p->options->may_end == NULL || p->options->may_end(p->options->may_end_arg);
    if (at_end) {
        /* only the snapshots may still grow, by the process's end */
        spool_renew(s);
        beside_renew(&p->beside);
        *more = !may_end;
        return SEEP_OK;
    }
    spool_renew(s);
    e = spool_index(s, &p->notes, NULL, NULL, err);
    if (e != SEEP_OK)
        return e;
    meet_children(p);
    step_back(p);
    if (s->running) {
        stamp_clock_add(&p->clock, &s->looked_at);
    } else if (s->control.last_seq % 2 == 0) {
        stamp_clock_add(&p->clock,
                        &(struct spool_clock_pair){s->control.last_stamp, s->control.last_ns});
    }
    beside_renew(&p->beside);
    merge_renew(&p->merge);
    return SEEP_OK;
}

/* ------------------------------------------------------------------ space */

static uint64_t space_of(const struct spool_piece *piece)
{
    uint64_t total = sizeof(struct seep_rows_header) + piece->bytes;
    return (total + SEEP_ROWS_ALIGN - 1) / SEEP_ROWS_ALIGN * SEEP_ROWS_ALIGN;
}

/* Bytes of `rows` that were read to their end and are not given back yet. */
static uint64_t freeable(const struct packer *p)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->merge.lane_count; i++) {
        size_t done = lane_reader_done_pieces(&p->merge.lanes[i]);
        for (size_t k = i < p->freed_lanes ? p->freed_pieces[i] : 0; k < done; k++)
            bytes += space_of(&p->spool.lanes[i].pieces[k]);
    }
    return bytes;
}

/* The program is waiting for space, or about to. */
static bool is_pressed(const struct packer *p)
{
    return held_bytes(p) > p->options->spool_limit;
}

static void free_piece(struct packer *p, int rows, const struct spool_piece *piece)
{
    off_t from = (off_t)(piece->offset - sizeof(struct seep_rows_header));
    uint64_t space = space_of(piece);
    if (fallocate(rows, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, (off_t)space) == 0)
        __atomic_fetch_add(&p->shared->rows_freed, space, __ATOMIC_RELAXED);
}

enum seep_err follow_free(struct packer *p, struct err *err)
{
    p->spool.pressed = is_pressed(p);
    uint64_t bytes = freeable(p);
    if (bytes == 0 || (bytes < p->options->spool_limit / 8 && !p->spool.pressed))
        return SEEP_OK;
    enum seep_err e = trace_writer_flush(p->writer, err);
    if (e == SEEP_OK)
        e = pack_state_save(p, err);
    if (e != SEEP_OK)
        return e;
    int rows = openat(p->spool.directory, "rows", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (rows < 0)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s/rows: %s", p->spool.path,
                       strerror(errno));
    MEM_GROW(p->freed_pieces, p->freed_capacity, p->merge.lane_count);
    while (p->freed_lanes < p->merge.lane_count)
        p->freed_pieces[p->freed_lanes++] = 0;
    for (size_t i = 0; i < p->freed_lanes; i++) {
        size_t done = lane_reader_done_pieces(&p->merge.lanes[i]);
        for (; p->freed_pieces[i] < done; p->freed_pieces[i]++)
            free_piece(p, rows, &p->spool.lanes[i].pieces[p->freed_pieces[i]]);
    }
    close(rows);
    return SEEP_OK;
}
