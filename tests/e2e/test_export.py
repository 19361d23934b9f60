# SPDX-License-Identifier: MIT
"""seep export: profiles by a decoder of their own, by npm's pprof-format and by go tool pprof, massif's
files by ms_print, tables by a reader of CSV; of random programs, everything against their list of blocks."""

import collections
import csv
import gzip
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, "analyzer", "web"))
import bundle  # noqa: E402  how the build fetches what npm has

PPROF = os.path.join(support.ROOT, "tests", "pprof")
MS = 1000000
MODULE = "module 0x400000 0x410000 /srv/bin/server\n"
SAMPLE_TYPES = [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"),
                ("inuse_space", "bytes")]


class Program:
    """A random program: its script for trace_maker, and its blocks (stack, size, start, end ns)."""

    def __init__(self, seed, events=400):
        chance = random.Random(seed)
        self.parents = {1: None}
        lines = [MODULE, "root 1"]
        for node in range(2, 14):
            parent = chance.choice(list(self.parents))
            self.parents[node] = parent
            lines.append(f"node {node} {parent} {0x401000 + node * 0x100:#x}")
        self.blocks, live = [], []
        self.last = 0
        for i in range(events):
            now = (i + 1) * MS
            if live and chance.random() < 0.45:
                block = live.pop(chance.randrange(len(live)))
                self.blocks[block][3] = now
                lines.append(f"free b{block} {now} 1")
            else:
                size, stack = chance.randrange(1, 5000), chance.randrange(2, 14)
                live.append(len(self.blocks))
                lines.append(f"alloc b{len(self.blocks)} {now} 1 {stack} {0x1000000 + i * 0x10000} "
                             f"{size} {size + 8} malloc")
                self.blocks.append([stack, size, now, None])
            self.last = now
        self.script = "\n".join(lines) + "\n"

    def way(self, stack):
        """Names of the stack's frames, innermost first."""
        names = []
        while self.parents[stack]:
            names.append(f"server+{0x1000 + stack * 0x100:#x}")
            stack = self.parents[stack]
        return names

    def live(self, time):
        return [b for b in self.blocks if b[2] <= time and (b[3] is None or b[3] > time)]


# ---------------------------------------------------------------- profile.proto


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def fields(data):
    """{field number: values in order} of a message."""
    found = collections.defaultdict(list)
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            assert key & 7 == 2, key
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length
        found[key >> 3].append(value)
    return found


def packed(data):
    values, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


class Profile:
    def __init__(self, data):
        top = fields(gzip.decompress(data))
        self.strings = [s.decode() for s in top[6]]
        self.types = [tuple(self.strings[fields(t)[k][0]] for k in (1, 2)) for t in top[1]]
        self.default = self.strings[top[14][0]]
        self.mappings, self.functions, self.locations, self.samples = [], [], [], []
        for message in top[3]:
            m = fields(message)
            self.mappings.append({"id": m[1][0], "start": m[2][0], "limit": m[3][0],
                                  "offset": (m[4] or [0])[0], "file": self.strings[m[5][0]],
                                  "build_id": self.strings[(m[6] or [0])[0]]})
        for message in top[5]:
            f = fields(message)
            self.functions.append((f[1][0], self.strings[f[2][0]]))
        for message in top[4]:
            loc = fields(message)
            lines = [(fields(line)[1][0], (fields(line)[2] or [0])[0]) for line in loc[4]]
            self.locations.append((loc[1][0], (loc[2] or [0])[0], (loc[3] or [0])[0], lines))
        for message in top[2]:
            s = fields(message)
            self.samples.append((packed(s[1][0]), packed(s[2][0])))

    def check(self, test):
        """What Parca, among others, demands."""
        for table in ([m["id"] for m in self.mappings], [f[0] for f in self.functions],
                      [loc[0] for loc in self.locations]):
            test.assertEqual(table, list(range(1, len(table) + 1)))
        test.assertEqual(self.strings[0], "")
        test.assertEqual(len(set(self.strings)), len(self.strings))
        test.assertEqual(self.types, SAMPLE_TYPES)
        for _, mapping, address, lines in self.locations:
            test.assertTrue(0 <= mapping <= len(self.mappings))
            if mapping:
                m = self.mappings[mapping - 1]
                test.assertTrue(m["start"] <= address < m["limit"], (address, m))
            test.assertTrue(lines)
            test.assertTrue(all(1 <= function <= len(self.functions) for function, _ in lines))
        for places, values in self.samples:
            test.assertTrue(places)
            test.assertTrue(all(1 <= place <= len(self.locations) for place in places))
            test.assertEqual(len(values), 4)

    def way(self, places):
        return [self.functions[function - 1][1] for place in places
                for function, _ in self.locations[place - 1][3]]

    def total(self, kind):
        return sum(values[kind] for _, values in self.samples)


class Export(support.TestCase):
    def make(self, script, name):
        return self.make_trace(script, name)

    def export(self, trace, name, *options):
        out = self.path("out." + name)
        support.run([support.SEEP, "export", f"--format={name}", "-f", "-o", out, *options, trace],
                    check=0)
        with open(out, "rb") as written:
            return written.read()


