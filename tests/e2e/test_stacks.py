# SPDX-License-Identifier: MIT
"""Call stacks of whole programs: very deep recursion."""

import glob
import os
import re
import unittest

import support

PROGRAMS = os.path.join(support.ROOT, "tests", "e2e", "programs")


class Stacks(support.TestCase):
    def sites(self, *args):
        """Runs a program under the recorder alone; the call sites of its last image."""
        env = support.environment(LD_PRELOAD=support.LIBSEEP, SEEP_OUT=self.path("out"))
        done = support.run(args, env=env, check=0)
        spools = glob.glob(self.path("out*.spool"))
        newest = max(spools, key=os.path.getmtime)
        told = support.report("leaks", newest, *support.EVERYTHING)["result"]["sites"]
        return done, [support.Site(site) for site in told]

    def test_deep_recursion(self):
        program = self.build(os.path.join(PROGRAMS, "deep.c"),
                             flags=("-O2", "-g", "-fomit-frame-pointer",
                                    "-fno-optimize-sibling-calls", "-fno-inline"))
        _, sites = self.sites(program)
        found = {s.bytes // s.blocks: s for s in sites if "deep_leaf" in s.functions}
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
