# SPDX-License-Identifier: MIT
"""seep growth: behaviour of real programs, the answers, the chart at several widths, JSON."""

import collections
import concurrent.futures
import json
import os
import re
import unicodedata
import unittest

import support

SCENARIOS = os.path.join(support.ROOT, "tests", "growth", "scenarios.h")
MS = 1000000

STACKS = """
module 0x400000 0x410000 /srv/bin/server
root 1
node 2 1 0x401000
node 3 2 0x402000
node 4 2 0x403000
"""


def columns(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


class Growth(support.TestCase):
    def make(self, script, name="made.seep"):
        return self.make_trace(STACKS + script, name)

    def steady(self):
        """1000 blocks of 1000 bytes, one each ms, at one site; at the other 200 kB for half of it;
        a mark in the middle."""
        lines = ["alloc start 1000 1 4 0x900000 200000 200008 malloc"]
        for i in range(1000):
            lines.append(f"alloc b{i} {i * MS + 2000} 1 3 {0x1000000 + i * 0x1000} 1000 1000 malloc")
            if i == 500:
                lines.append(f"mark {i * MS + 3000} half way")
                lines.append(f"free start {i * MS + 4000} 1")
        return self.make("\n".join(lines) + "\n")

    def text(self, trace, *options, width=100, **env):
        env = support.environment(COLUMNS=str(width), **env)
        return support.run([support.SEEP, "growth", trace, *options], check=0, env=env).stdout


class Report(Growth):
    def test_answers_come_first(self):
        out = re.sub(r"\s+", " ", self.text(self.steady(), "--rises=1"))
        self.assertRegex(out, r"^1 call site keeps growing: server\+0x2000 by 97\d KiB/s to 977 KiB\. "
                              r"Live bytes rose by 68\d KiB between 0 s and 499 ms; 488 KiB of it "
                              r"from server\+0x2000\. The peak was 977 KiB in 1,000 blocks, at 999 ms; "
                              r"977 KiB of it from server\+0x2000\. live bytes")

    def test_window_by_marks(self):
        trace = self.steady()
        window = support.report("growth", trace, "--from=half way")["result"]
        self.assertEqual(window["window"], {"from": "half way", "to": None})
        [rise] = window["rises"]
        self.assertTrue(rise["given"])
        self.assertEqual(rise["before_bytes"], 200000 + 501 * 1000)
        self.assertEqual(rise["after_bytes"], 1000 * 1000)
        self.assertEqual(rise["added_bytes"], 499 * 1000)
        self.assertEqual(rise["gone_bytes"], 200000)
        self.assertEqual([(s["name"], s["blocks"]) for s in rise["sites"]],
                         [("server+0x2000", 499)])
        out = re.sub(r"\s+", " ", self.text(trace, "--from=half way"))
        self.assertIn("487 KiB were added and kept, 487 KiB of it from server+0x2000.", out)

    def test_series(self):
        result = support.report("growth", self.steady())["result"]
        series = result["series"]
        lengths = {len(column) for column in series.values() if isinstance(column, list)}
        self.assertEqual(len(lengths), 1)
        self.assertEqual(sum(series["allocations"]), 1001)
        self.assertEqual(max(series["max_bytes"]), 1000000)
        self.assertEqual(result["peaks"][0]["bytes"], 1000000)
        self.assertIsNone(series["rss_max"])
        self.assertEqual(result["marks"], [{"name": "half way", "time_ns": 500 * MS + 3000}])
        classes = {s["name"]: s["class"] for s in result["sites"]}
        self.assertEqual(classes, {"server+0x2000": "growing", "server+0x3000": "irregular"})

    def test_chart_fits(self):
        trace = self.steady()
        for width in 40, 60, 80, 140, 250:
            lines = self.text(trace, width=width).splitlines()
            chart = [line for line in lines if re.search(" [│┤└]", line)]
            self.assertGreaterEqual(len(chart), 12, width)
            self.assertTrue(all(columns(line) <= width for line in chart), width)
            self.assertGreater(max(map(columns, chart)), width - 5)
            self.assertTrue(any("▲ half way" in line and columns(line) <= width for line in lines))

    def test_ascii(self):
        out = self.text(self.steady(), LC_ALL="C")
        self.assertTrue(out.isascii())
        self.assertNotIn("?", out)
        self.assertIn("^ half way", out)
        self.assertRegex(out, r"977 KiB \|.*#")

    def test_marks_do_not_obey(self):
        lines = [f"alloc b{i} {i * MS} 1 3 {0x1000000 + i * 0x1000} 1000 1000 malloc"
                 for i in range(100)]
        lines.append(r"mark 99999999 \x1b[31mred\x0a")
        out = self.text(self.make("\n".join(lines) + "\n"))
        self.assertNotIn("\x1b", out)
        self.assertIn(r"\x1b[31mred\n", out)

    def test_small_and_empty(self):
        empty = self.make("", "empty.seep")
        self.assertIn("Nothing was allocated.", self.text(empty))
        one = self.make("alloc a 1000 1 3 0x1000 10 24 malloc\n", "one.seep")
        self.assertIn("1 call site too small to be judged", self.text(one))
        self.assertIn("one-time", self.text(one, "--min-bytes=0"))

    def test_usage(self):
        trace = self.steady()
        for wrong in ["--lifetime=1s.."], ["--peaks=many"], ["--from=nowhere"], ["--by=nothing"]:
            done = support.run([support.SEEP, "growth", trace, *wrong], check=2)
            self.assertIn(wrong[0].split("=")[0].strip("-"), done.stderr)
            self.assertEqual(done.stdout, "")

    def test_agrees_with_info(self):
        """Of a real program, with its RSS."""
        r = self.record([os.path.join(support.BUILD, "samples", "demo")])
        result = support.report("growth", r.trace)["result"]
        self.assertEqual(result["peaks"][0]["bytes"], r.info["peak_live_bytes"])
        self.assertEqual(result["peaks"][0]["time_ns"], r.info["peak_time_ns"])
        self.assertEqual(result["total"]["end_bytes"], r.info["live_bytes"])
        self.assertEqual(max(result["series"]["max_bytes"]), r.info["peak_live_bytes"])
        self.assertGreater(max(result["series"]["rss_max"]), 20 << 20)
        for moment in result["peaks"] + result["rises"]:
            shown = sum(part["bytes"] for part in moment["sites"]) + moment["others"]["bytes"]
            self.assertEqual(shown, moment["added_bytes" if "added_bytes" in moment else "bytes"])


def kinds():
    """Names and classes of the scenarios, from their table."""
    with open(SCENARIOS, encoding="utf-8") as source:
        return re.findall(r'^    {"([\w-]+)", "([\w-]+)", \w+, \w+},$', source.read(), re.M)


class Behaviour(Growth):
    """Programs of known behaviour, with one thread and with three, recorded as they run."""

    # Steps that a program may be late by, 1 % of the run: more is a behaviour of the machine.
    LATE = 20
    STEP_MAX_US = 8000
    step_us = 250  # at first

    def class_of(self, program, kind, seed, threads):
        """What the program is and what it is told to be. Where the machine kept it from its steps, it
        is run again, and slower: whatever would have been told."""
        trace = self.path(f"{kind}-{seed}-{threads}.seep")
        step_us = self.step_us
        while True:
            done = support.run([support.SEEP, "run", "-qf", "-o", trace, "--", program, kind, seed,
                                threads, step_us], check=0)
            _, true, late = done.stdout.split()
            if int(late) <= self.LATE or step_us >= self.STEP_MAX_US:
                break
            step_us *= 2
        # where the next one begins
        self.step_us = max(step_us // 2, Behaviour.step_us) if int(late) <= self.LATE // 4 else step_us
        told = support.report("growth", trace, "--by=function", "--min-bytes=0", "--top=all",
                              "--function=site", "--function=site_again")["result"]["sites"]
        os.remove(trace)
        heaviest = max(told, key=lambda s: s["high_bytes"])
        return true, heaviest["class"]

    def test_behaviour_of_programs(self):
        source = os.path.join(support.ROOT, "tests", "e2e", "programs", "growth.c")
        program = self.build(source, flags=("-O1", "-g"))
        runs = [(kind, 70 + seed, threads) for kind, _ in kinds() for seed, threads in [(0, 1), (1, 3)]]
        self.assertGreaterEqual(len(runs), 30)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            told = list(pool.map(lambda run: self.class_of(program, *run), runs))
        matrix = collections.Counter(told)
        names = sorted({name for pair in told for name in pair})
        print("\n" + " " * 12 + "".join(f"{name:>11}" for name in names))
        for true in names:
            print(f"{true:<12}" + "".join(f"{matrix[true, name] or '.':>11}" for name in names))
        wrong = [run for run, (true, got) in zip(runs, told)
                 if got == "growing" and true != "growing"]
        self.assertEqual(wrong, [])
        growing = [got == "growing" for true, got in told if true == "growing"]
        self.assertGreaterEqual(sum(growing), 0.95 * len(growing),
                                [run for run, (true, got) in zip(runs, told)
                                 if true == "growing" != got])


if __name__ == "__main__":
    support.main()