class Pprof(Export):
    def test_random_programs(self):
        for seed in range(4):
            program = Program(seed)
            profile = Profile(self.export(self.make(program.script, f"{seed}.seep"), "pprof"))
            profile.check(self)
            wanted = collections.defaultdict(lambda: [0, 0, 0, 0])
            for stack, size, _, end in program.blocks:
                values = wanted[tuple(program.way(stack))]
                for i, value in enumerate((1, size, end is None, size if end is None else 0)):
                    values[i] += value
            found = {tuple(profile.way(places)): values for places, values in profile.samples}
            self.assertEqual(found, dict(wanted))
            # calls, not what follows them
            self.assertEqual({address % 0x100 for _, _, address, _ in profile.locations}, {0xff})
            self.assertEqual(profile.mappings[0]["file"], "/srv/bin/server")

    def test_window(self):
        program = Program(7)
        trace = self.make(program.script, "window.seep")
        profile = Profile(self.export(trace, "pprof", "--from=100ms", "--to=200ms"))
        made = [b for b in program.blocks if 100 * MS <= b[2] <= 200 * MS]
        self.assertEqual(profile.total(1), sum(b[1] for b in made))
        self.assertEqual(profile.total(3), sum(b[1] for b in made if not b[3] or b[3] > 200 * MS))

    def test_real_program(self):
        recording = self.record([self.build("chain.cpp")])
        profile = Profile(self.export(recording.trace, "pprof"))
        profile.check(self)
        info = recording.info
        self.assertEqual(profile.total(0), info["allocations"] + info["reallocations"])
        self.assertEqual(profile.total(1), info["allocated_bytes"])
        self.assertTrue(all(re.fullmatch("[0-9a-f]{40}", m["build_id"]) for m in profile.mappings
                            if m["file"].endswith(("chain", "libc.so.6"))))
        if not shutil.which("go"):
            self.skipTest("go tool pprof is not here (Debian package golang-go)")
        done = support.run(["go", "tool", "pprof", "-top", "-sample_index=alloc_space",
                            self.path("out.pprof")], env=support.environment(HOME=self.path("")))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Type: alloc_space", done.stdout)

    def test_others_read_the_same(self):
        work = os.path.join(support.BUILD, "tests", "pprof")
        try:
            bundle.fetch(support.need("npm", "npm"), PPROF, work)
        except (OSError, subprocess.TimeoutExpired) as trouble:
            raise unittest.SkipTest(f"npm did not fetch pprof-format: {trouble}") from trouble
        own = Profile(self.export(self.record([self.build("chain.cpp")]).trace, "pprof"))
        done = support.run(["node", os.path.join(PPROF, "decode.mjs"), work, self.path("out.pprof")],
                           check=0)
        theirs = json.loads(done.stdout)
        self.assertEqual([tuple(t) for t in theirs["types"]], SAMPLE_TYPES)
        self.assertEqual(theirs["buildIds"], [m["build_id"] for m in own.mappings])
        self.assertEqual([(s["way"], s["values"]) for s in theirs["samples"]],
                         [(own.way(places), values) for places, values in own.samples])

    def test_inlined_calls_are_lines_of_one_location(self):
        source = self.path("inline.c")
        with open(source, "w", encoding="utf-8") as text:
            text.write("#include <stdlib.h>\nvoid *kept[9];\n"
                       "static inline __attribute__((always_inline)) void inner(int i)"
                       " { kept[i] = malloc(100); }\n"
                       "__attribute__((noinline)) void outer(int i) { inner(i); __asm__ volatile(\"\"); }\n"
                       "int main(void) { outer(1); return 0; }\n")
        program = self.path("inline")
        support.run(["cc", "-g", "-O2", "-o", program, source], check=0)
        profile = Profile(self.export(self.record([program]).trace, "pprof",
                                      "--function=outer"))
        [(places, _)] = profile.samples
        lines = profile.locations[places[0] - 1][3]
        self.assertEqual([profile.functions[f - 1][1] for f, _ in lines], ["inner", "outer"])
        self.assertEqual([line for _, line in lines], [3, 4])

    def test_empty(self):
        profile = Profile(self.export(self.make(MODULE, "empty.seep"), "pprof"))
        profile.check(self)
        self.assertEqual(profile.samples, [])


