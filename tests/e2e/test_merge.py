# SPDX-License-Identifier: MIT
"""seep merge: the processes of a run as one trace."""

import glob
import os
import re
import unittest

import support

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
COUNTS = ("allocations", "frees", "reallocations", "allocated_bytes", "failed")


def varint(value):
    """As trace_maker takes a fact that is an integer."""
    text = ""
    while value > 127:
        text += f"\\x{value & 127 | 128:02x}"
        value >>= 7
    return text + f"\\x{value:02x}"


def script(pid, start_ns, events, host="h", run="", parent=0, module=0x400000, path="/b/x"):
    """A process for trace_maker."""
    facts = f"fact 1 {varint(pid)}\nfact 2 {varint(parent)}\nfact 4 {path}\nfact 7 {host}\n"
    facts += f"fact 13 {varint(10**18 + start_ns)}\nfact 14 {run}\nfact 30 {varint(start_ns)}\n"
    return (facts + f"thread 1 {pid} main\nmodule {module} {module + 0x10000} {path}\nroot 1\n" +
            f"node 2 1 {module + 0x100}\nnode 3 2 {module + 0x200}\n" + events)


class Merging(support.TestCase):
    def merge(self, traces, *options, check=0, output="all.seep"):
        path = self.path(output)
        done = support.run([support.SEEP, "merge", *traces, "-f", "-o", path, *options],
                           check=check)
        self.assertEqual([n for n in os.listdir(self.tmp) if n.startswith(".")], [])
        return support.Recording(path) if check == 0 else done

    def made(self, name, *args, **more):
        return self.make_trace(script(*args, **more), name)

    def family(self):
        """The program, its traces, and the truth it printed: blocks made by (pid, image)."""
        program = self.build(os.path.join(PROGRAMS, "family.c"))
        recording = self.record([program])
        truth = {(int(p), int(i)): int(n) for p, i, n in
                 re.findall(r"pid (\d+) image (\d+) made (\d+)", recording.stdout)}
        self.assertEqual(sum(truth.values()), 27)
        return [recording.trace, *recording.children()], truth


