/* SPDX-License-Identifier: MIT
 *
 * What packing does to files, and together with other processes: the recorded one, which may still
 * run, and other packers. */
#include "pack_fixture.h"

#include "seep/trace_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define S(ns) (1000000 + 2 * (uint64_t)(ns))

static void allocations(struct spool_builder *b, uint32_t count)
{
    uint32_t lane = sb_lane(b, 1);
    for (uint32_t i = 0; i < count; i++)
        sb_alloc(b, lane, S(1000 + 10 * i), 0,
                 &(struct builder_block){.address = 0x10000 + 32 * (uint64_t)i, .size = i});
    sb_finish(b);
}

/* Entries of the directory without "." and ".."; *found tells whether `name` is among them. */
static size_t entries(const struct pack_fixture *f, const char *name, bool *found)
{
    DIR *directory = opendir(f->directory);
    size_t n = 0;
    *found = false;
    for (struct dirent *d; (d = readdir(directory)) != NULL;) {
        if (d->d_name[0] == '.' && (d->d_name[1] == '\0' || strcmp(d->d_name, "..") == 0))
            continue;
        n++;
        *found = *found || strcmp(d->d_name, name) == 0;
    }
    closedir(directory);
    return n;
}

static void expect_only(const struct pack_fixture *f, const char *name)
{
    bool found;
    assert_int_equal(entries(f, name, &found), 1);
    assert_true(found);
}

static enum seep_err pack_only(const struct pack_fixture *f, const struct pack_options *options)
{
    struct err err = {0};
    return pack_spool(f->spool, f->trace, options, &err);
}