class Massif(Export):
    def snapshots(self, data):
        """A dict each: time, mem_heap_B, ..., tree: (depth, children, bytes, rest of the line)."""
        found = []
        for part in re.split(r"^#-+\nsnapshot=\d+\n#-+\n", data.decode(), flags=re.M)[1:]:
            lines = part.splitlines()
            values = dict(line.split("=") for line in lines if re.match(r"\w+=", line))
            tree = [re.match(r"( *)n(\d+): (\d+) (.*)", line).groups() for line in lines
                    if re.match(r" *n\d", line)]
            values["tree"] = [(len(a), int(b), int(c), d) for a, b, c, d in tree]
            found.append(values)
        return found

    def test_random_programs(self):
        for seed in range(3):
            program = Program(100 + seed)
            data = self.export(self.make(program.script, f"{seed}.seep"), "massif")
            snapshots = self.snapshots(data)
            times = [int(s["time"]) for s in snapshots]
            self.assertEqual(times, sorted(times))
            peak = max(sum(b[1] for b in program.live(i * MS)) for i in range(402))
            self.assertEqual(max(int(s["mem_heap_B"]) for s in snapshots), peak)
            [at_peak] = [s for s in snapshots if s["heap_tree"] == "peak"]
            self.assertEqual(int(at_peak["mem_heap_B"]), peak)
            for s in snapshots:
                # times are whole milliseconds, a moment may lie before or behind that event
                near = [program.live(int(s["time"]) * MS + d) for d in (-1, 0, MS)]
                self.assertIn((int(s["mem_heap_B"]), int(s["mem_heap_extra_B"])),
                              [(sum(b[1] for b in live), 8 * len(live)) for live in near])
                if s["tree"]:
                    self.check_tree(s, program, near)
            self.assertEqual(int(snapshots[-1]["mem_heap_B"]),
                             sum(b[1] for b in program.live(program.last)))

    def check_tree(self, snapshot, program, near):
        """Each frame's bytes are those of the stacks with that way; children are as many as told."""
        tree, way = snapshot["tree"], []
        live = next(n for n in near if sum(b[1] for b in n) == int(snapshot["mem_heap_B"]))
        self.assertEqual(tree[0][:3:2], (0, int(snapshot["mem_heap_B"])))
        for i, (depth, children, size, text) in enumerate(tree):
            below = 0
            for deeper in tree[i + 1:]:
                if deeper[0] <= depth:
                    break
                below += deeper[0] == depth + 1
            self.assertEqual(below, children)
            if depth == 0 or "below massif's threshold" in text:
                continue
            way = way[:depth - 1] + [text.split(" ")[0]]
            self.assertEqual(size, sum(b[1] for b in live if program.way(b[0])[:depth] == way))

    def test_ms_print(self):
        recording = self.record([self.build("demo.c")])
        data = self.export(recording.trace, "massif")
        if not shutil.which("ms_print"):
            self.skipTest("needs ms_print (Debian package valgrind)")
        done = support.run(["ms_print", self.path("out.massif")])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        peak = f"{recording.info['peak_live_bytes']:,}"
        self.assertIn("(peak)", done.stdout)
        self.assertRegex(done.stdout, rf"{peak} +[\d,]+ +0\n")
        self.assertRegex(done.stdout, r"->\d\d\.\d\d% \([\d,]+B\) print_receipts \(demo\.c:\d+\)")
        self.assertEqual(len(self.snapshots(data)), 100)

    def test_processes_take_theirs_along(self):
        for name in "merged.seep", "window.seep":
            trace = os.path.join(support.ROOT, "tests", "golden", "trace", name)
            peak = support.report("info", trace)["result"]["peak_live_bytes"]
            snapshots = self.snapshots(self.export(trace, "massif"))
            self.assertEqual(max(int(s["mem_heap_B"]) for s in snapshots), peak, name)

    def test_lifetimes_are_refused(self):
        done = support.run([support.SEEP, "export", "--format=massif", "--lifetime=1ms..",
                            self.make(Program(1).script, "x.seep")])
        self.assertEqual(done.returncode, 2)
        self.assertIn("--lifetime", done.stderr)


class Csv(Export):
    def test_is_the_table(self):
        trace = self.make(Program(3).script, "table.seep")
        rows = list(csv.DictReader(io.StringIO(self.export(trace, "csv").decode(), newline="")))
        sites = support.report("sites", trace, "--top=all")["result"]["sites"]
        self.assertEqual(len(rows), len(sites))
        for row, site in zip(rows, sites):
            self.assertEqual(row["name"], site["name"])
            self.assertEqual(row["stack"], " < ".join(f["function"] for f in site["frames"]))
            for field in "peak_bytes", "allocations", "live_bytes", "lifetime_p50_ns", "size_median_bytes":
                self.assertEqual(row[field], "" if site[field] is None else str(site[field]))

    def test_by_function(self):
        trace = self.make(Program(3).script, "table.seep")
        data = self.export(trace, "csv", "--by=module").decode()
        [row] = csv.DictReader(io.StringIO(data, newline=""))
        self.assertEqual(row["name"], "/srv/bin/server")


class Others(Export):
    def test_collapsed_is_that_of_flame(self):
        trace = self.make(Program(5).script, "flame.seep")
        flame = support.run([support.SEEP, "flame", "--format=collapsed", "--cost=live", trace],
                            check=0).stdout
        self.assertEqual(self.export(trace, "collapsed", "--cost=live").decode(), flame)

    def test_usage(self):
        trace = self.make(MODULE, "none.seep")
        self.assertEqual(support.run([support.SEEP, "export", trace]).returncode, 2)
        support.run([support.SEEP, "export", "--format=pprof", trace], check=0)
        self.assertTrue(os.path.exists(self.path("none.pb.gz")))
        self.assertEqual(support.run([support.SEEP, "export", "--format=pprof", trace]).returncode, 2)


if __name__ == "__main__":
    support.main()