class Families(Merging):
    def test_known_truth(self):
        traces, truth = self.family()
        self.assertEqual(len(traces), 6)
        merged = self.merge(traces)
        processes = merged.info["processes"]
        self.assertEqual(len(processes), 6)
        numbers = {(p["pid"], p["image"]): p["number"] for p in processes}
        self.assertEqual(set(numbers), set(truth))
        sites = merged.sites()
        for size, functions, blocks in ((300, ["work"], 27), (1000, ["hold", "main"], 10),
                                        (5000, ["child"], 3)):
            found = [s for s in sites if s.starts_with(functions) and s.bytes == s.blocks * size]
            self.assertEqual(sum(s.blocks for s in found), blocks, [str(s) for s in sites])
        # the same code at two load addresses, that of the program started anew included
        by_function = merged.leaks("--by=function", "--size=300")["sites"]
        self.assertEqual([(s["name"].split()[0], s["blocks"]) for s in by_function], [("work", 27)])
        for key, made in truth.items():
            options = (f"--process={numbers[key]}", "--size=300")
            self.assertEqual(merged.leaks(*options)["matched"]["blocks"], made)
            self.assertEqual(merged.leaks(f"--process=pid:{key[0]}", "--size=300")["matched"]["blocks"],
                             sum(n for (pid, _), n in truth.items() if pid == key[0]))
        self.assertEqual(merged.leaks("--process=!1", "--size=300")["matched"]["blocks"], 25)

    def test_who_is_whose(self):
        traces, truth = self.family()
        processes = self.merge(reversed(traces)).info["processes"]
        first, *others = processes
        self.assertEqual((first["parent"], first["forked"]), (None, False))
        grandchild = [p for p in others if truth[p["pid"], p["image"]] == 3][0]
        again = [p for p in others if p["image"] == 1][0]
        children = [p for p in others if p not in (grandchild, again)]
        self.assertEqual([(p["parent"], p["forked"]) for p in children], [(1, True)] * 3)
        self.assertEqual(grandchild["parent"], children[1]["number"])
        self.assertEqual((again["parent"], again["pid"]), (1, children[2]["pid"]))
        self.assertEqual(again["command"][1:], ["again"])
        for p in [*children, grandchild]:
            self.assertLessEqual(p["fork_ns"], p["start_ns"])
            self.assertLess(processes[p["parent"] - 1]["start_ns"], p["fork_ns"])
        self.assertEqual([p["start_ns"] for p in processes],
                         sorted(p["start_ns"] for p in processes))
        text = support.run([support.SEEP, "info", self.path("all.seep")], check=0).stdout
        self.assertIn("6 processes", text)
        self.assertRegex(text, rf"family, pid {grandchild['pid']}, forked by {grandchild['parent']}")

    def assert_sums(self, traces, merged, changed=0):
        """`changed`: reallocations of what a parent made; in a merged trace they make a block."""
        singles = [support.report("info", t)["result"] for t in traces]
        held = [support.report("leaks", t)["result"]["inherited"] for t in traces]
        total = {k: sum(s[k] for s in singles) for k in COUNTS}
        ended = sum(h["blocks"] - h["held_blocks"] for h in held if h)
        info = merged.info
        self.assertEqual(info["allocated_bytes"], total["allocated_bytes"])
        self.assertEqual(info["failed"], total["failed"])
        self.assertEqual(info["allocations"], total["allocations"] + changed)
        self.assertEqual(info["reallocations"], total["reallocations"] - changed)
        self.assertEqual(info["inherited_frees"] - sum(s["inherited_frees"] for s in singles),
                         ended)
        self.assertEqual(info["frees"], total["frees"] - (ended - changed))
        self.assertEqual(info["inherited_blocks"], 0)
        self.assertEqual(info["live_blocks"], sum(s["live_blocks"] for s in singles) -
                         sum(h["held_blocks"] for h in held if h))
        self.assertEqual(info["threads"], sum(s["threads"] for s in singles))
        self.assertIs(support.report("info", merged.trace)["completeness"]["complete"], True)
        by_key = {(s["process"]["pid"], s["process"]["image"]): s for s in singles}
        for p in info["processes"]:
            own = by_key[p["pid"], p["image"]]
            self.assertEqual(p["allocated_bytes"], own["allocated_bytes"])
            self.assertEqual(p["exit"]["word"], own["exit"]["word"])
            self.assertEqual(p["end_ns"] - p["start_ns"], own["duration_ns"])
        for key in ("allocations", "frees", "reallocations", "allocated_bytes", "live_blocks",
                    "live_bytes", "threads", "inherited_frees"):
            self.assertEqual(info[key], sum(p[key] for p in info["processes"]), key)
        # every site of every trace, whatever it is called there
        wanted = {}
        for t in traces:
            for s in support.Recording(t).sites():
                key = tuple((f["function"], f["line"]) for f in s.frames)
                wanted[key] = wanted.get(key, 0) + s.blocks
        told = {}
        for s in merged.sites():
            key = tuple((f["function"], f["line"]) for f in s.frames)
            told[key] = told.get(key, 0) + s.blocks
        self.assertEqual(told, wanted)

    def test_sums(self):
        traces, _ = self.family()
        self.assert_sums(traces, self.merge(traces), changed=3)

    def test_threads_and_children(self):
        program = self.build(os.path.join(PROGRAMS, "inherit.c"))
        recording = self.record([program])
        traces = [recording.trace, *recording.children()]
        self.assertEqual(len(traces), 7)
        self.assert_sums(traces, self.merge(traces))

    def test_a_shell(self):
        recording = self.record(["bash", "-c", "for i in 1 2 3; do sort /etc/passwd | head -1; "
                                 "done; ls / | wc -l"])
        traces = [recording.trace, *recording.children()]
        self.assertGreater(len(traces), 10)
        merged = self.merge(traces)
        changed = (sum(support.report("info", t)["result"]["reallocations"] for t in traces) -
                   merged.info["reallocations"])
        self.assert_sums(traces, merged, changed)
        # one after the other, they never had as much at once as all had together
        self.assertLess(merged.info["peak_live_bytes"], merged.info["live_bytes"])

    def test_a_parent_that_is_not_there(self):
        traces, truth = self.family()
        child = [t for t in traces if support.report("info", t)["result"]["inherited_blocks"]][0]
        merged = self.merge([child])
        alone = support.report("info", child)["result"]
        for key in (*COUNTS, "live_blocks", "live_bytes", "inherited_blocks", "peak_live_bytes"):
            self.assertEqual(merged.info[key], alone[key], key)

    def test_windows_of_it(self):
        traces, _ = self.family()
        merged = self.merge(traces)
        events = len([e for e in merged.dump() if "number" in e])
        window = (f"--from=#{events // 3}", f"--to=#{2 * events // 3}")
        path = self.path("window.seep")
        support.run([support.SEEP, "cut", merged.trace, *window, "-o", path], check=0)
        whole = merged.leaks(*support.EVERYTHING, *window)
        told = support.Recording(path).leaks(*support.EVERYTHING)
        self.assertEqual([(s["blocks"], s["bytes"], s["frames"], s["threads"])
                          for s in whole["sites"]],
                         [(s["blocks"], s["bytes"], s["frames"], s["threads"])
                          for s in told["sites"]])
        info = support.report("info", path)["result"]
        self.assertEqual([(p["pid"], p["number"], p["exe"]) for p in info["processes"]],
                         [(p["pid"], p["number"], p["exe"]) for p in merged.info["processes"]])

    def test_spools(self):
        program = self.build(os.path.join(PROGRAMS, "family.c"))
        self.preload([program])
        spools = glob.glob(self.path("*.spool"))
        self.assertEqual(len(spools), 6)
        merged = self.merge(spools)
        self.assertEqual(merged.leaks("--by=function", "--size=300")["matched"]["blocks"], 27)
        self.assertEqual(merged.leaks("--size=1000")["matched"]["blocks"], 10)


