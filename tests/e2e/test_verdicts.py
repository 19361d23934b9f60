# SPDX-License-Identifier: MIT
"""What seep, valgrind and LeakSanitizer say of the same small programs, side by side.

The table is printed. seep has to agree with valgrind, kind by kind, and with LeakSanitizer on what
is lost, but for what stands in DIFFERENT, each with its reason; so a difference that is new fails,
and so does one that is gone."""

import os
import re

import allocators
import support

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "verdicts.cpp")
LIBRARY = "static void *kept;\nvoid keep(void *p) { kept = p; }\n"
KINDS = ("definite", "indirect", "possible", "reachable")

# program: (who says otherwise, why)
DIFFERENT = {
    "in_stack_of_thread": ("valgrind", "counts what libc allocates for the thread as possible"),
    "in_thread_local_of_thread": ("valgrind", "the same"),
    "in_environment": ("valgrind", "has libc clear the environment before it looks"),
    "in_library": ("valgrind", "counts the loader's own blocks as reachable"),
    "in_mapping": ("lsan", "does not look into mappings unless told to"),
}
# LeakSanitizer takes pointers into blocks for pointers to them.
INSIDE = {"interior", "interior_chain", "last_byte", "tagged"}


class Verdicts(support.TestCase):
    timeout = 120

    def seep(self, program, *args, **more):
        recording = self.record([program, *args], options=["-q", "--snapshot=exit"], check=None,
                                **more)
        leaks = support.report("leaks", recording.trace)["result"]
        self.assertIsNotNone(leaks["graph"], leaks["no_graph"])
        return [(leaks[k]["blocks"], leaks[k]["bytes"]) for k in KINDS]

    def test_other_allocators(self):
        """What is lost does not depend on who serves malloc, nor on what that keeps for itself."""
        flags = ("-O1", "-g", "-pthread", "-ldl")
        program = self.build(PROGRAM, "plain", flags)
        names = ("nothing", "one", "list", "kept_chain", "interior", "in_freed_memory",
                 "in_thread_local", "in_stack_of_thread", "grown", "vector_lost")
        wanted = {name: self.seep(program, name)[:3] for name in names}
        for allocator in allocators.ALLOCATORS:
            env = support.environment(LD_PRELOAD=allocators.allocator(allocator))
            for name in names:
                self.assertEqual(self.seep(program, name, env=env)[:3], wanted[name],
                                 f"{allocator}: {name}")

    def valgrind(self, program, *args):
        log = support.run(["valgrind", "--leak-check=full", program, *args]).stderr
        found = []
        for words in ("definitely lost", "indirectly lost", "possibly lost", "still reachable"):
            match = re.search(words + r": ([\d,]+) bytes in ([\d,]+) blocks", log)
            found.append(tuple(int(match[n].replace(",", "")) for n in (2, 1))
                         if match else (0, 0))
        return found

    def lsan(self, program, *args):
        log = support.run([program, *args]).stderr
        leaks = [(int(n), int(b)) for b, n in
                 re.findall(r"leak of (\d+) byte\(s\) in (\d+) object", log)]
        return sum(n for n, _ in leaks), sum(b for _, b in leaks)

    def test_table(self):
        support.need("valgrind", "valgrind")
        flags = ("-O1", "-g", "-pthread", "-ldl")
        plain = self.build(PROGRAM, "plain", flags)
        sanitized = self.build(PROGRAM, "sanitized", (*flags, "-fsanitize=leak"))
        library = self.build(self.write("keep.c", LIBRARY), "libkeep.so", ("-shared", "-fPIC"))
        names = support.run([plain], check=0).stdout.split()
        self.assertGreaterEqual(len(names), 25)
        rows, wrong = [], []
        for name in names:
            ours = self.seep(plain, name, library)
            valgrind = self.valgrind(plain, name, library)
            lsan = self.lsan(sanitized, name, library)
            lost = tuple(a + b for a, b in zip(ours[0], ours[1]))
            agree = {"valgrind": ours == valgrind,
                     "lsan": lsan == (lost if name not in INSIDE else (0, 0))}
            who, why = DIFFERENT.get(name, (None, ""))
            if any(agree[tool] == (tool == who) for tool in agree):
                wrong.append(name)
            rows.append((name, *("/".join(f"{n}" for n, _ in tool) for tool in (ours, valgrind)),
                         f"{lsan[0]}", why and f"{who} {why}"))
        head = ("program", "seep d/i/p/r", "valgrind", "lsan", "difference")
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(4)]
        for row in [head, *rows]:
            print("  ".join(text.ljust(w) for text, w in zip(row, (*widths, 0))).rstrip())
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    support.main()