static void a_spool_becomes_a_trace(void **state)
{
    (void)state;
    struct pack_fixture f;
    struct stat st;
    fixture_begin(&f);
    allocations(&f.b, 10);
    assert_true(pack_is_spool(f.spool));
    assert_int_equal(pack_only(&f, NULL), SEEP_OK);
    expect_only(&f, "a.seep");
    assert_int_equal(stat(f.trace, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(pack_is_spool(f.spool));
    assert_false(pack_is_spool(f.trace));
    unlink(f.trace);
    fixture_end(&f);
}

static void nothing_is_overwritten_unasked(void **state)
{
    (void)state;
    struct pack_fixture f;
    struct stat st;
    fixture_begin(&f);
    allocations(&f.b, 10);
    int fd = open(f.trace, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    assert_int_equal(pack_only(&f, NULL), SEEP_ERR_EXISTS);
    assert_int_equal(stat(f.trace, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_true(pack_is_spool(f.spool));
    assert_int_equal(pack_only(&f, &(struct pack_options){.overwrite = true, .keep_spool = true}),
                     SEEP_OK);
    assert_true(pack_is_spool(f.spool));
    assert_int_equal(fixture_pack(&f, &(struct pack_options){.overwrite = true}), SEEP_OK);
    assert_int_equal(fixture_count(&f), 10);
    fixture_end(&f);
}

/* A trace that comes to be while the spool is being packed is not overwritten either. */
static bool make_trace(void *arg, double fraction)
{
    (void)fraction;
    struct pack_fixture *f = arg;
    int fd = open(f->trace, O_CREAT | O_WRONLY, 0600);
    close(fd);
    return true;
}

static void a_trace_made_meanwhile_stays(void **state)
{
    (void)state;
    struct pack_fixture f;
    fixture_begin(&f);
    allocations(&f.b, 200000);
    struct pack_options options = {.progress = make_trace, .progress_arg = &f};
    assert_int_equal(pack_only(&f, &options), SEEP_ERR_EXISTS);
    assert_int_equal(unlink(f.trace), 0);
    expect_only(&f, "a.spool");
    fixture_remove_spool(&f);
    fixture_end(&f);
}

static bool stop_half_way(void *arg, double fraction)
{
    double *last = arg;
    assert_true(fraction >= *last && fraction <= 1);
    *last = fraction;
    return fraction < 0.5;
}

static void an_interrupted_packing_leaves_the_spool(void **state)
{
    (void)state;
    struct pack_fixture f;
    double fraction = 0;
    fixture_begin(&f);
    allocations(&f.b, 250000);
    struct pack_options options = {.progress = stop_half_way, .progress_arg = &fraction};
    assert_int_equal(pack_only(&f, &options), SEEP_ERR_INTERRUPTED);
    assert_true(fraction >= 0.5 && fraction < 0.9);
    expect_only(&f, "a.spool");
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    assert_int_equal(fixture_count(&f), 250000);
    fixture_end(&f);
}

static bool die_half_way(void *arg, double fraction)
{
    (void)arg;
    if (fraction > 0.5)
        raise(SIGKILL);
    return true;
}

static void a_killed_packer_leaves_nothing_in_the_way(void **state)
{
    (void)state;
    struct pack_fixture f;
    bool found;
    int status;
    fixture_begin(&f);
    allocations(&f.b, 200000);
    pid_t child = fork();
    if (child == 0) {
        pack_only(&f, &(struct pack_options){.progress = die_half_way});
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(entries(&f, "a.spool", &found), 2); /* its temporary file is the other */
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    assert_int_equal(fixture_count(&f), 200000);
    fixture_end(&f); /* fails if the temporary still lay there */
}

static void what_is_no_spool(void **state)
{
    (void)state;
    struct pack_fixture f;
    struct err err;
    struct pack_spool probed;
    char empty[128];
    fixture_begin(&f);
    f.b.control.version = 99;
    allocations(&f.b, 10);
    assert_int_equal(pack_only(&f, NULL), SEEP_ERR_VERSION);
    assert_int_equal(pack_probe(f.spool, &probed, &err), SEEP_ERR_VERSION);
    fixture_remove_spool(&f);
    assert_int_equal(pack_only(&f, NULL), SEEP_ERR_IO);
    assert_int_equal(pack_spool("/bin/ls", f.trace, NULL, &err), SEEP_ERR_NOT_TRACE);
    snprintf(empty, sizeof empty, "%s/empty", f.directory);
    assert_int_equal(mkdir(empty, 0700), 0);
    assert_false(pack_is_spool(empty));
    assert_int_equal(pack_spool(empty, f.trace, NULL, &err), SEEP_ERR_NOT_TRACE);
    assert_int_equal(rmdir(empty), 0);
    fixture_end(&f);
}

static void a_probe_tells_who_it_was(void **state)
{
    (void)state;
    struct pack_fixture f;
    struct err err;
    struct pack_spool s;
    fixture_begin(&f);
    f.b.control.pid = 0x7ffffff0;
    f.b.control.state = SEEP_SPOOL_STOPPED;
    sb_fact(&f.b, SEEP_FACT_EXE, "/opt/x/bin/thing", 16);
    sb_fact(&f.b, SEEP_FACT_RUN_ID, "abc", 3);
    sb_fact_number(&f.b, SEEP_FACT_IMAGE, 2);
    sb_fact_number(&f.b, SEEP_FACT_PARENT_PID, 41);
    sb_fact_number(&f.b, (enum seep_fact)9999, 1);
    allocations(&f.b, 10);
    assert_int_equal(pack_probe(f.spool, &s, &err), SEEP_OK);
    assert_int_equal(s.pid, 0x7ffffff0);
    assert_int_equal(s.state, SEEP_SPOOL_STOPPED);
    assert_string_equal(s.exe, "thing");
    assert_string_equal(s.run_id, "abc");
    assert_int_equal(s.image, 2);
    assert_int_equal(s.parent_pid, 41);
    assert_true(s.bytes >= 1000);
    assert_false(s.running);
    fixture_remove_spool(&f);
    fixture_end(&f);
}

/* ------------------------------------------------------------------ two packers */

static int take_lock(const struct pack_fixture *f)
{
    char path[128];
    snprintf(path, sizeof path, "%s/control", f->spool);
    int fd = open(path, O_RDONLY);
    return flock(fd, LOCK_EX);
}

static void a_second_packer_waits(void **state)
{
    (void)state;
    for (int packs = 0; packs < 2; packs++) {
        struct pack_fixture f;
        int ready[2], status;
        char byte;
        fixture_begin(&f);
        allocations(&f.b, 10);
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0) {
            int failed = take_lock(&f);
            failed |= write(ready[1], "x", 1) != 1;
            usleep(150000);
            if (packs) { /* as a packer ends: the trace is there, the spool is not */
                make_trace(&f, 1);
                fixture_remove_spool(&f);
            }
            _exit(failed);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        if (packs) {
            assert_int_equal(pack_only(&f, NULL), SEEP_OK);
            unlink(f.trace);
        } else {
            assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
            assert_int_equal(fixture_count(&f), 10);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        close(ready[0]);
        close(ready[1]);
        fixture_end(&f);
    }
}

/* ------------------------------------------------------------------ a process that still runs */

#define LIVE_TAILS 4096u /* where in `control` */

struct live {
    struct pack_fixture *f;
    uint8_t *control;
    size_t published[2];
    uint32_t sequence[2];
};

static uint8_t *map_file(const struct pack_fixture *f, const char *name, size_t bytes)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->spool, name);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        _exit(1);
    uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return p;
}

static void publish(struct live *l, uint32_t lane)
{
    struct builder_lane *from = &l->f->b.lanes[lane];
    struct seep_lane *to = (struct seep_lane *)(l->control + sizeof(struct seep_control)) + lane;
    if (from->sequence != l->sequence[lane]) {
        l->sequence[lane] = from->sequence;
        l->published[lane] = 0;
        __atomic_store_n(&to->word, (uint64_t)from->sequence << 32, __ATOMIC_RELEASE);
    }
    uint8_t *tail = l->control + LIVE_TAILS + lane * SEEP_TAIL_MAX_BYTES;
    memcpy(tail + l->published[lane], from->rows + l->published[lane],
           from->length - l->published[lane]);
    l->published[lane] = from->length;
    __atomic_store_n(&to->word, (uint64_t)from->sequence << 32 | from->length, __ATOMIC_RELEASE);
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Does what a recorder does, until it is killed: allocates in lane 0, frees in lane 1. */
static void record_forever(struct pack_fixture *f, int ready)
{
    struct live l = {.f = f};
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test fail */
    l.control = map_file(f, "control", LIVE_TAILS + 2 * SEEP_TAIL_MAX_BYTES);
    struct seep_control *c = &f->b.control;
    c->clock = SEEP_CLOCK_MONOTONIC;
    c->state = SEEP_SPOOL_OPEN;
    c->pid = (uint32_t)getpid();
    c->start_ns = c->start_stamp = now_ns();
    c->lane_count = 2;
    for (uint32_t lane = 0; lane < 2; lane++) {
        sb_lane(&f->b, lane + 1);
        struct seep_lane *to = (struct seep_lane *)(l.control + sizeof(struct seep_control)) + lane;
        for (int side = 0; side < 2; side++) {
            to->tail_offset[side] = LIVE_TAILS + lane * SEEP_TAIL_MAX_BYTES;
            to->tail_bytes[side] = SEEP_TAIL_MAX_BYTES;
            to->thread[side] = lane + 1;
        }
    }
    memcpy(l.control, c, sizeof *c);
    for (uint64_t i = 0;; i++) {
        sb_alloc(&f->b, 0, now_ns(), 0,
                 &(struct builder_block){.address = 0x1000 + i % 4 * 64, .size = i});
        publish(&l, 0);
        if (i > 0) {
            sb_free(&f->b, 1, now_ns(), SEEP_CALL_FREE, 0x1000 + (i - 1) % 4 * 64);
            publish(&l, 1);
        }
        if (i % 64 == 63) /* else the packer's share grows with the square of the time */
            usleep(2000);
        if (i == 2000 && write(ready, "x", 1) != 1)
            _exit(1);
    }
}

/* Allocation i, then the free of i - 1, and so on, without a gap. */
static void expect_prefix(const struct pack_fixture *f)
{
    size_t n = fixture_count(f);
    const struct trace_event *ev = f->p.events;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(ev[i].type, i % 2 == 0 && i > 0 ? TRACE_FREE : TRACE_ALLOC);
        if (i % 2 == 1 || i == 0)
            assert_int_equal(ev[i].after.size, (i + 1) / 2);
        else
            assert_int_equal(ev[i].before.size, i / 2 - 1);
    }
    assert_int_equal(f->p.summary.unknown_frees, 0);
    assert_int_equal(f->p.summary.raced, 0);
    assert_int_equal(f->p.summary.lost_damaged, 0);
}

static void a_running_process_is_left_alone(void **state)
{
    (void)state;
    struct pack_fixture f;
    struct pack_spool probed;
    struct err err;
    int ready[2], status;
    char byte;
    fixture_begin(&f);
    f.b.tail_bytes = 3000;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0)
        record_forever(&f, ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_ERR_BUSY);
    assert_int_equal(pack_probe(f.spool, &probed, &err), SEEP_OK);
    assert_true(probed.running);
    size_t last = 0;
    for (int round = 0; round < 10; round++) {
        assert_int_equal(fixture_pack(&f, &(struct pack_options){.running_ok = true}), SEEP_OK);
        size_t count = fixture_count(&f);
        assert_true(count > 4000 && count >= last);
        last = count;
        expect_prefix(&f);
        assert_true(pack_is_spool(f.spool));
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(pack_probe(f.spool, &probed, &err), SEEP_OK);
    assert_false(probed.running);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    assert_true(fixture_count(&f) > last);
    expect_prefix(&f);
    assert_int_equal(f.p.summary.spool_state, SEEP_SPOOL_OPEN);
    close(ready[0]);
    close(ready[1]);
    fixture_end(&f);
}

static bool has_trace(const struct pack_fixture *f)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof path, "%s/trace", f->spool);
    return lstat(path, &st) == 0;
}

static void an_ended_process_is_packed_ahead(void **state)
{
    (void)state;
    struct pack_fixture f;
    const struct pack_options ahead = {.ahead = true};
    fixture_begin(&f);
    allocations(&f.b, 10);
    assert_int_equal(pack_only(&f, &ahead), SEEP_OK);
    assert_true(has_trace(&f) && pack_is_spool(f.spool));
    assert_int_equal(pack_only(&f, &ahead), SEEP_OK);
    /* what is in the spool is taken as it is: rows are not looked at again */
    char control[160];
    snprintf(control, sizeof control, "%s/control", f.spool);
    assert_int_equal(truncate(control, sizeof(struct seep_control)), 0);
    assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
    assert_int_equal(fixture_count(&f), 10);
    assert_false(pack_is_spool(f.spool));
    fixture_end(&f);
}

/* A child that is not known yet may have to be told what it has from it. */
static void who_may_have_children_is_not_packed_ahead(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct pack_fixture f;
        fixture_begin(&f);
        f.b.control.forks = how == 0;
        if (how == 1)
            f.b.control.state = SEEP_SPOOL_OPEN;
        allocations(&f.b, 10);
        assert_int_equal(pack_only(&f, &(struct pack_options){.ahead = true}), SEEP_ERR_BUSY);
        assert_false(has_trace(&f));
        assert_int_equal(fixture_pack(&f, NULL), SEEP_OK);
        assert_int_equal(fixture_count(&f), 10);
        fixture_end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spool_becomes_a_trace),
        cmocka_unit_test(nothing_is_overwritten_unasked),
        cmocka_unit_test(a_trace_made_meanwhile_stays),
        cmocka_unit_test(an_interrupted_packing_leaves_the_spool),
        cmocka_unit_test(a_killed_packer_leaves_nothing_in_the_way),
        cmocka_unit_test(what_is_no_spool),
        cmocka_unit_test(a_probe_tells_who_it_was),
        cmocka_unit_test(a_second_packer_waits),
        cmocka_unit_test(a_running_process_is_left_alone),
        cmocka_unit_test(an_ended_process_is_packed_ahead),
        cmocka_unit_test(who_may_have_children_is_not_packed_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