class Made(Merging):
    FIRST = ("alloc a 1000 1 3 0x10000 100 104 malloc\nalloc b 2000 1 3 0x10100 50 56 malloc\n"
             "free b 9000000 1\nmark 9500000 done\nalloc c 10000000 1 3 0x10200 7 24 malloc\n")
    SECOND = ("alloc a 1000 1 3 0x10000 1000 1008 malloc\nrealloc a 2000 1 3 0x20000 3000 3000\n"
              "alloc b 3000 1 2 0x10000 11 24 malloc\n")
    THIRD = "alloc a 1000 1 3 0x10000 2000 2008 malloc\n"

    def scene(self):
        """Two at once, from 5 ms on; a third after the second has ended."""
        return [self.made("first.seep", 5, 1000000000, self.FIRST),
                self.made("second.seep", 6, 1005000000, self.SECOND, parent=5, module=0x7700000),
                self.made("third.seep", 7, 1008000000, self.THIRD, parent=6, module=0x5500000)]

    def test_times_addresses_and_peak(self):
        merged = self.merge(self.scene())
        events = [e for e in merged.dump() if "number" in e]
        self.assertEqual([(e["process"], e["op"], e["address"], e["size"]) for e in events],
                         [(1, "alloc", "0x1000000010000", 100), (1, "alloc", "0x1000000010100", 50),
                          (2, "alloc", "0x2000000010000", 1000),
                          (2, "realloc", "0x2000000020000", 3000),
                          (2, "alloc", "0x2000000010000", 11),
                          (3, "alloc", "0x3000000010000", 2000),
                          (1, "free", "0x1000000010100", 50), (1, "alloc", "0x1000000010200", 7)])
        times = [1000, 2000, 5001000, 5002000, 5003000, 8001000, 9000000, 10000000]
        for event, wanted in zip(events, times, strict=True):
            self.assertAlmostEqual(event["time_ns"], wanted, delta=2000)
        info = merged.info
        self.assertEqual((info["peak_live_bytes"], info["peak_live_blocks"]), (3161, 4))
        self.assertEqual(info["live_bytes"], 100 + 7 + 3000 + 11 + 2000)
        self.assertEqual([(p["pid"], p["parent"]) for p in info["processes"]],
                         [(5, None), (6, 1), (7, 2)])
        self.assertEqual([m["name"] for m in info["marks"]], ["done"])
        # nodes 2 and 3 at three load addresses: one site each
        self.assertEqual(sorted((s.blocks, s.bytes) for s in merged.sites()),
                         [(1, 11), (4, 5107)])

    def test_the_peak_of_a_window(self):
        """The second process has ended before it, and is in no peak of it."""
        merged = self.merge(self.scene())
        path = self.path("window.seep")
        support.run([support.SEEP, "cut", merged.trace, "--from=8ms", "-o", path], check=0)
        info = support.report("info", path)["result"]
        self.assertEqual(info["peak_live_bytes"], 100 + 50 + 2000)
        self.assertEqual(info["live_bytes"], 100 + 7 + 3000 + 11 + 2000)
        self.assertEqual(support.report("leaks", path)["result"]["total"]["peak_live_bytes"], 3161)

    def test_aligned(self):
        traces = [self.made("first.seep", 5, 1000000000, self.FIRST),
                  self.made("second.seep", 6, 5000000000, self.SECOND, host="other")]
        done = self.merge(traces, check=2)
        self.assertIn("first.seep and ", done.stderr)
        self.assertIn("second.seep: of different machines", done.stderr)
        self.assertIn("--align-starts", done.stderr)
        info = self.merge(traces, "--align-starts").info
        self.assertEqual([p["start_ns"] for p in info["processes"]], [0, 0])
        self.assertEqual(info["allocations"], 5)
        self.assertLess(info["duration_ns"], 11000000)

    def test_the_same_machine(self):
        """The same run, or a clock that says when the machine was started."""
        def pair(**second):
            return [self.made("first.seep", 5, 1000000000, self.FIRST, run="r"),
                    self.made("second.seep", 6, 1005000000, self.SECOND, **second)]
        self.merge(pair())
        self.merge(pair(run="r", host="renamed"))
        self.merge(pair(run="s", host="other"), check=2)


