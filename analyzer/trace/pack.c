/* SPDX-License-Identifier: MIT */
#include "trace/pack.h"

#include "seep/trace_codec.h"
#include "trace/bytes.h"
#include "trace/facts.h"
#include "trace/pack_state.h"
#include "trace/publish.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_PLACES 65536
#define LOCK_RETRY_NS 50000000
#define PARENT_TRIES 100 /* for five seconds */
#define INHERITED_RECORD_BLOCKS 65536u

static const struct family *packer_family(const struct packer *p)
{
    return p->options->follow ? &p->family : p->options->family;
}

static void take_note(void *arg, const char *text)
{
    struct packer *p = arg;
    if (p->options->note != NULL && p->noted++ < PACK_NOTES)
        p->options->note(p->options->note_arg, text);
}

bool packer_go_on(const struct packer *p, double fraction)
{
    return p->options->progress == NULL || p->options->progress(p->options->progress_arg, fraction);
}

static bool go_on_indexing(void *arg)
{
    return packer_go_on(arg, 0);
}

enum seep_err packer_interrupted(struct err *err)
{
    return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
}

/* ------------------------------------------------------------------ probing */

bool pack_is_spool(const char *path)
{
    uint8_t magic[8];
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return false;
    int fd = openat(directory, "control", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    close(directory);
    if (fd < 0)
        return false;
    bool is = spool_pread(fd, magic, sizeof magic, 0) &&
              memcmp(magic, SEEP_SPOOL_MAGIC, sizeof magic) == 0;
    close(fd);
    return is;
}

enum seep_err pack_probe(const char *spool_path, struct pack_spool *out, struct err *err)
{
    struct spool s;
    *out = (struct pack_spool){0};
    enum seep_err e = spool_open(&s, spool_path, err);
    if (e == SEEP_OK) {
        out->pid = s.control.pid;
        out->pid_namespace = s.pid_namespace;
        out->image = s.image;
        out->parent_pid = s.parent_pid;
        out->start_ns = s.control.start_ns;
        memcpy(out->exe, s.exe, sizeof out->exe);
        memcpy(out->run_id, s.run_id, sizeof out->run_id);
        memcpy(out->fork_parent, s.fork_parent, sizeof out->fork_parent);
        out->state = s.control.state;
        out->bytes = s.bytes;
        out->running = s.running;
    }
    spool_release(&s);
    return e;
}

bool pack_is_followed(const char *spool_path, char **part)
{
    struct spool s;
    bool followed = spool_open(&s, spool_path, NULL) == SEEP_OK && s.running && s.control.packer &&
                    flock(s.control_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
                    faccessat(s.directory, PACKER_PART_FILE, R_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (followed) {
        struct strbuf path = {0};
        strbuf_addf(&path, "%s/" PACKER_PART_FILE, spool_path);
        *part = strbuf_detach(&path);
    }
    spool_release(&s);
    return followed;
}

/* ------------------------------------------------------------------ files */

/* Only one process packs a spool at a time. Waits for the lock; *gone tells that the other one has
 * removed the spool meanwhile. The kernel takes the lock back from whoever dies. */
static enum seep_err lock_spool(struct packer *p, bool *gone, struct err *err)
{
    while (flock(p->spool.control_fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        spool_renew(&p->spool);
        if (error == EWOULDBLOCK && p->spool.running && p->spool.control.packer)
            return err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET,
                           "%s: another process packs it while it grows", p->spool.path);
        errno = error;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s/control: cannot be locked: %s",
                           p->spool.path, strerror(errno));
        if (!packer_go_on(p, 0))
            return packer_interrupted(err);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_RETRY_NS}, NULL);
    }
    struct stat st;
    *gone = fstat(p->spool.control_fd, &st) == 0 && st.st_nlink == 0;
    return SEEP_OK;
}

static char *in_spool(const struct packer *p, const char *name)
{
    struct strbuf path = {0};
    strbuf_addf(&path, "%s/%s", p->spool.path, name);
    return strbuf_detach(&path);
}

/* A name that nobody else uses while the spool is locked: what is found under it was left by a
 * packer that was killed. */
