/* SPDX-License-Identifier: MIT
 *
 * Call proof against objdump: behind every call it is given, nowhere else. */
#include "model/call_proof.h"

#include "symbols/probe.h"
#include "util/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <gnu/lib-names.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* The path of the C library this test runs with, and its load bias. */
static struct link_map *libc_map(void)
{
    for (struct link_map *m = _r_debug.r_map; m; m = m->l_next)
        if (strstr(m->l_name, LIBC_SO))
            return m;
    fail_msg("no %s", LIBC_SO);
    return NULL;
}

/* Every instruction of `path`: those behind a call must be proved, no other one may be, except for
 * starts of functions (behind which a function that never returns may have been called). */
static void compare_with_objdump(const char *path, const char *section, size_t least_calls)
{
    struct elf_file f;
    assert_int_equal(elf_file_open(&f, path), ELF_FILE_OK);
    struct call_proof *p = call_proof_new(&f, NULL);
    size_t count, calls = 0, missed = 0, wrong = 0, by_hand = 0;
    struct instruction *all = list_instructions(path, section, &count);
    for (size_t i = 1; i < count; i++) {
        if (all[i].address - all[i - 1].address > 15)
            continue; /* not neighbours */
        enum call_verdict verdict = call_proof_check(p, all[i].address);
        calls += all[i - 1].call;
        if (all[i - 1].call && verdict != CALL_FOUND && missed++ < 10)
            print_error("%s: %#lx: no call found\n", path, all[i].address);
        if (!all[i - 1].call && verdict == CALL_FOUND && wrong++ < 10)
            print_error("%s: %#lx: there is no call\n", path, all[i].address);
        by_hand += verdict == CALL_BY_HAND;
    }
    print_message("%s: %zu instructions, %zu calls, %zu missed, %zu wrong, %zu by hand\n", path,
                  count, calls, missed, wrong, by_hand);
    assert_true(calls >= least_calls);
    assert_int_equal(missed, 0);
    assert_int_equal(wrong, 0);
    free(all);
    call_proof_free(p);
    elf_file_release(&f);
}

static void libc_calls_are_proved(void **state)
{
    (void)state;
    compare_with_objdump(libc_map()->l_name, ".text", 10000);
}

static void other_calls_are_proved(void **state)
{
    (void)state;
    compare_with_objdump(FIXTURES "/shapes-gcc", ".text", 100);
    compare_with_objdump(FIXTURES "/shapes-gcc-o0", ".text", 500);
    compare_with_objdump(FIXTURES "/plain-gcc", ".text", 10);
}

/* Within instructions nothing returns, whatever their bytes look like. The signal
 * trampoline is code "made to be returned to" as a whole, 16 bytes of it. */
static void inner_bytes_are_not_proved(void **state)
{
    (void)state;
    const char *path = libc_map()->l_name;
    struct elf_file f;
    assert_int_equal(elf_file_open(&f, path), ELF_FILE_OK);
    struct call_proof *p = call_proof_new(&f, NULL);
    size_t count, tried = 0, passed = 0, by_hand = 0;
    struct instruction *all = list_instructions(path, ".text", &count);
    for (size_t i = 1; i < count; i += 3)
        for (uint64_t at = all[i - 1].address + 1; at < all[i].address; at++, tried++) {
            enum call_verdict verdict = call_proof_check(p, at);
            by_hand += verdict == CALL_BY_HAND;
            if (verdict == CALL_FOUND && passed++ < 10)
                print_error("%#lx lies within an instruction\n", at);
        }
    assert_true(tried > 10000);
    assert_int_equal(passed, 0);
    assert_true(by_hand <= 16);
    free(all);
    call_proof_free(p);
    elf_file_release(&f);
}

static volatile uint64_t seen_return;

static void on_signal(int number)
{
    (void)number;
    /* no call, though the analyser takes it for one. NOLINTNEXTLINE(bugprone-signal-handler) */
    seen_return = (uint64_t)__builtin_return_address(0);
}

static ucontext_t back, other;

static void in_context(void)
{
    seen_return = (uint64_t)__builtin_return_address(0);
    swapcontext(&other, &back);
}

/* The addresses that the C library puts on stacks by hand, taken from the running process. */
static void hand_made_returns_are_known(void **state)
{
    (void)state;
    struct link_map *libc = libc_map();
    struct elf_file f;
    assert_int_equal(elf_file_open(&f, libc->l_name), ELF_FILE_OK);
    struct call_proof *p = call_proof_new(&f, NULL);

    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    assert_int_equal(call_proof_check(p, seen_return - libc->l_addr), CALL_BY_HAND);

    getcontext(&other);
    other.uc_stack.ss_size = 64 << 10;
    other.uc_stack.ss_sp = malloc(other.uc_stack.ss_size);
    other.uc_link = &back;
    makecontext(&other, in_context, 0);
    swapcontext(&back, &other);
    assert_int_equal(call_proof_check(p, seen_return - libc->l_addr), CALL_BY_HAND);
    free(other.uc_stack.ss_sp);

    call_proof_free(p);
    elf_file_release(&f);
}

static void data_and_nowhere_are_not_code(void **state)
{
    (void)state;
    struct elf_file f;
    assert_int_equal(elf_file_open(&f, FIXTURES "/plain-gcc"), ELF_FILE_OK);
    struct call_proof *p = call_proof_new(&f, NULL);
    assert_int_equal(call_proof_check(p, 0), CALL_NONE);
    assert_int_equal(call_proof_check(p, UINT64_MAX), CALL_NONE);
    for (size_t i = 0; i < f.segment_count; i++)
        if (!(f.segments[i].flags & 1))
            for (uint64_t k = 0; k < f.segments[i].bytes; k += 13)
                assert_int_equal(call_proof_check(p, f.segments[i].address + k), CALL_NONE);
    call_proof_free(p);
    elf_file_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libc_calls_are_proved),
        cmocka_unit_test(other_calls_are_proved),
        cmocka_unit_test(inner_bytes_are_not_proved),
        cmocka_unit_test(hand_made_returns_are_known),
        cmocka_unit_test(data_and_nowhere_are_not_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
