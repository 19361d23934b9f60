# SPDX-License-Identifier: MIT
"""Call stacks of whole programs: very deep ones, code that nothing describes, and what is remembered
from one walk to the next."""

import os
import re
import signal

from hazards import Fix, TestCase, hazard
import support

NO_FRAME_POINTERS = ("-O2", "-g", "-fomit-frame-pointer", "-fno-optimize-sibling-calls",
                     "-fno-inline")


class Stacks(TestCase):
    @hazard(18, Fix("preload/unwind.c", "walk->cut = result != STEP_OUTERMOST;",
                    "walk->cut = false;",
                    again=[("preload/last_walk.c", "last->ends_early = result == STEP_CUT;",
                            "last->ends_early = false;")]),
            Fix("preload/unwind.c", "result == STEP_CALLER && count < SEEP_FRAME_LIMIT",
                "result == STEP_CALLER"))
    def test_deep_recursion(self):
        done = self.record([self.program("deep", flags=NO_FRAME_POINTERS)])
        self.assert_complete(done)
        self.assertEqual(done.info["cut_stacks"], 50)
        found = {s.bytes // s.blocks: s for s in done.sites() if "deep_leaf" in s.functions}
        self.assertEqual(found[16].blocks, 50)
        self.assertEqual(found[32].blocks, 3)
        # cut at the limit, the young end kept
        deep = found[16].functions
        self.assertIn(len(deep), (512, 513))  # with or without the hook's own
        first = deep.index("deep_leaf")
        self.assertEqual(set(deep[first + 1:]), {"descend"})
        shallow = found[32].functions
        self.assertEqual(shallow.count("descend"), 21)
        self.assertIn("main", shallow)

    @hazard(18, Fix("preload/unwind.c", "return step_by_guess(c, s);", "return STEP_CUT;"),
            Fix("preload/unwind.c", "c->fp < c->sp || c->fp % 8 != 0 || ", "",
                again=[("preload/unwind_step.h", "if (__builtin_expect(address < s->low, 0))",
                        "if (0)"),
                       ("preload/unwind_step.h",
                        "if (__builtin_expect(address + 8 > s->high, 0)) {", "if (0) {")]))
    def test_code_without_unwind_data_and_a_full_stack(self):
        done = self.record([self.program("bare_code", flags=NO_FRAME_POINTERS)],
                           check=-signal.SIGSEGV)
        self.assertEqual(done.stdout, "done\n")
        self.assert_complete(done)
        found = {s.bytes // s.blocks: s for s in done.sites()}
        for size in (111, 222, 333):
            self.assertEqual(found[size].blocks, 100)
            self.assertTrue(found[size].starts_with([f"leaf_{size}"]), str(found[size]))
        self.assertIn("main", found[111].functions)  # by its frame pointer
        self.assertGreaterEqual(done.info["guessed_frames"], 100)
        self.assertGreaterEqual(done.info["cut_stacks"], 100)
        self.assertGreater(found[444].blocks, 5)

    VERIFY = os.path.join(support.BUILD, "tests", "e2e", "libseep-verify.so")

    def verify(self, args, least, **options):
        """Runs a program under the recorder that makes each walk twice, and so do its children."""
        env = support.environment(LD_PRELOAD=self.VERIFY, SEEP_OUT=self.path("out.%e.%p"),
                                  SIZE="small")
        done = support.run(args, env=env, check=0, **options)
        told = re.findall(r"walks: (\d+) compared, (\d+) in full, (\d+) differ", done.stderr)
        self.assertTrue(told, done.stderr)
        self.assertGreater(sum(int(compared) for compared, _, _ in told), least)
        self.assertNotIn("walk differs", done.stderr)
        self.assertEqual(sum(int(differ) for _, _, differ in told), 0)

    def test_remembered_walks_are_exact(self):
        """What a walk takes over from the last one is what a full walk finds."""
        for workload in ("sqlite", "python", "perl", "compiler"):
            with self.subTest(workload):
                self.verify([os.path.join(support.WORKLOADS, "run"), workload], 5000)
        for name, program, *arguments in (
                ("node", "node", "-e", "let a = []; for (let i = 0; i < 2e5; i++) "
                 "a.push(String(i).repeat(3)); require('zlib').deflateSync(a.join())"),
                ("gdb", "gdb", "-batch", "-nx", "-ex", "info line main", support.SEEP)):
            with self.subTest(name):
                self.verify([support.need(program, name), *arguments], 5000)


if __name__ == "__main__":
    support.main()