static void name_temporary(struct packer *p, const char *trace_path)
{
    struct stat st = {0};
    fstat(p->spool.control_fd, &st);
    const char *slash = strrchr(trace_path, '/');
    struct strbuf name = {0};
    if (slash != NULL)
        strbuf_add(&name, trace_path, (size_t)(slash + 1 - trace_path));
    strbuf_addf(&name, ".seep-packing-%llx-%llx", (unsigned long long)st.st_dev,
                (unsigned long long)st.st_ino);
    p->temporary = strbuf_detach(&name);
    unlink(p->temporary);
}

/* Makes the new file `to` of `from`. 0 or an errno. */
static int copy_file(const char *from, const char *to)
{
    char buffer[64 << 10];
    int error = 0, in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out < 0)
        error = errno;
    ssize_t n;
    while (error == 0 && (n = read(in, buffer, sizeof buffer)) != 0) {
        for (ssize_t done = 0, w; n > 0 && done < n && error == 0; done += w)
            if ((w = write(out, buffer + done, (size_t)(n - done))) < 0)
                error = errno;
        if (n < 0)
            error = errno;
    }
    if (in >= 0)
        close(in);
    if (out >= 0 && close(out) != 0 && error == 0)
        error = errno;
    return error;
}

/* The trace that was made while the process was followed gets its place. */
static enum seep_err publish_followed(struct packer *p, const char *trace_path, struct err *err)
{
    p->temporary = in_spool(p, PACKER_TRACE_FILE);
    p->keep_part = true;
    if (!p->options->keep_spool) {
        enum seep_err e = publish(p->temporary, trace_path, p->options->overwrite, err);
        if (e != SEEP_ERR_IO)
            return e;
    }
    /* on another file system, or the spool is to stay as it is */
    char *whole = p->temporary;
    name_temporary(p, trace_path);
    p->keep_part = false;
    int error = copy_file(whole, p->temporary);
    free(whole);
    if (error != 0)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", trace_path, strerror(error));
    return publish(p->temporary, trace_path, p->options->overwrite, err);
}

