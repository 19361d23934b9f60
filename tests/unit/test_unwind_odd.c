/* SPDX-License-Identifier: MIT
 *
 * Walks through code without unwind data, and over stacks that make no sense: what is guessed is
 * marked, what is cut is marked, and nothing outside the stack is read. */
#include "fake_rows.h"
#include "modules.h"
#include "rules.h"
#include "stacks.h"
#include "sys.h"
#include "unwind.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cmocka.h>

static struct rec_walk walk, plain;
static struct rec_stack_bounds bounds;

static __attribute__((noinline)) void check_point(void)
{
    struct rec_context at = REC_CONTEXT_HERE;
    rec_unwind(&walk, at, &bounds);
}

/* The frames of the last walk from its `skip`th on are those around the test function: the same as
 * `plain` has from its third on. */
static void assert_same_callers(uint32_t skip)
{
    assert_false(walk.cut);
    assert_true(plain.count > 3);
    assert_int_equal(walk.count - skip, plain.count - 2);
    assert_memory_equal(walk.pc + skip, plain.pc + 2, (plain.count - 2) * sizeof *plain.pc);
}

static __attribute__((noinline)) void walk_plainly(void)
{
    check_point();
    plain = walk;
    __asm__ volatile(""); /* no tail call */
}

/* ------------------------------------------------------------------ code made at run time */

/* push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret */
static const uint8_t with_frame_pointer[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};

static uint8_t *code_page(void)
{
    uint8_t *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    memcpy(page, with_frame_pointer, sizeof with_frame_pointer);
    return page;
}

static __attribute__((noinline)) void walk_through(void (*code)(void (*leaf)(void)))
{
    code(check_point);
    __asm__ volatile("");
}

static void test_run_time_code(void **state)
{
    (void)state;
    uint8_t *page = code_page();
    walk_plainly();
    for (int i = 0; i < 3; i++) {
        uintptr_t code = (uintptr_t)page;
        walk_through((void (*)(void (*)(void)))code);
        assert_int_equal(walk.pc[0], code + 6);
        assert_int_equal(walk.flags[0], 0);
        assert_int_equal(walk.flags[1], REC_FRAME_GUESSED);
        assert_int_equal(walk.guessed, 1);
        assert_true(walk.pc[1] - (uintptr_t)walk_through < 100);
        assert_int_equal(walk.flags[2], 0);
        assert_same_callers(3);
        /* Never remembered: other code may come to stand there. */
        const struct rec_places *places = rec_table_places(&rec_rules);
        for (uint64_t w = 0; w <= places->mask; w++)
            assert_int_not_equal(((uint64_t *)places->entries)[w] >> 16, code + 6);
    }
    munmap(page, 4096);
}

/* ------------------------------------------------------------------ code without unwind data */

void bare_code(void (*leaf)(void));
void bare_code_without_frame(void (*leaf)(void));
void bare_restorer(void);
__asm__(".text\n"
        ".type bare_code, @function\n"
        "bare_code:\n"
        "  push %rbp\n"
        "  mov %rsp, %rbp\n"
        "  sub $48, %rsp\n"
        "  call *%rdi\n"
        "  leave\n"
        "  ret\n"
        ".type bare_code_without_frame, @function\n"
        "bare_code_without_frame:\n"
        "  push %rbp\n"
        "  mov $1234567, %rbp\n"
        "  call *%rdi\n"
        "  pop %rbp\n"
        "  ret\n"
        ".balign 16\n"
        "  nop\n"
        ".type bare_restorer, @function\n"
        "bare_restorer:\n"
        "  mov $15, %rax\n"
        "  syscall\n");

static void test_bare_code(void **state)
{
    (void)state;
    walk_plainly();
    walk_through(bare_code);
    assert_true(walk.pc[0] - (uintptr_t)bare_code < 20);
    assert_int_equal(walk.flags[1], REC_FRAME_GUESSED);
    assert_int_equal(walk.guessed, 1);
    assert_same_callers(3);
}

static void test_lost(void **state)
{
    (void)state;
    walk_through(bare_code_without_frame);
    assert_int_equal(walk.count, 1);
    assert_true(walk.cut);
    assert_int_equal(walk.guessed, 0);
}

/* A handler that returns through code of the program's own, as other languages' do. */
static void on_signal(int signal)
{
    check_point();
    __asm__ volatile("" : : "r"(signal));
}

static __attribute__((noinline)) void raise_here(void)
{
    raise(SIGUSR1);
    __asm__ volatile("");
}

static void test_own_restorer(void **state)
{
    (void)state;
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } action = {on_signal, 0x04000000 /* SA_RESTORER */, bare_restorer, 0};
    assert_int_equal(sys_call(SYS_rt_sigaction, SIGUSR1, &action, 0, 8), 0);
    walk_plainly();
    raise_here();
    assert_int_equal(walk.guessed, 0);
    assert_false(walk.cut);
    assert_int_equal(walk.pc[1], (uintptr_t)bare_restorer);
    assert_int_equal(walk.flags[2], REC_FRAME_EXACT);
    unsigned i = 2;
    while (walk.pc[i] - (uintptr_t)raise_here > 100 && i < walk.count)
        i++;
    assert_same_callers(i + 2);
    signal(SIGUSR1, SIG_DFL);
}

