# SPDX-License-Identifier: MIT
"""Hazards of threads, signal handlers and stacks: docs/hazards.md."""

from hazards import Fix, TestCase, hazard
import support

STEP_FLAGS = ("-O1", "-g", "-Wno-mismatched-dealloc")


class Handlers(TestCase):
    """Signal handlers that interrupt the recorder. glibc's malloc may not be entered again by the
    thread it is interrupted in; bump.c may."""

    def step(self, *arguments, **more):
        """Runs step.cpp and holds the recording against what it prints; returns the Recording."""
        done = self.record([self.program("step.cpp", flags=STEP_FLAGS), *arguments],
                           env=support.environment(LD_PRELOAD=self.bump()), **more)
        calls, tried = done.calls(), 0
        for line in done.stdout.splitlines():
            *what, count = line.split()
            if what == ["tried"]:
                tried = int(count)
                continue
            if what == ["marks_left"]:
                self.assertEqual(int(count), 0, line)
                continue
            operation, call, size = what
            self.assertEqual(calls[operation, call, int(size)], int(count), line)
        self.assertGreater(tried, 100)
        self.assert_complete(done)
        self.assertEqual(done.info["mismatched_frees"], 0)
        for site in done.sites():
            if site.blocks and site.bytes != 72704: # libstdc++'s own, before main
                self.assertIn("main", site.functions, str(site))
        return done

    @hazard(16, Fix("preload/event.c", "    t->busy = at.sp;\n", "",
                    again=[("preload/quick.c", "    t->busy = sp;\n", "(void)sp;")]),
            Fix("preload/pending.h", "            *found = rec_pending.outer;", "            ;"),
            Fix("preload/hooks_cxx.c", "        rec_pending.freed = found;", "        ;"))
    def test_signal_at_each_instruction_of_each_call(self):
        self.step("return", 0)

    @hazard(16, Fix("preload/unwind.c",
                    "sys_readable((const void *)(low & ~(uintptr_t)7)) ? low : sp", "sp"))
    def test_signal_at_each_instruction_handled_on_another_stack(self):
        self.step("apart", 0)

    @hazard(16, Fix("preload/nested.c", "        rec_event_write(n, event,", "        (void)(n, event,"))
    def test_signal_while_a_new_stack_is_recorded(self):
        self.step("return", 40)
        self.step("apart", 41)

    @hazard(17, Fix("preload/pending.h", "return pc != 0 && ((const uintptr_t *)sp)[-1] == pc;",
                    "return sp && pc;"),
            Fix("preload/nested.c", "    else\n        rec_rows_restart(t);\n", ""),
            Fix("preload/event.c", "if (t->busy || rec_nested_below(at))", "if (at.sp)",
                "marks_left"))
    def test_jump_out_of_each_instruction_of_each_call(self):
        self.step("jump", 0)
        self.step("jump", 40)

    @hazard(16, Fix("preload/nested.c", "    else if (inside)\n", "    else if (inside && 0)\n"))
    def test_handler_that_never_returns(self):
        for percent in range(3, 100, 8):
            done = self.record([self.program("step.cpp", flags=STEP_FLAGS), "leave", percent],
                               env=support.environment(LD_PRELOAD=self.bump()), check=3)
            self.assertEqual(done.calls()["alloc", "malloc", 34], 1, f"{percent} %")
            self.assert_complete(done)

    @hazard(16)
    def test_timer_of_100_microseconds(self):
        for argument in ([], ["on-a-stack-of-its-own"]):
            with self.subTest(argument):
                done = self.record([self.program("handlers"), *argument],
                                   env=support.environment(LD_PRELOAD=self.bump()))
                made = dict(map(int, line.split()) for line in done.stdout.splitlines())
                self.assertGreater(made[33], 50, "the timer hardly fired")
                self.assertEqual(made[77], 300000)
                recorded, freed = done.blocks()
                for size, count in made.items():
                    self.assertEqual((recorded[size], freed[size]), (count, count))
                self.assert_complete(done)

    @hazard(17)
    def test_timer_whose_handler_jumps_out(self):
        done = self.record([self.program("longjmp")],
                           env=support.environment(LD_PRELOAD=self.bump()))
        self.assertEqual(done.stdout, "done\n")
        self.assertEqual(done.blocks()[0][99], 1000)
        self.assertEqual(done.info["lost_events"], 0)


