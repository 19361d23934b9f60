# SPDX-License-Identifier: MIT
"""Programs in samples/ state their own truth in a header comment; the recording must agree.

    truth: NAME=NUMBER ...             fields of `seep info`, exact
    leak: blocks=N bytes=N stack=F < G all live blocks whose stack starts so, as `seep leaks` has them
    mark: NAME                         a mark the program sets
    argument: TEXT                     given to the program (a path is taken from the build directory)
    valgrind: no, REASON               valgrind's totals cannot be compared
"""

import glob
import os
import re
import signal
import unittest

import support


def header(path):
    """Directives of a sample's header: list of (name, text)."""
    with open(path, encoding="utf-8") as source:
        comment = source.read().split("*/", 1)[0]
    return re.findall(r"^ \* (truth|leak|mark|argument|valgrind): (.*)$", comment, re.M)


def fields(text):
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)\b", text)}


class Sample:
    """One program and what its header says."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.program = os.path.join(support.BUILD, "samples", self.name)
        self.truth, self.leaks, self.marks, self.arguments = {}, [], [], []
        self.valgrind = True
        for name, text in header(path):
            if name == "truth":
                self.truth.update(fields(text))
            elif name == "leak":
                chain = text.split("stack=", 1)[1].split(" < ")
                self.leaks.append((fields(text), [f.strip() for f in chain]))
            elif name == "mark":
                self.marks.append(text)
            elif name == "argument":
                built = os.path.join(support.BUILD, text)
                self.arguments.append(built if os.path.exists(built) else text)
            else:
                self.valgrind = False


SAMPLES = {s.name: s for s in map(Sample, sorted(glob.glob(os.path.join(support.SAMPLES, "*.c")) +
                                                 glob.glob(os.path.join(support.SAMPLES, "*.cpp"))))}


class Samples(support.TestCase):
    def check(self, sample, recording):
        info = recording.info
        told = {name: info.get(name) for name in sample.truth}
        self.assertEqual(told, sample.truth)
        self.assertEqual(info["lost_events"], 0)
        self.assertEqual([m["name"] for m in info.get("marks", [])], sample.marks)
        for numbers, chain in sample.leaks:
            found = [site for site in recording.sites() if site.starts_with(chain)]
            told = {"blocks": sum(s.blocks for s in found), "bytes": sum(s.bytes for s in found)}
            self.assertEqual(told, numbers,
                             f"{' < '.join(chain)}\n" + "\n".join(map(str, recording.sites())))

    def check_sample(self, sample):
        plain = support.run([sample.program, *sample.arguments], check=0)
        recording = self.record([sample.program, *sample.arguments])
        self.assertEqual(recording.stdout, plain.stdout)
        self.check(sample, recording)

    def check_valgrind(self, sample):
        """The header itself is checked: valgrind is an independent witness of what it states."""
        support.need("valgrind", "valgrind")
        log = self.path("log")
        support.run([*support.VALGRIND, f"--log-file={log}", sample.program, *sample.arguments],
                    check=0)
        with open(log, encoding="utf-8", errors="replace") as lines:
            told = support.heap_usage(lines.read())
        truth = sample.truth
        if "allocations" in truth:
            self.assertEqual(told["allocations"], truth["allocations"] + truth["reallocations"])
            self.assertEqual(told["frees"], truth["frees"] + truth["reallocations"])
        if "allocated_bytes" in truth:
            self.assertEqual(told["bytes"], truth["allocated_bytes"])
        if "live_blocks" in truth:
            self.assertEqual(told["allocations"] - told["frees"], truth["live_blocks"])

    def check_death(self, how, signals):
        """However the program dies, what it did before is in the trace."""
        sample = SAMPLES["die"]
        plain = support.run([sample.program, how])
        recording = self.record([sample.program, how], check=None)
        allowed = (128 + signals, -signals) if signals else (0,)
        self.assertIn(plain.returncode, allowed)
        self.assertIn(recording.status, allowed, recording.stderr)
        self.check(sample, recording)


def add(name, method, *arguments):
    setattr(Samples, name, lambda self: method(self, *arguments))


for _sample in SAMPLES.values():
    if not _sample.truth and not _sample.leaks:
        continue
    add(f"test_{_sample.name}", Samples.check_sample, _sample)
    if _sample.truth and _sample.valgrind:
        add(f"test_{_sample.name}_header_by_valgrind", Samples.check_valgrind, _sample)

for _how, _signal in (("_exit", 0), ("quick_exit", 0), ("abort", signal.SIGABRT),
                      ("kill", signal.SIGKILL), ("term", signal.SIGTERM), ("segv", signal.SIGSEGV)):
    add(f"test_death_by_{_how.strip('_')}", Samples.check_death, _how, int(_signal))


class Details(support.TestCase):
    """What the headers cannot state."""

    def test_marks_bound_a_time_window(self):
        sample = SAMPLES["marks"]
        recording = self.record([sample.program])
        sites = recording.sites("--from=loaded", "--to=served")
        self.assertEqual({s.functions[0] for s in sites}, {"serve"})
        self.assertEqual(sum(s.blocks for s in sites), 10)

    def test_deep_stacks_are_cut_and_say_so(self):
        sample = SAMPLES["recursion"]
        recording = self.record([sample.program])
        deep = [s for s in recording.sites() if s.functions[0] == "keep"]
        self.assertEqual(len(deep), 1)
        self.assertNotIn("main", deep[0].functions)
        self.assertTrue(recording.info["cut_stacks"] >= 1)

    def test_every_kind_of_call_is_told_apart(self):
        recording = self.record([SAMPLES["aligned"].program])
        calls = {e.get("call") for e in recording.dump()} - {None}
        self.assertLessEqual({"memalign", "posix_memalign", "aligned_alloc", "valloc", "pvalloc",
                              "free"}, calls)
        recording = self.record([SAMPLES["newdelete"].program])
        calls = {e.get("call") for e in recording.dump()} - {None}
        self.assertLessEqual({"new", "new[]", "delete", "delete[]"}, calls)

    def test_alignment_is_recorded(self):
        recording = self.record([SAMPLES["aligned"].program])
        asked = {(e["call"], e["alignment"]) for e in recording.dump() if e.get("alignment")}
        self.assertLessEqual({("memalign", 64), ("posix_memalign", 128), ("aligned_alloc", 256),
                              ("memalign", 32), ("memalign", 4096)}, asked)

    def test_lines_are_those_of_the_source(self):
        sample = SAMPLES["leak"]
        with open(sample.path, encoding="utf-8") as source:
            lines = source.read().splitlines()
        recording = self.record([sample.program])
        site = next(s for s in recording.sites() if s.functions[0] == "session_new")
        for frame, text in zip(site.frames, ("calloc(1", "session_new(i)", "serve(100)")):
            self.assertEqual(os.path.basename(frame["file"]), "leak.c")
            self.assertIn(text, lines[frame["line"] - 1])


if __name__ == "__main__":
    support.main()
