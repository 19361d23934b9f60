/* SPDX-License-Identifier: MIT
 *
 * Sums of lives, from which the page works out every window: costs between all kinds of borders
 * against a list of lives that is gone through for every question anew. The sums are worked out
 * here as analysis/lives.h says; test_report.py holds the page's own against seep flame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "analysis/lives.h"
#include "cost_oracle.h"
#include "page/lives.h"

#include <stdlib.h>

#define SEEDS 40
#define WINDOWS 12

/* The border of the window where the most is live, the first of them. */
static uint32_t peak_border(const struct lives_grid *g, uint32_t from, uint32_t to)
{
    uint32_t peak = from;
    for (uint32_t i = from + 1; i <= to; i++)
        if (g->borders[i].live_bytes > g->borders[peak].live_bytes)
            peak = i;
    return peak;
}

/* What the lives say of a key between two borders. */
static struct cost summed(const struct lives *l, uint32_t key, uint32_t from, uint32_t to)
{
    struct cost c = {0};
    uint32_t peak = peak_border(&l->grid, from, to);
    for (size_t i = 0; i < l->count; i++) {
        const struct lives_row *row = &l->rows[i];
        if (row->key != key)
            continue;
        c.held_bytes += row->born <= to && row->ended > to ? row->bytes : 0;
        c.start_bytes += row->born <= from && row->ended > from ? row->bytes : 0;
        if (row->born <= from || row->born > to)
            continue;
        c.allocations += row->blocks;
        c.allocated_bytes += row->bytes;
        c.temporary += row->ended <= to ? row->temporary : 0;
        c.live_blocks += row->ended > to ? row->blocks : 0;
        c.live_bytes += row->ended > to ? row->bytes : 0;
        if (row->born <= peak && row->ended > peak) {
            c.peak_blocks += row->blocks;
            c.peak_bytes += row->bytes;
        }
    }
    return c;
}

static void check_window(struct program *p, const struct lives *l, uint32_t from, uint32_t to,
                         uint64_t seed)
{
    struct question q = {.from = l->grid.borders[from].number,
                         .to = l->grid.borders[to].number,
                         .size_max = UINT64_MAX,
                         .lived_max = UINT64_MAX};
    for (uint32_t node = 0; node <= NODES; node++) {
        struct cost wanted, found = summed(l, node, from, to);
        struct cost_detail detail;
        naive_cost(p, &q, node, &wanted, &detail);
        wanted.own_peak_bytes = 0;
        if (memcmp(&wanted, &found, sizeof wanted) != 0)
            fail_msg("seed %" PRIu64 ", node %u, borders %u to %u", seed, node, from, to);
    }
}

static void read_lives(struct program *p, struct lives *l, uint32_t parts, size_t most_rows)
{
    uint32_t keys[NODES + 1];
    for (uint32_t i = 0; i <= NODES; i++)
        keys[i] = i;
    trace_reader_rewind(&p->trace, NULL);
    assert_int_equal(lives_read(l, &p->trace, keys, parts, most_rows, NULL, NULL, NULL), SEEP_OK);
}

static void windows_cost_what_their_lives_did(void **state)
{
    (void)state;
    static struct program p;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct lives l;
        make_program(&p, seed, 20 + (int)seed * 8);
        /* half of the time so few rows that intervals become wider while reading */
        read_lives(&p, &l, 16 + (uint32_t)seed, seed % 2 ? 100000 : 40);
        uint32_t last = l.grid.intervals;
        assert_true(last >= 1);
        assert_int_equal(l.grid.borders[last].number, p.events);
        check_window(&p, &l, 0, last, seed);
        for (int k = 0; k < WINDOWS; k++) {
            uint32_t from = (uint32_t)fake_random(&p.trace, last);
            uint32_t to = from + 1 + (uint32_t)fake_random(&p.trace, last - from);
            check_window(&p, &l, from, to, seed);
        }
        lives_release(&l);
        release_program(&p);
    }
}