static bool was_followed(const struct packer *p)
{
    return faccessat(p->spool.directory, PACKER_TRACE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ------------------------------------------------------------------ the whole */

/* All but those that only the packer needs. They are whole: spool_open() saw to it. */
static void copy_facts(struct bytes *facts, const struct spool *s)
{
    struct cursor c = cursor_at(s->facts, s->facts_bytes);
    while (!cursor_done(&c)) {
        uint64_t key = cursor_varint(&c), length = cursor_varint(&c);
        const uint8_t *value = cursor_take(&c, length);
        if (value != NULL && key != SEEP_FACT_FORK_LANES && key != SEEP_FACT_FORK_STAMP)
            facts_put(facts, (enum seep_fact)key, value, (size_t)length);
    }
}

/* The process's facts, what its times rest on, and where its parent's trace is. */
static enum seep_err write_facts(struct packer *p, struct err *err)
{
    struct bytes facts = {0};
    copy_facts(&facts, &p->spool);
    const char *basis = stamp_clock_basis_name(p->clock.basis);
    facts_put_text(&facts, SEEP_FACT_CLOCK, basis);
    facts_put_number(&facts, SEEP_FACT_START_NS, p->spool.control.start_ns);
    if (p->inherited.known)
        facts_put_number(&facts, SEEP_FACT_FORK_NS, p->inherited.fork_ns);
    char *parent = family_parent_trace(packer_family(p), &p->spool);
    facts_put_text(&facts, SEEP_FACT_PARENT_TRACE, parent);
    free(parent);
    enum seep_err e = trace_writer_facts(p->writer, facts.data, facts.length, err);
    bytes_release(&facts);
    return e;
}
/* One record that tells when blocks first .. first + count - 1 were made, and by whom. */
static enum seep_err write_inherited_record(struct packer *p, size_t first, size_t count,
                                            struct err *err)
{
    struct bytes payload = {0};
    bytes_varint(&payload, first);
    bytes_varint(&payload, count);
    int64_t age = 0;
    for (size_t i = first; i < first + count; i++) {
        const struct inherited_block *b = &p->inherited.blocks[i];
        int64_t next = (int64_t)(p->spool.control.start_ns - b->made_ns);
        bytes_svarint(&payload, next - age);
        bytes_varint(&payload, b->tid);
        age = next;
    }
    struct trace_event ev = {
        .type = TRACE_BESIDE,
        .beside = {SEEP_BESIDE_INHERITED, payload.data, payload.length},
    };
    enum seep_err e = trace_writer_event(p->writer, &ev, err);
    bytes_release(&payload);
    return e;
}

/* What the process has from its parent comes before anything of its own. */
static enum seep_err write_inherited(struct packer *p, struct err *err)
{
    const struct inherited *in = &p->inherited;
    for (size_t i = 0; i < in->node_count; i++) {
        const struct inherited_node *n = &in->nodes[i];
        stack_map_define(&p->stacks, n->id | INHERITED_STACK,
                         n->parent != 0 ? n->parent | INHERITED_STACK : 0, n->pc, n->flags);
    }
    for (size_t i = 0; i < in->modules.public.module_count; i++)
        beside_inherit_module(&p->beside, &in->modules.public.modules[i]);
    enum seep_err e = SEEP_OK;
    for (size_t i = 0; i < in->count && e == SEEP_OK; i++) {
        size_t left = in->count - i;
        struct inherited_block block = in->blocks[i];
        if (block.stack != 0)
            block.stack |= INHERITED_STACK;
        if (i % INHERITED_RECORD_BLOCKS == 0)
            e = write_inherited_record(
                p, i, left < INHERITED_RECORD_BLOCKS ? left : INHERITED_RECORD_BLOCKS, err);
        if (e == SEEP_OK)
            e = order_inherit(&p->order, &block, err);
    }
    return e;
}

/* The places that are there. */
static enum seep_err write_places(struct packer *p, struct err *err)
{
    struct place place;
    double total = (double)p->spool.rows_total + 1;
    for (uint64_t places = 1; merge_next(&p->merge, &place); places++) {
        enum seep_err e = order_push(&p->order, &place, err);
        if (e == SEEP_OK && places % PROGRESS_PLACES == 0) {
            if (!packer_go_on(p, (double)merge_bytes_read(&p->merge) / total))
                return packer_interrupted(err);
            if (p->options->follow)
                e = follow_free(p, err);
        }
        if (e != SEEP_OK)
            return e;
    }
    return SEEP_OK;
}

static enum seep_err write_events(struct packer *p, struct err *err)
{
    enum seep_err e = SEEP_OK;
    bool more = p->options->follow;
    if (more)
        follow_first_look(p);
    merge_renew(&p->merge);
    e = write_places(p, err);
    while (e == SEEP_OK && more) {
        e = follow_look(p, &more, err);
        if (e == SEEP_OK && more)
            e = write_places(p, err);
    }
    if (e == SEEP_OK)
        e = order_finish(&p->order, err);
    if (e == SEEP_OK)
        handout_finish(&p->handout);
    /* those of the time after the last event; the parent's EXIT is among them */
    return e != SEEP_OK ? e : beside_snapshots(&p->beside, UINT64_MAX, err);
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void fill_summary(const struct packer *p, struct trace_summary *out)
{
    const struct seep_control *c = &p->spool.control;
    const uint64_t *lost = p->beside.lost;
    /* A LOST record says where events are missing; the recorder counts the same ones in control. */
    *out = (struct trace_summary){
        .lost_nested = most(c->lost_nested, lost[SEEP_LOST_NESTED]),
        .lost_stopped = most(c->lost_stopped, lost[SEEP_LOST_STOPPED]),
        .lost_early = most(c->lost_early, lost[SEEP_LOST_EARLY]),
        .lost_no_lane = most(c->lost_no_lane, lost[SEEP_LOST_NO_LANE]),
        .lost_full = most(c->lost_full, lost[SEEP_LOST_FULL]),
        .lost_damaged = p->spool.missing_pieces + p->spool.damaged_pieces + merge_lost(&p->merge) +
                        p->beside.damaged,
        .repaired = p->order.repaired,
        .raced = p->order.raced,
        .unknown_frees = p->order.unknown_frees,
        .cut_stacks = c->cut_stacks,
        .guessed_frames = c->guessed_frames,
        .duration_ns = most(p->beside.time_ns, stamp_clock_end_ns(&p->clock)),
        .recorder_bytes = p->beside.recorder_bytes,
        .peak_rss_bytes = p->beside.peak_rss_bytes,
        .spool_state = c->state,
        .stop_reason = c->stop_reason,
        .unseen = c->unseen,
        .wait_status = p->beside.wait_status,
    };
}

/* Makes the parts that places pass through on their way into the trace. */
static void join_parts(struct packer *p)
{
    struct spool *s = &p->spool;
    p->stacks.writer = p->writer;
    p->stacks.keep_log = p->options->follow;
    merge_init(&p->merge, s, &p->notes, &p->stacks);
    p->stacks.more = merge_read_definitions;
    p->stacks.more_arg = &p->merge;
    stamp_clock_init(&p->clock, s, merge_newest(&p->merge), beside_last_snapshot_ns(s));
    if (s->running)
        stamp_clock_add(&p->clock, &s->looked_at);
    beside_init(&p->beside, p->writer, s, &p->notes);
    order_init(&p->order, p->writer, &p->stacks, &p->beside, &p->clock,
               s->fork_parent_pid != 0 && !p->inherited.known);
    p->order.fork_stamp = s->fork_stamp;
    handout_init(&p->handout, p->writer, &p->stacks, &p->beside, s, &p->inherited, &p->clock);
    const struct family *family = packer_family(p);
    for (size_t i = 0; (i = family_next_child(family, s->path, i)) < family_count(family); i++)
        handout_add(&p->handout, family->all[i].path, 0);
    p->order.handout = &p->handout;
}

static enum seep_err write_trace_from(struct packer *p, struct pack_state *state, struct err *err)
{
    struct spool *s = &p->spool;
    inherited_read(&p->inherited, s);
    s->generation_shift =
        p->inherited.known && p->inherited.generation > 0 ? p->inherited.generation - 1 : 0;
    enum seep_err e = spool_index(s, &p->notes, go_on_indexing, p, err);
    struct trace_writer_options writer = {.coding = p->options->coding};
    if (writer.coding.unit_us == 0)
        writer.coding.unit_us = state->unit_us;
    if (e == SEEP_OK)
        e = trace_writer_open(&p->writer, p->temporary, &writer, err);
    if (e != SEEP_OK)
        return e;
    join_parts(p);
    if (pack_state_is_there(state))
        e = pack_state_restore_lanes(state, p, err);
    if (e == SEEP_OK)
        e = write_facts(p, err);
    if (e == SEEP_OK)
        e = write_inherited(p, err);
    if (e == SEEP_OK && pack_state_is_there(state))
        e = pack_state_restore_trace(state, p, err);
    if (e == SEEP_OK)
        e = write_events(p, err);
    return e;
}

static enum seep_err write_trace(struct packer *p, struct err *err)
{
    struct pack_state state;
    enum seep_err e = pack_state_open(&state, p, err);
    if (e == SEEP_OK)
        e = write_trace_from(p, &state, err);
    pack_state_release(&state);
    if (e != SEEP_OK)
        return e;
    struct trace_summary summary;
    fill_summary(p, &summary);
    struct trace_writer *w = p->writer;
    p->writer = NULL; /* freed by finishing it, also on error */
    return trace_writer_finish(w, &summary, err);
}

static void release(struct packer *p)
{
    order_release(&p->order);
    handout_release(&p->handout);
    inherited_release(&p->inherited);
    merge_release(&p->merge);
    beside_release(&p->beside);
    stamp_clock_release(&p->clock);
    stack_map_release(&p->stacks);
    if (p->writer != NULL)
        trace_writer_abort(p->writer);
    if (p->temporary != NULL && !p->keep_part)
        unlink(p->temporary); /* gone already if it was renamed */
    free(p->temporary);
    follow_release(p);
    spool_release(&p->spool); /* and the lock with it, once the temporary is gone */
}

/* Sees to it that a forked child is told what it has from its parent: by the packer that follows
 * that, or by packing what there is of it here. */
static enum seep_err meet_parent(struct packer *p, struct err *err)
{
    family_add_siblings(&p->family, p->spool.path);
    for (int tries = 0;
         tries < PARENT_TRIES && p->spool.fork_parent[0] != '\0' && !inherited_is_there(&p->spool);
         tries++) {
        const struct family_member *parent = family_parent(&p->family, &p->spool);
        char *part = NULL;
        if (parent == NULL)
            break;
        if (!pack_is_followed(parent->path, &part)) {
            pack_ancestors(p->spool.path, p->temporary, &p->family);
            break;
        }
        free(part);
        if (!packer_go_on(p, 0))
            return packer_interrupted(err);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_RETRY_NS}, NULL);
    }
    return SEEP_OK;
}

/* Packs a running process into its spool's directory. */
static enum seep_err pack_followed(struct packer *p, struct err *err)
{
    bool gone = false;
    enum seep_err e = lock_spool(p, &gone, err);
    if (e != SEEP_OK || gone || was_followed(p))
        return e;
    if (pack_state_exists(p))
        return err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET, "%s: was followed before", p->spool.path);
    p->temporary = in_spool(p, PACKER_PART_FILE);
    unlink(p->temporary); /* a packer's that was killed before it gave anything back */
    p->keep_part = true;
    e = follow_begin(p, err);
    if (e == SEEP_OK)
        e = meet_parent(p, err);
    if (e == SEEP_OK)
        e = write_trace(p, err);
    if (e != SEEP_OK)
        return e;
    char *whole = in_spool(p, PACKER_TRACE_FILE);
    if (rename(p->temporary, whole) != 0)
        e = err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s: %s", whole, strerror(errno));
    free(whole);
    return e;
}

