# SPDX-License-Identifier: MIT
"""Hazards in the allocation calls themselves: docs/hazards.md, rows 1 to 5."""

import collections
import json
import os
import re

from allocators import ALLOCATORS, allocator
from hazards import Fix, TestCase, hazard
import support


def told(text):
    """What a program says must be recorded: times by (operation, call, size, alignment)."""
    expected = collections.Counter()
    for line in text.splitlines():
        operation, call, size, alignment, times = line.split()
        expected[operation, call, int(size), int(alignment)] += int(times)
    return expected


def recorded(recording):
    """The same of a recording; alignments are those of allocations."""
    found = collections.Counter()
    for event in recording.dump():
        if event["op"] in ("alloc", "free", "realloc", "failed"):
            alignment = event.get("alignment", 0) if event["op"] == "alloc" else 0
            found[event["op"], event["call"], event["size"], alignment] += 1
    return found


class Calls(TestCase):
    def exactly(self, recording):
        """All that the program says it did is recorded, and once."""
        expected, found = told(recording.stdout), recorded(recording)
        sizes = {size for _, _, size, _ in expected}
        self.assertEqual(expected, {k: v for k, v in found.items() if k[2] in sizes})
        self.assert_complete(recording)

    @hazard(1, Fix("preload/hook.h", "e.row = old && bytes == 0 ? SEEP_ROW_FREE : SEEP_ROW_FAILED;",
                   "e.row = SEEP_ROW_FAILED;"))
    def test_realloc_to_nothing_frees(self):
        program = self.build(self.write("nothing.c", """
            #include <stdlib.h>
            int main(void)
            {
                for (int i = 0; i < 1000; i++)
                    if (realloc(malloc(33), 0))
                        return 1;
            }
            """))
        done = self.record([program])
        self.assertEqual([s for s in done.sites() if s.bytes % 33 == 0 and s.blocks > 9], [])
        self.assertEqual(done.info["failed"], 0)

    @hazard(3, Fix("preload/hooks.c", "hook_allocated(SEEP_CALL_PVALLOC,", "if (0) hook_allocated("
                   "SEEP_CALL_PVALLOC,"),
            Fix("preload/hooks.c", "HOOK void cfree(", "void cfree("),
            Fix("preload/hooks.c", "hook_allocated(SEEP_CALL_POSIX_MEMALIGN, result == 0 ? *out : "
                "NULL,", "if (result == 0) hook_allocated(SEEP_CALL_POSIX_MEMALIGN, *out,"))
    def test_every_call_of_c(self):
        self.exactly(self.record([self.program("calls")]))

    @hazard(5, Fix("preload/quick.c", "call = rec_pending.freed.call;", ""),
            Fix("preload/hook.h", "*call = outer->call;", ""))
    def test_every_form_of_operator_new_and_delete(self):
        self.exactly(self.record([self.program("operators.cpp", flags=("-O1", "-std=c++17"))]))

    @hazard(5, Fix("preload/quick.c", "at = rec_pending.freed.at;", ""),
            Fix("preload/event.c", "rec_option_number(REC_OPTION_FREE_STACKS) ? SEEP_ROW_END :", ""))
    def test_ends_by_a_call_of_another_family(self):
        done = self.record([self.program("mismatched.cpp")], options=("--set", "FREE_STACKS=1"))
        self.assertEqual(done.info["mismatched_frees"], 12)
        lines = support.run([support.SEEP, "dump", "--format=json", "--mismatched", "--stacks",
                             done.trace], check=0).stdout.splitlines()
        ways = collections.Counter()
        for event in map(json.loads, lines):
            frames = [re.sub(r"\(.*", "", e["function"]) for e in
                      [f for f in event["frames"] + event["made_frames"]
                       if not f["function"].startswith("operator")]]
            ways[event["made_by"], event["call"], frames[0], frames[len(event["frames"])]] += 1
        self.assertEqual(ways, {
            ("new[]", "delete", "end_by_delete", "make_array"): 3,
            ("new", "free", "end_by_free", "make_one"): 3,
            ("malloc", "delete", "end_by_delete", "make_c"): 3,
            ("new", "realloc", "grow", "make_one"): 3,
        })

    @hazard(28, Fix("preload/hooks_cxx.c", "f = ask(form, caller);", ""))
    def test_library_of_cxx_in_a_program_of_c(self):
        # operator new is in no global scope, and what the recorder looks up leaves no error behind
        library = self.program("cxx_library.cpp", name="library.so",
                               flags=("-O1", "-shared", "-fPIC"))
        done = self.record([self.program("cxx_host"), library])
        self.assertEqual(done.stdout, "1 no error\n" * 3)
        made, ended = done.blocks()
        self.assertEqual((made[123], ended[123]), (6000, 6000))
        self.assertEqual(done.info["failed"], 3)
        self.assertEqual(done.info["mismatched_frees"], 0)
        self.assert_complete(done)

    def served_by(self, recording, name):
        self.assertEqual(recording.info["allocator"], name)
        self.assertRegex(recording.info["allocator_version"], r"\d+\.\d+")
        self.assertEqual(os.path.realpath(recording.info["allocator_path"]),
                         os.path.realpath(allocator(name)))

    def direct(self, name, *flags):
        """Calls of an allocator's own functions by a program that is linked with it."""
        program = self.program(f"direct_{name}", flags=("-O1", "-g", "-Wl,--no-as-needed",
                                                          allocator(name), *flags))
        done = self.record([program])
        self.served_by(done, name)
        self.exactly(done)
        return done

    @hazard(4, Fix("preload/recorder.c", "rec_bindings_start();\n    if (atomic",
                   "if (atomic", again=[("preload/real.c", "rec_bindings_start();", "")]),
            Fix("preload/bindings.c", "if (protected && sys_failed(", "if (protected || sys_failed("))
    def test_functions_of_jemalloc(self):
        self.direct("jemalloc", "-Wl,-z,now")

    def test_functions_of_jemalloc_bound_late_or_at_a_fixed_address(self):
        for flags in (("-Wl,-z,lazy",), ("-no-pie",), ("-no-pie", "-Wl,-z,now")):
            with self.subTest(flags):
                self.direct("jemalloc", *flags)

    def test_program_asks_whether_jemalloc_is_there(self):
        # Fails when its functions are exported: the program would take our word for it.
        program = self.program("direct_jemalloc", flags=("-O1", "-g", "-DWEAK"))
        done = self.record([program])
        self.assertEqual(done.stdout, "no jemalloc\n")
        env = support.environment(LD_PRELOAD=allocator("jemalloc"))
        self.exactly(self.record([program], env=env))
        self.assertIn("alloc mallocx", support.run([program], env=env).stdout)

    @hazard(4, Fix("preload/real.c", "found.usable_size(NULL);", ";"))
    def test_functions_of_tcmalloc(self):
        self.direct("tcmalloc")

    def test_functions_of_mimalloc(self):
        done = self.direct("mimalloc")
        self.assertEqual(done.info["completeness"]["unseen"], [])

    @hazard(4, Fix("preload/direct.c", "UNHOOKED(mi_heap_malloc)", ""))
    def test_functions_of_mimalloc_that_are_not_seen(self):
        done = self.direct("mimalloc", "-DHEAP")
        self.assertIn("allocator's own functions", "".join(done.info["completeness"]["unseen"]))
        self.assertIn("not recorded: some functions of the allocator's own", done.stderr)
        self.assertIn("Not recorded: some of the allocator's own functions",
                      support.run([support.SEEP, "leaks", done.trace]).stdout)

    @hazard(4, Fix("preload/hooks_cxx.c", "!rec_pending_close(&found)", "rec_pending_close(&found)"),
            Fix("preload/quick.c", "if (call == REC_PENDING_RECORDED)\n            return;", ""))
    def test_operators_served_by_an_allocator(self):
        program = self.program("operators.cpp", flags=("-O1", "-std=c++17", "-DSERVED"))
        for name in ALLOCATORS:
            done = self.record([program], env=support.environment(LD_PRELOAD=allocator(name)))
            self.served_by(done, name)
            self.exactly(done)

    @hazard(4, Fix("preload/hook.h", "rec_pending.inside.sp = at.sp;", ";"))
    def test_allocator_that_calls_itself_by_public_names(self):
        done = self.record([self.program("resize")],
                           env=support.environment(LD_PRELOAD=self.bump("-DNESTED")))
        self.assertEqual(done.info["allocator"], "bump.so")
        self.assertEqual([done.info[n] for n in ("allocations", "reallocations", "frees")],
                         [100, 100, 100])
        self.assert_complete(done)


if __name__ == "__main__":
    support.main()
