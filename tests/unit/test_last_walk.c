/* SPDX-License-Identifier: MIT
 *
 * Walks that start from a remembered one, and stacks known as a whole, against full walks, over
 * stacks made up of the rules of real code: frames are pushed and popped, words change behind the
 * walk's back, registers too. Each time all must come to the same stack. */
#include "fake_rows.h"
#include "modules.h"
#include "rules.h"
#include "stack_memo.h"
#include "stacks.h"

#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define BYTES (64u << 10)
#define ROUNDS 200000
#define KIND_PCS 64

/* Return addresses by what their rule does with rbp. */
enum kind { BY_SP, BY_SP_SAVES_FP, BY_FP, BY_FP_KEEPS_FP, WIDE, KINDS };
static uintptr_t pool[KINDS][KIND_PCS];
static unsigned pooled[KINDS];

static uint64_t seed = 88172645463325252ull;

static uint32_t any(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 20) % below);
}

static enum kind kind_of(uint64_t rule)
{
    if (rule & RULE_WIDE)
        return WIDE;
    bool slot = rec_rules_slot(rule) != 0;
    if (rule & RULE_BASE_FP)
        return slot ? BY_FP : BY_FP_KEEPS_FP;
    return slot ? BY_SP_SAVES_FP : BY_SP;
}

static int scan(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || p->p_memsz < 4096)
            continue;
        for (unsigned tries = 0; tries < 20000; tries++) {
            uintptr_t pc = info->dlpi_addr + p->p_vaddr + any((uint32_t)p->p_memsz - 16) + 8;
            uint64_t rule = rec_rules_find(pc);
            enum kind kind = kind_of(rule);
            if (pooled[kind] < KIND_PCS)
                pool[kind][pooled[kind]++] = pc;
        }
    }
    return 0;
}

static uint8_t *memory;
static uintptr_t low, high;

static uintptr_t any_pc(void)
{
    static const enum kind often[] = {BY_SP, BY_SP,          BY_SP_SAVES_FP, BY_SP_SAVES_FP,
                                      BY_FP, BY_SP_SAVES_FP, BY_FP_KEEPS_FP, WIDE};
    enum kind kind = often[any(100) < 97 ? any(7) : 7];
    return pooled[kind] ? pool[kind][any(pooled[kind])] : pool[BY_SP][any(pooled[BY_SP])];
}

/* A place on the stack not far above `from`. */
static uintptr_t any_place(uintptr_t from)
{
    uintptr_t place = (from & ~7ull) + 8 * any(60);
    return place < high ? place : high - 8;
}

static void put(uintptr_t address, uintptr_t value)
{
    if (address >= low && address <= high - 8)
        memcpy((void *)address, &value, sizeof value);
}

/* Gives the frame at *c a caller, as its rule would look for it, and goes there. */
static bool plant(struct step_cursor *c)
{
    uint64_t rule = rec_rules_find(c->pc);
    if (rule & RULE_WIDE)
        return false;
    uintptr_t cfa = (rule & RULE_BASE_FP ? c->fp : c->sp) + (rule & RULE_CFA_MASK);
    uint64_t slot = rec_rules_slot(rule);
    if (cfa <= c->sp || cfa >= high)
        return false;
    uintptr_t pc = any(40) ? any_pc() : 0;
    put(cfa - 8, pc);
    if (slot) {
        c->fp = any(4) ? any_place(cfa) : (uintptr_t)any(1u << 30);
        put(cfa - 8 * (slot + 1), c->fp);
    }
    c->pc = pc;
    c->sp = cfa;
    return pc != 0;
}

/* The frame some steps up from `c`. */
static struct step_cursor climb(struct step_cursor c, unsigned steps)
{
    while (steps-- > 0) {
        uint64_t rule = rec_rules_find(c.pc);
        struct rec_stack_bounds bounds = {low, high};
        struct step_stack s = {.low = c.sp, .high = high, .bounds = &bounds};
        struct step_cursor next = c;
        if (rule & RULE_WIDE || c.sp < low || c.sp >= high ||
            step(&next, rule, &s, NULL) != STEP_CALLER || next.sp >= high)
            break;
        c = next;
    }
    return c;
}

static struct rec_last_walk last;
static struct rec_walk walk;
static struct rec_stack_memo memo;
static unsigned joined, long_joins, known, long_known;

