/* SPDX-License-Identifier: MIT */
#include "pack_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fixture_begin(struct pack_fixture *f)
{
    memset(f, 0, sizeof *f);
    const char *base = getenv("TMPDIR");
    snprintf(f->directory, sizeof f->directory, "%s/seep-test-XXXXXX",
             base && strlen(base) <= 40 ? base : "/tmp");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->spool, sizeof f->spool, "%s/a.spool", f->directory);
    snprintf(f->trace, sizeof f->trace, "%s/a.seep", f->directory);
    sb_begin(&f->b, f->spool);
}

void fixture_again(struct pack_fixture *f)
{
    assert_int_not_equal(access(f->spool, F_OK), 0);
    sb_begin(&f->b, f->spool);
}

static void take_note(void *arg, const char *text)
{
    struct pack_fixture *f = arg;
    size_t used = strlen(f->notes);
    snprintf(f->notes + used, sizeof f->notes - used, "%s\n", text);
    f->note_count++;
}

enum seep_err fixture_pack(struct pack_fixture *f, const struct pack_options *options)
{
    struct pack_options with_notes = options != NULL ? *options : (struct pack_options){0};
    with_notes.note = take_note;
    with_notes.note_arg = f;
    f->notes[0] = '\0';
    f->note_count = 0;
    struct err err = {0};
    enum seep_err e = pack_spool(f->spool, f->trace, &with_notes, &err);
    if (e != SEEP_OK) {
        assert_true(err.message[0] != '\0' && strchr(err.message, '\n') == NULL);
        return e;
    }
    packed_release(&f->p);
    packed_load(&f->p, f->trace);
    assert_int_equal(unlink(f->trace), 0);
    return e;
}

void fixture_remove_spool(struct pack_fixture *f)
{
    static const char *const names[] = {"control", "rows", "snapshots"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", f->spool, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->spool), 0);
}

void fixture_end(struct pack_fixture *f)
{
    packed_release(&f->p);
    assert_int_equal(rmdir(f->directory), 0);
}

static const struct trace_event *find(const struct pack_fixture *f, enum seep_beside kind, size_t n)
{
    for (size_t i = 0; i < f->p.count; i++) {
        const struct trace_event *ev = &f->p.events[i];
        bool beside = ev->type == TRACE_BESIDE;
        if (beside == (kind != 0) && (!beside || ev->beside.kind == kind) && n-- == 0)
            return ev;
    }
    return NULL;
}

const struct trace_event *fixture_event(const struct pack_fixture *f, size_t n)
{
    const struct trace_event *ev = find(f, 0, n);
    assert_non_null(ev);
    return ev;
}

size_t fixture_count(const struct pack_fixture *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->p.count; i++)
        n += f->p.events[i].type != TRACE_BESIDE;
    return n;
}

const struct trace_event *fixture_beside(const struct pack_fixture *f, enum seep_beside kind,
                                         size_t n)
{
    return find(f, kind, n);
}
