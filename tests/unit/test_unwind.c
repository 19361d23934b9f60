/* SPDX-License-Identifier: MIT
 *
 * The walk against libunwind's, frame by frame, on stacks of every shape (unwind_scenes.c) in code
 * of several compilers and flags; and at every single instruction of some of it. */
#define UNW_LOCAL_ONLY
#include <libunwind.h>

#include "fake_rows.h"
#include "last_walk.h"
#include "modules.h"
#include "stacks.h"
#include "unwind.h"
#include "unwind_scenes.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#define DEPTH_MAX 6000

extern const struct unwind_scenes scenes_gcc_O0, scenes_gcc_O2, scenes_gcc_O2_fp, scenes_gcc_O3,
    scenes_clang_O0, scenes_clang_O2, scenes_clang_O2_fp;
static const struct unwind_scenes *const builds[] = {
    &scenes_gcc_O0,   &scenes_gcc_O2,   &scenes_gcc_O2_fp,   &scenes_gcc_O3,
#ifdef HAVE_CLANG
    &scenes_clang_O0, &scenes_clang_O2, &scenes_clang_O2_fp,
#endif
};
#define BUILDS (sizeof builds / sizeof *builds)

static __thread struct rec_walk walk;
static __thread struct rec_stack_bounds bounds;
static uintptr_t expected[DEPTH_MAX];
static __thread struct rec_last_walk last;
static unsigned compared, differing, guessed, cut_short, joined;
static char first_difference[8000];

static void note_difference(unsigned count)
{
    if (differing++)
        return;
    char *p = first_difference, *end = p + sizeof first_difference;
    extern const char __executable_start;
    p += snprintf(p, (size_t)(end - p), "program at %lx\n", (uintptr_t)&__executable_start);
    p += snprintf(p, (size_t)(end - p), "ours %u%s, libunwind's %u\n", walk.count,
                  walk.cut ? " (cut)" : "", count);
    for (unsigned i = 0; (i < count || i < walk.count) && end - p > 80; i++)
        p += snprintf(p, (size_t)(end - p), "  %12lx %02x %12lx\n", i < walk.count ? walk.pc[i] : 0,
                      i < walk.count ? walk.flags[i] : 0, i < count ? expected[i] : 0);
}

/* What a hook does, and then the same by libunwind. */
static __attribute__((noinline, noclone)) void check_point(void)
{
    struct rec_context at = REC_CONTEXT_HERE;
    struct rec_stack_bounds own = bounds;
    last.keeps_rules = true;
    uint64_t hash = rec_last_walk(&last, &at, &own);
    rec_unwind(&walk, at, &bounds);
    if (hash &&
        (hash != rec_stacks_hash(&walk) || last.cut != walk.cut || last.guessed != walk.guessed))
        note_difference(0);
    joined += hash != 0;
    unw_context_t context;
    unw_cursor_t cursor;
    unw_getcontext(&context);
    unw_init_local(&cursor, &context);
    unsigned count = 0;
    int result = 0;
    while (count < DEPTH_MAX && (result = unw_step(&cursor)) > 0) {
        unw_word_t pc;
        unw_get_reg(&cursor, UNW_REG_IP, &pc);
        if (pc == 0)
            break;
        expected[count++] = pc;
    }
    compared++;
    if (walk.guessed) { /* libunwind guesses in other ways */
        guessed++;
        return;
    }
    /* Interrupted where a function counts its frame from a register we do not follow: r10, for a
     * few instructions at both ends of a realigned frame. */
    if (walk.cut && walk.count < SEEP_FRAME_LIMIT && walk.flags[walk.count - 1] & REC_FRAME_EXACT) {
        cut_short++;
        return;
    }
    bool cut = count > SEEP_FRAME_LIMIT || result < 0;
    if (count > SEEP_FRAME_LIMIT)
        count = SEEP_FRAME_LIMIT;
    if (walk.count != count || walk.cut != cut ||
        memcmp(walk.pc, expected, count * sizeof *expected) != 0)
        note_difference(count);
}

static void reset(void)
{
    compared = differing = guessed = cut_short = 0;
    first_difference[0] = '\0';
}

static void report(const char *build, const char *scene)
{
    if (differing)
        fail_msg("%s, %s: %u of %u walks differ; the first:\n%s", build, scene, differing, compared,
                 first_difference);
}

static void test_scenes(void **state)
{
    (void)state;
    for (unsigned b = 0; b < BUILDS; b++)
        for (unsigned s = 0; s < builds[b]->count - 1; s++) {
            reset();
            builds[b]->list[s].run(check_point);
            report(builds[b]->build, builds[b]->list[s].name);
            if (compared == 0 || guessed != 0)
                fail_msg("%s, %s: %u walks, %u of them guessed", builds[b]->build,
                         builds[b]->list[s].name, compared, guessed);
        }
}

/* ------------------------------------------------------------------ every instruction */

static bool stepping;

static void on_step(int signal)
{
    (void)signal;
    check_point();
}

/* Switches single steps of the processor on or off, in the flags to return to. */
static void on_switch(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    stepping = !stepping;
    long long *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    *flags = stepping ? *flags | 0x100 : *flags & ~0x100ll;
}

static void nothing(void) {}

static void test_every_instruction(void **state)
{
    (void)state;
    struct sigaction step = {.sa_handler = on_step};
    struct sigaction toggle = {.sa_sigaction = on_switch, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &step, NULL);
    sigaction(SIGUSR2, &toggle, NULL);
    unsigned all = 0, all_guessed = 0;
    for (unsigned b = 0; b < BUILDS; b++) {
        const struct unwind_scene *scene = &builds[b]->list[builds[b]->count - 1];
        reset();
        raise(SIGUSR2);
        scene->run(nothing);
        raise(SIGUSR2);
        /* gcc leaves rbp's rule wrong on the last instruction of a realigned frame at -O0. */
        if (differing * 1000 > compared)
            report(builds[b]->build, scene->name);
        assert_true(cut_short * 100 < compared);
        assert_true(compared > 1000);
        all += compared;
        all_guessed += guessed;
    }
    print_message("%u instructions, %u with guessed frames\n", all, all_guessed);
}

int main(void)
{
    rec_unwind_init();
    rec_stacks_init();
    rec_modules_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scenes),
        cmocka_unit_test(test_every_instruction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