static enum seep_err pack_at_once(struct packer *p, const char *trace_path, struct err *err)
{
    bool gone = false;
    struct stat st;
    bool was_there = lstat(trace_path, &st) == 0;
    if (was_there && !p->options->overwrite)
        return publish_exists(trace_path, err);
    if (p->spool.running && !p->options->running_ok)
        return err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET, "%s: process %u is still being recorded",
                       p->spool.path, p->spool.control.pid);
    enum seep_err e = lock_spool(p, &gone, err);
    if (e != SEEP_OK)
        return e;
    if (gone) {
        if (was_there || lstat(trace_path, &st) != 0)
            e = err_set(err, SEEP_ERR_BUSY, ERR_NO_OFFSET,
                        "%s: was packed elsewhere by another process meanwhile", p->spool.path);
        return e;
    }
    if (was_followed(p)) {
        e = publish_followed(p, trace_path, err);
    } else {
        name_temporary(p, trace_path);
        e = write_trace(p, err);
        if (e == SEEP_OK)
            e = publish(p->temporary, trace_path, p->options->overwrite, err);
    }
    if (e == SEEP_OK && !p->options->keep_spool && !p->spool.running && !spool_remove(&p->spool))
        take_note(p, "the spool could not be removed");
    if (e == SEEP_OK)
        packer_go_on(p, 1);
    return e;
}