/* A module that took away its own header, as packed programs do: then there is no unwind data. */
static void test_hidden_header(void **state)
{
    (void)state;
    struct rec_module module;
    assert_true(rec_modules_find((uintptr_t)walk_through, &module));
    assert_true(rec_unwind_init()); /* nothing is known of it yet */
    assert_int_equal(mprotect((void *)module.start, 4096, PROT_NONE), 0);
    walk_through(bare_code);
    assert_int_equal(mprotect((void *)module.start, 4096, PROT_READ), 0);
    assert_true(walk.guessed > 0);
    assert_true(rec_unwind_init());
}

/* ------------------------------------------------------------------ senseless stacks */

static uint64_t random_state = 88172645463325252u;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Words of all sorts, up to a page that cannot be read: return addresses from a real stack, pcs of
 * code anywhere, pointers into the same stack, small and large numbers. Whatever the rules make of
 * it, the walk ends, and never leaves. */
static void test_senseless_stacks(void **state)
{
    (void)state;
    enum { BYTES = 16384, WORDS = BYTES / 8 };
    walk_plainly();
    uint8_t *low =
        mmap(NULL, BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(low != MAP_FAILED);
    assert_int_equal(mprotect(low + BYTES, 4096, PROT_NONE), 0);
    uintptr_t *words = (void *)low, start = (uintptr_t)low;
    unsigned frames = 0, cut = 0;
    for (int round = 0; round < 4000; round++) {
        if (round % 40 == 0)
            for (int i = 0; i < WORDS; i++) {
                uint64_t r = random_number();
                switch (r % 6) {
                case 0:
                case 1: words[i] = plain.pc[(r >> 8) % plain.count]; break;
                case 2: words[i] = (uintptr_t)qsort + (r >> 8) % 0x40000; break;
                case 3: words[i] = start + (r >> 8) % (BYTES + 64); break;
                case 4: words[i] = start + (r >> 8) % WORDS * 8; break;
                default: words[i] = r >> (r >> 8) % 64;
                }
            }
        struct rec_stack_bounds here = {0};
        struct rec_context at = {
            .pc = plain.pc[random_number() % plain.count],
            .sp = start + random_number() % (WORDS + 1) * 8,
            .fp = start + random_number() % (BYTES + 4096),
        };
        rec_unwind(&walk, at, &here);
        assert_in_range(walk.count, 1, SEEP_FRAME_LIMIT);
        assert_true(here.high <= start + BYTES || at.sp == start + BYTES);
        frames += walk.count;
        cut += walk.cut;
    }
    assert_true(cut > 100);
    assert_true(frames > 4000 + 1000); /* some of it does look like frames */
    munmap(low, BYTES + 4096);
}

/* What a thread knows of its stack does not outlive it: a smaller one in the same place. */
static void test_smaller_stack(void **state)
{
    (void)state;
    enum { BYTES = 65536 };
    uint8_t *low = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct rec_stack_bounds here = {0};
    uintptr_t bare = (uintptr_t)bare_code + 10; /* rbp chain */
    uintptr_t *frame = (uintptr_t *)(low + 64), *outer = (uintptr_t *)(low + BYTES - 16);
    frame[0] = (uintptr_t)outer;
    frame[1] = bare;
    outer[0] = 0;
    outer[1] = bare;
    struct rec_context at = {.pc = bare, .sp = (uintptr_t)low, .fp = (uintptr_t)frame};
    rec_unwind(&walk, at, &here);
    assert_int_equal(walk.count, 3);
    assert_false(walk.cut);
    /* another stack in between, then the first place again, half as large */
    walk_plainly();
    struct rec_context other = {.pc = bare, .sp = (uintptr_t)&at, .fp = 8};
    rec_unwind(&walk, other, &here);
    assert_true(walk.cut);
    munmap(low + BYTES / 2, BYTES / 2);
    rec_unwind(&walk, at, &here);
    assert_int_equal(walk.count, 2);
    assert_true(walk.cut);
    munmap(low, BYTES / 2);
}

/* ------------------------------------------------------------------ the recorder's own use of it
 */

static ucontext_t main_context, small_context;
static uint8_t small_stack[32768] __attribute__((aligned(16)));

static void walk_for_the_first_time(void)
{
    check_point();
    if (rec_stacks_id(NULL, &walk) == 0)
        walk.count = 0;
}

/* Handlers run on stacks of a few KiB: a first walk, with rules to decode and nodes to define, may
 * take but a part of one. */
static void test_stack_use(void **state)
{
    (void)state;
    fake_rows_init(1000);
    assert_true(rec_unwind_init() && rec_stacks_init() && rec_modules_init());
    memset(small_stack, 0xa5, sizeof small_stack);
    getcontext(&small_context);
    small_context.uc_stack.ss_sp = small_stack;
    small_context.uc_stack.ss_size = sizeof small_stack;
    small_context.uc_link = &main_context;
    makecontext(&small_context, walk_for_the_first_time, 0);
    swapcontext(&main_context, &small_context);
    assert_int_equal(walk.count, 2);
    assert_false(walk.cut);
    assert_true(fake_rows_count() >= 4);
    size_t untouched = 0;
    while (untouched < sizeof small_stack && small_stack[untouched] == 0xa5)
        untouched++;
    print_message("%zu bytes of stack\n", sizeof small_stack - untouched);
    assert_true(sizeof small_stack - untouched < 2048);
}

int main(void)
{
    if (!rec_unwind_init() || !rec_stacks_init() || !rec_modules_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_time_code), cmocka_unit_test(test_bare_code),
        cmocka_unit_test(test_lost),          cmocka_unit_test(test_own_restorer),
        cmocka_unit_test(test_hidden_header), cmocka_unit_test(test_senseless_stacks),
        cmocka_unit_test(test_smaller_stack), cmocka_unit_test(test_stack_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