class Marks(TestCase):
    """A packer that reads along knows by them what may still come."""

    @hazard(31, Fix("preload/thread.h",
                    "__atomic_store_n(&t->lane->mark, t->last_stamp, __ATOMIC_RELAXED);", ""),
            Fix("preload/thread.h", "__atomic_store_n(&t->lane->mark, 0, __ATOMIC_RELEASE);", ""),
            Fix("preload/hook.h", "change.entry = rec_enter(at);\n        change.start = "
                "rec_clock_stamp();", "change.start = rec_clock_stamp();\n        change.entry = "
                "rec_enter(at);"),
            Fix("preload/thread.c", "        rec_thread_mark(t);\n", ""))
    def test_marks_while_a_row_is_in_progress(self):
        done = self.record([self.program("marks.cpp", flags=STEP_FLAGS)])
        if done.stdout == "unseen\n":
            self.skipTest("stamps are not the processor's")
        lines = [line.split() for line in done.stdout.splitlines()]
        self.assertEqual(len(lines), 80)
        for name, stamps, rows, *broken in lines:
            self.assertGreaterEqual(int(stamps), 1, name)
            self.assertGreaterEqual(int(rows), 1, name)
            self.assertEqual(broken, ["0", "0"], name)


class Threads(TestCase):
    @hazard(20, Fix("preload/thread.c", "struct rec_thread *t = take_ended();",
                    "struct rec_thread *t = NULL;"))
    def test_threads_come_and_go(self):
        done = self.record([self.program("thread_churn")])
        made = done.blocks()[0]
        self.assertEqual((made[21], made[22]), (10000, 1000))
        self.assertEqual(done.info["threads"], 11001)
        self.assertLess(done.info["peak_rss_bytes"], 128 << 20)  # the kernel's word
        self.assert_complete(done)

    @hazard(20, Fix("preload/private_stack.c", "if (rec_private_stack_here()) {", "if (1) {"))
    def test_little_of_the_stack_is_taken(self):
        done = self.record([self.program("little_stack")])
        thread, child, later = map(int, done.stdout.split())
        self.assertLessEqual(thread, 1024)
        self.assertLessEqual(child, 1024)
        self.assertLessEqual(later, 1024)
        self.assert_complete(done)

    @hazard(8, Fix("preload/thread.c", "    if (t->busy)\n        rec_rows_restart(t);", "",
                    tries=12))
    def test_threads_cancelled_anywhere(self):
        done = self.record([self.program("cancelled")],
                           env=support.environment(LD_PRELOAD=self.bump()))
        returned, word = done.stdout.split()
        self.assertEqual(word, "done")
        made, ended = done.blocks()
        self.assertEqual(made[99], 120)
        self.assertGreaterEqual(made[55] + ended[55], int(returned))
        self.assertLessEqual(made[55] + ended[55], int(returned) + 120)
        self.assertEqual(done.info["threads"], 121)
        self.assert_complete(done)


class Calls(TestCase):
    """What a call leaves behind, and where it was called from."""

    @hazard(23, Fix("preload/rows.c", "    sys_signals_restore(mask);\n    return stop",
                     "    return stop"))
    def test_a_call_changes_nothing_else(self):
        done = self.record([self.program("unchanged")], env=support.environment(SEEP_TAIL_MAX="16k"))
        self.assertEqual(done.stdout, "done\n")
        self.assert_complete(done)

    @hazard(17)
    def test_stacks_of_fibres_exceptions_and_jumps(self):
        done = self.record([self.program("fibres.cpp")])
        self.assertEqual(done.stdout, "100 100\n")
        blocks = {}
        for site in done.sites():
            blocks.setdefault(site.bytes // site.blocks, []).append(site)
        for size, count, first, last in ((31, 200, "in_fibre", "fibre"),
                                         (41, 100, "after_throw", "main"),
                                         (51, 100, "after_jump", "main")):
            self.assertEqual(sum(s.blocks for s in blocks[size]), count)
            for site in blocks[size]:
                self.assertEqual(site.functions[0], first, str(site))
                self.assertIn(last, site.functions, str(site))
        self.assertEqual(sum(s.blocks for s in blocks[61]), 10)
        for site in blocks[61]:
            self.assertIn("main", site.functions, str(site))
        self.assertGreater(done.info["guessed_frames"], 0)
        self.assertEqual(done.info["cut_stacks"], 0)
        self.assert_complete(done)

    @hazard(29)
    def test_new_handler_and_bad_alloc(self):
        done = self.record([self.program("new_handler.cpp")])
        self.assertEqual(done.stdout, "20 40\n")
        calls = done.calls()
        self.assertEqual(calls["alloc", "new", 71], 20)
        self.assertEqual(calls["free", "delete", 71], 20)
        self.assertEqual(calls["alloc", "new", 81], 50)
        self.assertEqual(calls["alloc", "new[]", 82], 50)
        self.assertEqual(calls["alloc", "malloc", 83], 50)
        self.assertEqual(done.info["failed"], 40)
        self.assertEqual(done.info["mismatched_frees"], 0)
        self.assert_complete(done)


if __name__ == "__main__":
    support.main()