enum seep_err pack_spool(const char *spool_path, const char *trace_path,
                         const struct pack_options *options, struct err *err)
{
    static const struct pack_options defaults;
    struct packer p = {.options = options != NULL ? options : &defaults};
    p.notes = (struct spool_notes){take_note, &p};
    stack_map_init(&p.stacks);
    enum seep_err e = spool_open(&p.spool, spool_path, err);
    if (e == SEEP_OK)
        e = p.options->follow ? pack_followed(&p, err) : pack_at_once(&p, trace_path, err);
    release(&p);
    return e;
}

static void pack_parent(const char *spool_path, const struct family *family, const char *scratch,
                        size_t depth)
{
    struct spool s;
    const struct family_member *parent = NULL;
    if (spool_open(&s, spool_path, NULL) == SEEP_OK && !inherited_is_there(&s))
        parent = family_parent(family, &s);
    spool_release(&s);
    if (parent == NULL || depth > family_count(family))
        return;
    pack_parent(parent->path, family, scratch, depth + 1);
    struct pack_options options = {
        .overwrite = true, .keep_spool = true, .running_ok = true, .family = family};
    if (pack_spool(parent->path, scratch, &options, NULL) == SEEP_OK)
        unlink(scratch);
}

void pack_ancestors(const char *spool_path, const char *trace_path, const struct family *family)
{
    struct strbuf scratch = {0};
    strbuf_addf(&scratch, "%s.parent-%ld", trace_path, (long)getpid());
    pack_parent(spool_path, family, scratch.text, 0);
    strbuf_release(&scratch);
}
