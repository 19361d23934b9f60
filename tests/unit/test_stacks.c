/* SPDX-License-Identifier: MIT
 *
 * The table of stacks: equal stacks get equal ids, also where several threads meet them at once;
 * what an id means stands in rows written before; a new generation starts afresh. */
#include "fake_rows.h"
#include "modules.h"
#include "stacks.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STACKS 20000
#define THREADS 4
#define ROWS_MAX 500000

static struct rec_walk *new_walk(void)
{
    return calloc(1, sizeof(struct rec_walk));
}

static uint64_t mixed(uint64_t v)
{
    v = (v ^ v >> 31) * 0x7fb5d329728ea185ull;
    v = (v ^ v >> 27) * 0x81dadef4bc2dd44dull;
    return v ^ v >> 33;
}

/* The stack of that number: they share their outer frames in groups, as a program's do. */
static void make_stack(struct rec_walk *w, uint32_t number)
{
    w->count = 1 + (uint32_t)(mixed(number) % 40);
    w->cut = number % 7 == 0;
    for (uint32_t i = 0; i < w->count; i++) {
        uint32_t outer = w->count - 1 - i;
        uint32_t group = number / (1 + w->count / (outer + 1));
        w->pc[i] = 0x400000 + (uintptr_t)(mixed(group * 64 + outer) & 0x7fffff);
        w->flags[i] = outer % 11 == 3 ? REC_FRAME_EXACT : outer % 13 == 5 ? REC_FRAME_GUESSED : 0;
    }
}

static void start(void)
{
    fake_rows_init(ROWS_MAX);
    fake_rows_refuse = false;
    assert_true(rec_modules_init());
    assert_true(rec_stacks_init());
}

/* What the rows say an id is, compared with the stack. */
struct node {
    uint32_t parent;
    uintptr_t pc;
    uint8_t flags;
    uint32_t generation;
    bool defined, root;
};
static struct node *nodes; /* by id */

static uint32_t read_rows(void)
{
    free(nodes);
    nodes = calloc(ROWS_MAX, sizeof *nodes);
    uint32_t defined = 0;
    for (uint32_t i = 0; i < fake_rows_count(); i++) {
        const struct fake_row *r = fake_rows_at(i);
        if (r->what == FAKE_BESIDE)
            continue;
        assert_true(r->id > 0 && r->id < ROWS_MAX);
        assert_false(nodes[r->id].defined);
        if (r->what == FAKE_STACK) /* no node before its parent */
            assert_true(nodes[r->parent].defined);
        nodes[r->id] = (struct node){.parent = r->what == FAKE_STACK ? r->parent : 0,
                                     .pc = r->pc,
                                     .flags = r->flags,
                                     .generation = r->what == FAKE_ROOT ? r->parent : 0,
                                     .defined = true,
                                     .root = r->what == FAKE_ROOT};
        defined++;
    }
    return defined;
}

static void check_meaning(uint32_t id, const struct rec_walk *w, uint32_t generation)
{
    for (uint32_t i = 0; i < w->count; i++) {
        assert_true(nodes[id].defined && !nodes[id].root);
        assert_int_equal(nodes[id].pc, w->pc[i]);
        assert_int_equal(nodes[id].flags, w->flags[i]);
        id = nodes[id].parent;
    }
    assert_true(nodes[id].root);
    assert_int_equal(nodes[id].generation, generation);
    assert_int_equal(nodes[id].flags, w->cut ? SEEP_ROW_CUT : 0);
}

struct job {
    uint32_t *ids;
    unsigned first;
    bool defined_late;
};

static void *intern_all(void *argument)
{
    struct job *job = argument;
    struct rec_walk *w = new_walk();
    for (uint32_t i = 0; i < STACKS; i++) {
        uint32_t number = (i + job->first) % STACKS;
        make_stack(w, number);
        job->ids[number] = rec_stacks_id(NULL, w);
        /* Its definition must be there by now. Ids are given in the order of the rows. */
        if (job->ids[number] > fake_rows_count())
            job->defined_late = true;
    }
    free(w);
    return NULL;
}

static void test_threads_agree(void **state)
{
    (void)state;
    start();
    static uint32_t ids[THREADS][STACKS];
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        /* The first two run side by side over the same new stacks. */
        jobs[i] = (struct job){.first = i / 2 * (STACKS / 3), .ids = ids[i]};
        assert_int_equal(pthread_create(&threads[i], NULL, intern_all, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_false(jobs[i].defined_late);
    }
    uint32_t defined = read_rows();
    assert_int_equal(defined, rec_stacks_nodes());
    struct rec_walk *w = new_walk();
    for (uint32_t number = 0; number < STACKS; number++) {
        for (unsigned i = 1; i < THREADS; i++)
            assert_int_equal(ids[i][number], ids[0][number]);
        make_stack(w, number);
        check_meaning(ids[0][number], w, 1); /* so different stacks have different ids */
    }
    print_message("%u stacks, %u nodes, %lu KiB\n", STACKS, defined, rec_stacks_bytes() >> 10);
    free(w);
}

static void test_prefixes_are_shared(void **state)
{
    (void)state;
    start();
    struct rec_walk *w = new_walk();
    *w = (struct rec_walk){.count = 3, .pc = {30, 20, 10}};
    uint32_t leaf = rec_stacks_id(NULL, w);
    assert_int_equal(rec_stacks_nodes(), 4); /* and a root */
    *w = (struct rec_walk){.count = 2, .pc = {20, 10}};
    uint32_t caller = rec_stacks_id(NULL, w);
    assert_int_equal(rec_stacks_nodes(), 4);
    read_rows();
    assert_int_equal(nodes[leaf].parent, caller);
    *w = (struct rec_walk){.count = 2, .cut = true, .pc = {20, 10}};
    assert_int_not_equal(rec_stacks_id(NULL, w), caller);
    assert_int_equal(rec_stacks_nodes(), 7);
    *w = (struct rec_walk){.count = 2, .pc = {20, 10}, .flags = {REC_FRAME_EXACT}};
    assert_int_not_equal(rec_stacks_id(NULL, w), caller);
    assert_int_equal(rec_stacks_nodes(), 8);
    free(w);
}

static void test_refused_rows(void **state)
{
    (void)state;
    start();
    struct rec_walk *w = new_walk();
    *w = (struct rec_walk){.count = 3, .pc = {30, 20, 10}};
    fake_rows_refuse = true;
    assert_int_equal(rec_stacks_id(NULL, w), 0);
    assert_int_equal(rec_stacks_nodes(), 0);
    start();
    uint32_t id = rec_stacks_id(NULL, w);
    assert_int_not_equal(id, 0);
    read_rows();
    check_meaning(id, w, 1);
    free(w);
}

static void test_forgotten(void **state)
{
    (void)state;
    start();
    struct rec_walk *w = new_walk();
    for (uint32_t number = 0; number < 1000; number++) {
        make_stack(w, number);
        rec_stacks_id(NULL, w);
    }
    uint32_t before = rec_stacks_nodes();
    rec_stacks_forget();
    for (uint32_t number = 0; number < 1000; number++) {
        make_stack(w, number);
        uint32_t id = rec_stacks_id(NULL, w);
        assert_true(id > before);
    }
    read_rows();
    make_stack(w, 999);
    check_meaning(rec_stacks_id(NULL, w), w, 1);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_agree),
        cmocka_unit_test(test_prefixes_are_shared),
        cmocka_unit_test(test_refused_rows),
        cmocka_unit_test(test_forgotten),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    free(nodes);
    return result;
}