class Refused(Merging):
    def test_usage(self):
        trace = self.made("first.seep", 5, 1000000000, Made.FIRST)
        for args in ([trace], ["-o", self.path("w")], [trace, "-o", self.path("w"), "--top=3"]):
            self.assertIn("seep merge: ", support.run([support.SEEP, "merge", *args],
                                                      check=2).stderr)
        path = self.write("w.seep", "precious")
        done = support.run([support.SEEP, "merge", trace, "-o", path], check=2)
        self.assertIn("w.seep: exists already", done.stderr)
        with open(path, encoding="utf-8") as text:
            self.assertEqual(text.read(), "precious")

    def test_what_cannot_be_merged(self):
        trace = self.made("first.seep", 5, 1000000000, Made.FIRST)
        other = self.made("second.seep", 6, 1000000001, Made.SECOND)
        self.assertIn("the same recording twice", self.merge([trace, other, trace], check=2).stderr)
        window = self.path("window.seep")
        support.run([support.SEEP, "cut", trace, "--from=5ms", "-o", window], check=0)
        self.assertIn("window.seep: is a window of first.seep",
                      self.merge([window, other], check=2).stderr)
        merged = self.merge([trace, other], output="both.seep")
        self.assertIn("both.seep: is of several processes already",
                      self.merge([merged.trace], check=2).stderr)
        self.assertIn("none.seep", self.merge([trace, self.path("none.seep")], check=2).stderr)
        bad = self.write("bad.seep", "nothing of ours")
        self.assertIn("bad.seep: not a trace", self.merge([trace, bad], check=2).stderr)
        self.assertFalse(os.path.exists(self.path("all.seep")))
        for filters in ("--process=3", "--process=nobody"):
            done = support.run([support.SEEP, "leaks", filters, merged.trace], check=2)
            self.assertIn("no such process in this trace (it has 2)", done.stderr)
        done = support.run([support.SEEP, "leaks", "--process=1", trace], check=2)
        self.assertIn("this trace is of one process", done.stderr)

    def test_damaged(self):
        program = self.build(os.path.join(PROGRAMS, "family.c"))
        recording = self.record([program])
        children = recording.children()
        with open(children[0], "r+b") as file:
            file.truncate(os.path.getsize(children[0]) - 100)
        merged = self.merge([recording.trace, *children])
        completeness = support.report("info", merged.trace)["completeness"]
        self.assertIs(completeness["complete"], False)
        bad = [p["number"] for p in merged.info["processes"] if not p["completeness"]["complete"]]
        self.assertEqual(len(bad), 1)
        self.assertIn("incomplete", support.run([support.SEEP, "info", merged.trace],
                                                check=0).stdout)


if __name__ == "__main__":
    support.main()