static void check(struct step_cursor c, uintptr_t end, unsigned round)
{
    struct rec_stack_bounds ours = {low, end}, full = {low, end};
    struct rec_context at = {.pc = c.pc, .sp = c.sp, .fp = c.fp};
    rec_unwind(&walk, at, &full);
    uint64_t expected = rec_stacks_hash(&walk);
    const struct rec_stack_memo_entry *entry = rec_stack_memo_find(&memo, &at, &ours);
    if (entry) {
        known++;
        long_known += walk.count > 8;
        if (entry->id != (uint32_t)expected || entry->hash != expected || entry->cut != walk.cut ||
            entry->guessed != walk.guessed)
            fail_msg("round %u: %u frames%s, known as another stack", round, walk.count,
                     walk.cut ? " (cut)" : "");
        if (round % 4)
            return;
    }
    uint32_t before = last.count;
    uint64_t hash = rec_last_walk(&last, &at, &ours);
    if (hash == 0)
        return;
    joined += before > 0;
    long_joins += before > 8 && walk.count > 8;
    if (hash != expected || last.cut != walk.cut || last.guessed != walk.guessed)
        fail_msg("round %u: %u frames%s, remembered %u", round, walk.count,
                 walk.cut ? " (cut)" : "", last.count);
    rec_stack_memo_learn(&memo, &at, &last, hash, (uint32_t)hash);
}

static void test_any_change(void **state)
{
    (void)state;
    struct step_cursor c = {.pc = any_pc(), .sp = low + BYTES / 2, .fp = low + BYTES / 2 + 64};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct step_cursor up;
        switch (any(8)) {
        case 0: /* returns, and calls something else */
        case 1:
        case 2: {
            struct step_cursor older = climb(c, any(6));
            /* Younger frames are pushed so that the last of them returns to `older`. */
            uintptr_t pc = any_pc();
            uint64_t rule = rec_rules_find(pc);
            if (rule & (RULE_WIDE | RULE_BASE_FP))
                break;
            uintptr_t sp = older.sp - (rule & RULE_CFA_MASK);
            if (sp < low + 4096)
                break;
            uint64_t slot = rec_rules_slot(rule);
            put(older.sp - 8, older.pc);
            if (slot)
                put(older.sp - 8 * (slot + 1), older.fp);
            c = (struct step_cursor){pc, sp, slot ? any_place(sp) : older.fp, 0};
            break;
        }
        case 3: /* a whole new stack */
            if (any(4))
                break;
            c = (struct step_cursor){any_pc(), low + 4096 + 8 * any(BYTES / 16), 0, 0};
            c.fp = any_place(c.sp);
            up = c;
            for (unsigned frames = 8 + any(60); frames > 0 && plant(&up); frames--)
                ;
            break;
        case 4: /* another word */
            if (any(3))
                break;
            up = climb(c, any(20));
            uintptr_t where = up.sp + 8 * any(12);
            put(where, any(2) ? any_pc() : any_place(where));
            break;
        case 5: /* an older function has another caller */
            if (any(3))
                break;
            up = climb(c, any(20));
            plant(&up);
            break;
        case 6: c.fp = any(3) ? any_place(c.sp) : any(1u << 30); break;
        case 7: c = climb(c, any(4)); break; /* returns */
        }
        /* The same again, sometimes: what comes once is not worth knowing. */
        for (unsigned times = any(4) ? 1 : 30; times > 0; times--) {
            check(c, high, round);
            struct step_cursor up_again = climb(c, any(8));
            if (!any(10))
                put(up_again.sp + 8 * any(12), any_pc());
        }
    }
    print_message("of %u walks %u from a remembered one, %u of them long; %u known, %u long\n",
                  ROUNDS, joined, long_joins, known, long_known);
    assert_true(joined > ROUNDS / 2);
    assert_true(long_joins > ROUNDS / 50);
    assert_true(long_known > 100);
}

/* The memory of a stack is given back, and a smaller one is in its place. */
static void test_smaller_stack(void **state)
{
    (void)state;
    struct step_cursor c = {.pc = pool[BY_SP][0], .sp = low + BYTES / 2 - 1024};
    uintptr_t sp = c.sp;
    for (unsigned frame = 0; sp < low + BYTES / 2 + 1024; frame++) {
        uintptr_t pc = pool[BY_SP][frame % pooled[BY_SP]];
        sp += rec_rules_find(pc) & RULE_CFA_MASK;
        put(sp - 8, pool[BY_SP][(frame + 1) % pooled[BY_SP]]);
    }
    put(sp - 8, 0);
    check(c, high, 0);
    assert_false(walk.cut);
    mprotect(memory + BYTES / 2, BYTES / 2, PROT_NONE);
    check(c, low + BYTES / 2, 1);
    assert_true(walk.cut);
    mprotect(memory + BYTES / 2, BYTES / 2, PROT_READ | PROT_WRITE);
    check(c, low + BYTES / 2, 2);
    assert_false(walk.cut);
}

int main(void)
{
    rec_unwind_init();
    rec_stacks_init();
    rec_modules_init();
    memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    low = (uintptr_t)memory;
    high = low + BYTES;
    last.keeps_rules = true;
    dl_iterate_phdr(scan, NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_change),
                                       cmocka_unit_test(test_smaller_stack)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