static void peaks_are_at_borders(void **state)
{
    (void)state;
    static struct program p;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct lives l;
        make_program(&p, seed, 20 + (int)seed * 8);
        read_lives(&p, &l, 8 + (uint32_t)seed, seed % 3 ? 100000 : 60);
        for (uint32_t i = 1; i <= l.grid.intervals; i++) {
            const struct lives_border *b = &l.grid.borders[i - 1];
            uint64_t most = b[0].live_bytes > b[1].live_bytes ? b[0].live_bytes : b[1].live_bytes;
            assert_int_equal(b->live_bytes, b->number ? live_bytes(&p, b->number - 1) : 0);
            for (uint64_t n = b->number; n < b[1].number; n++)
                assert_true(live_bytes(&p, n) <= most);
        }
        lives_release(&l);
        release_program(&p);
    }
}

static void sizes_add_up(void **state)
{
    (void)state;
    static struct program p;
    struct lives l;
    make_program(&p, 7, 400);
    read_lives(&p, &l, 20, 100000);
    struct lives_class wanted[LIVES_CLASSES] = {{0}}, found[LIVES_CLASSES] = {{0}};
    uint64_t ended = 0, lifetimes = 0;
    for (int i = 0; i < p.life_count; i++) {
        struct lives_class *c = &wanted[lives_class_of(p.lives[i].size)];
        bool dead = p.lives[i].end != UINT64_MAX;
        c->made++;
        c->made_bytes += p.lives[i].size;
        c->freed += dead;
        c->freed_bytes += dead ? p.lives[i].size : 0;
        ended += dead;
    }
    for (size_t i = 0; i < (l.grid.intervals + 1) * (size_t)LIVES_CLASSES; i++) {
        struct lives_class *c = &found[i % LIVES_CLASSES];
        c->made += l.sizes[i].made;
        c->made_bytes += l.sizes[i].made_bytes;
        c->freed += l.sizes[i].freed;
        c->freed_bytes += l.sizes[i].freed_bytes;
        lifetimes += l.lifetimes[i].freed;
    }
    assert_memory_equal(wanted, found, sizeof wanted);
    assert_int_equal(lifetimes, ended);
    assert_int_equal(lives_class_of(0), 0);
    assert_int_equal(lives_class_of(1), 1);
    assert_int_equal(lives_class_of(255), 8);
    assert_int_equal(lives_class_of(256), 9);
    lives_release(&l);
    release_program(&p);
}

static uint64_t blocks_below(const struct lives *l, const struct places *p, uint32_t place)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < l->count; i++) {
        uint32_t at = l->rows[i].key;
        while (at != place && at)
            at = p->items[at].parent;
        sum += at == place ? l->rows[i].blocks : 0;
    }
    return sum;
}

/* Small places join one that stands below the same caller, and take what they cost with them. */
static void small_places_join_others(void **state)
{
    (void)state;
    static struct program p;
    uint32_t joined = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct lives l;
        struct frame_tree tree;
        struct places places;
        uint32_t *keys;
        make_program(&p, seed, 300);
        assert_int_equal(frame_tree_place(&tree, &keys, true, &p.trace.dict, &p.symbols, NULL),
                         SEEP_OK);
        trace_reader_rewind(&p.trace, NULL);
        assert_int_equal(lives_read(&l, &p.trace, keys, 8, 100000, NULL, NULL, NULL), SEEP_OK);
        places_of_tree(&places, &tree);
        uint64_t whole = blocks_below(&l, &places, 0);
        for (double share = 0; share<0.3; share = share> 0 ? share * 2 : 0.02) {
            uint32_t before = places.count;
            places_join_small(&places, &l, share);
            assert_true(places.count <= before);
            assert_int_equal(blocks_below(&l, &places, 0), whole);
            for (uint32_t i = 1; i < places.count; i++) {
                assert_true(places.items[i].parent < i);
                assert_false(places.items[places.items[i].parent].smaller);
                if (places.items[i].smaller)
                    joined++;
                else
                    assert_true(blocks_below(&l, &places, i) > 0);
            }
        }
        places_release(&places);
        frame_tree_release(&tree);
        free(keys);
        lives_release(&l);
        release_program(&p);
    }
    assert_true(joined > SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_cost_what_their_lives_did),
        cmocka_unit_test(peaks_are_at_borders),
        cmocka_unit_test(sizes_add_up),
        cmocka_unit_test(small_places_join_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
