# SPDX-License-Identifier: MIT
"""seep diff: random programs against their lists of blocks, wherever their code was loaded; builds that
differ; several traces on a side; the gate's exit statuses."""

import collections
import json
import os
import random
import re

import support

FIGURES = ("live", "peak", "allocations", "allocated", "temporary")
PARENTS = {2: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 4, 8: 2}
MS = 1000000


class Program:
    """A random program as a script for trace_maker, loaded at `base`, and what its stacks cost."""

    def __init__(self, seed, base, events=200, lost=0):
        chance = random.Random(seed)
        lines = [f"module {base:#x} {base + 0x10000:#x} /srv/bin/server", "root 1"]
        # in another order, so that stacks have other numbers
        for node in sorted(PARENTS, key=lambda n: (len(self.way(n)), chance.random())):
            lines.append(f"node {node} {PARENTS[node]} {base + 0x1000 + node * 0x100:#x}")
        used = [n for n in PARENTS if chance.random() < 0.8]
        self.costs = collections.defaultdict(lambda: dict.fromkeys(FIGURES, 0))
        live, last, total, peak = {}, None, 0, 0
        for i in range(events):
            if live and chance.random() < 0.45:
                block = chance.choice(list(live)) if chance.random() < 0.5 else max(live)
                stack, size = live.pop(block)
                total -= size
                lines.append(f"free b{block} {i * MS} 1")
                self.costs[self.way(stack)]["temporary"] += block == last
            else:
                stack, size, last = chance.choice(used), chance.randrange(1, 900), i
                live[i] = (stack, size)
                total += size
                lines.append(f"alloc b{i} {i * MS} 1 {stack} {0x10000000 + i * 4096} {size} {size + 8} malloc")
                self.costs[self.way(stack)]["allocations"] += 1
                self.costs[self.way(stack)]["allocated"] += size
            if total > peak:
                peak, at_peak = total, list(live.values())
        for figure, blocks in (("live", live.values()), ("peak", at_peak)):
            for stack, size in blocks:
                self.costs[self.way(stack)][figure] += size
        if lost:
            lines.append(f"lost {lost}")
        self.script = "\n".join(lines) + "\n"

    @staticmethod
    def way(stack):
        names = []
        while stack != 1:
            names.append(f"server+{0x1000 + stack * 0x100:#x}")
            stack = PARENTS[stack]
        return tuple(names)


def median(values):
    values = sorted(values)
    low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
    return low + (high - low) // 2


def compare(old, new):
    """The figures that diff is to tell of values on both sides."""
    before, after = median(old), median(new)
    spread = max(max(old) - min(old), max(new) - min(new))
    return {"old": before, "new": after, "change": after - before, "spread": spread,
            "changed": abs(after - before) > spread}


class Diff(support.TestCase):
    def make(self, program, name):
        return self.make_trace(program.script, name)

    def diff(self, *args, check=0, **env):
        return support.run([support.SEEP, "diff", *args], check=check, env=support.environment(**env))

    def words(self, *args, check=0):
        return re.sub(r"\s+", " ", self.diff(*args, check=check).stdout)


class Truth(Diff):
    made = 0  # comparisons

    def check(self, old, new):
        self.made += 1
        paths = [[self.make(p, f"{self.made}{side}{i}.seep") for i, p in enumerate(programs)]
                 for side, programs in (("old", old), ("new", new))]
        args = paths[0] + ["--"] * (len(paths[0] + paths[1]) > 2) + paths[1]
        result = json.loads(self.diff("--format=json", "--top=all", *args).stdout)["result"]
        wanted = {}
        for way in set().union(*(p.costs for p in old + new)):
            figures = {f: compare([p.costs[way][f] for p in old], [p.costs[way][f] for p in new])
                       for f in FIGURES}
            if any(f["changed"] for f in figures.values()):
                figures["state"] = ("new" if not any(any(p.costs[way].values()) for p in old) else
                                    "gone" if not any(any(p.costs[way].values()) for p in new) else
                                    "changed")
                wanted[way] = figures
        found = {tuple(f["function"] for f in site["frames"]): {k: site[k] for k in (*FIGURES, "state")}
                 for site in result["sites"]}
        self.assertEqual(found, wanted)
        for f in FIGURES:
            sums = [[sum(c[f] for c in p.costs.values()) for p in side] for side in (old, new)]
            self.assertEqual(result["total"][f], compare(*sums))
            more = [s[f] for s in wanted.values() if s[f]["changed"] and s[f]["change"] > 0]
            self.assertEqual(result["changes"][f]["more_sites"], len(more))
            self.assertEqual(result["changes"][f]["more"], sum(s["change"] for s in more))
        changes = [abs(s["live"]["change"]) * s["live"]["changed"] for s in result["sites"]]
        self.assertEqual(changes, sorted(changes, reverse=True))

    def test_one_on_a_side(self):
        for seed in range(4):
            self.check([Program(seed, 0x400000)], [Program(seed + 50, 0x7f1234560000)])

    def test_several_on_a_side(self):
        for seed in range(4):
            sides = [[Program(seed * 10 + i, 0x400000 + i * 0x100000) for i in range(3)],
                     [Program(seed * 10 + 5 + i, 0x555500000000 + i * 0x100000, 300)
                      for i in range(2 + seed % 2)]]
            self.check(*sides)

    def test_the_same(self):
        old, new = Program(1, 0x400000), Program(1, 0x500000)
        out = self.words(self.make(old, "old.seep"), self.make(new, "new.seep"))
        self.assertTrue(out.startswith("Nothing changed."), out)


SOURCE = """
#include <stdlib.h>
void *kept[1000];
#ifdef MORE
void *other(void) { return malloc(4000); }
#endif
__attribute__((noinline)) void fill(int n)
{
    for (int i = 0; i < n; i++)
        kept[i] = malloc(SIZE);
}
__attribute__((noinline)) void spend(int n)
{
    for (int i = 0; i < n; i++)
        free(malloc(50));
}
int main(void)
{
#ifdef MORE
    kept[999] = other();
#endif
    fill(100);
    spend(200);
    return 0;
}
"""


class Builds(Diff):
    def build_and_record(self, name, *flags):
        os.makedirs(self.path(name))
        source, program = self.path(f"{name}/prog.c"), self.path(f"{name}/prog")
        with open(source, "w", encoding="utf-8") as text:
            text.write(SOURCE)
        support.run(["cc", "-g", "-O1", "-fno-builtin", "-Wl,--build-id", *flags, "-o", program, source],
                    check=0)
        trace = self.path(f"{name}.seep")
        support.run([support.SEEP, "run", "-o", trace, "--", program], check=0)
        return trace

    def test_names_where_builds_differ(self):
        old = self.build_and_record("old", "-DSIZE=64")
        new = self.build_and_record("new", "-DSIZE=80", "-DMORE")
        result = json.loads(self.diff("--format=json", old, new).stdout)["result"]
        self.assertEqual(result["by_name"], ["prog"])
        sites = {s["name"]: s for s in result["sites"]}
        self.assertEqual(set(sites), {"fill", "other"})
        self.assertEqual((sites["other"]["state"], sites["fill"]["state"]), ("new", "changed"))
        self.assertEqual((sites["fill"]["live"]["old"], sites["fill"]["live"]["new"]), (6400, 8000))
        out = self.words(old, new)
        self.assertTrue(out.startswith(
            "Live bytes at the end grew by 5.5 KiB to 11.7 KiB: 2 call sites have 5.5 KiB more, 1 of "
            "them new. Most in other (prog.c:5), +3.9 KiB."), out)
        self.assertIn("Compared by names, since builds differ: prog.", out)

    def test_builds_without_an_id(self):
        """Where nothing else tells builds apart, what lies where in the file does."""
        old = self.build_and_record("old", "-DSIZE=64", "-Wl,--build-id=none")
        new = self.build_and_record("new", "-DSIZE=64", "-DMORE", "-Wl,--build-id=none")
        result = json.loads(self.diff("--format=json", old, new).stdout)["result"]
        self.assertEqual(result["by_name"], ["prog"])
        self.assertEqual([(s["name"], s["state"]) for s in result["sites"]], [("other", "new")])
        result = json.loads(self.diff("--format=json", old, old).stdout)["result"]
        self.assertEqual((result["sites"], result["by_name"]), ([], []))

    def test_runs_of_one_build_are_the_same(self):
        trace = self.build_and_record("old", "-DSIZE=64")
        again = self.path("again.seep")
        support.run([support.SEEP, "run", "-o", again, "--", self.path("old/prog")], check=0)
        result = json.loads(self.diff("--format=json", trace, again).stdout)["result"]
        self.assertEqual((result["sites"], result["by_name"]), ([], []))
        self.assertGreater(result["alike"]["sites"], 1)


class Gate(Diff):
    """Bytes and counts by hand: one call site, the last blocks never freed."""

    def trace(self, name, blocks, freed=0, lost=0):
        lines = ["module 0x400000 0x410000 /srv/bin/server", "root 1", "node 2 1 0x401000"]
        for i in range(blocks + freed):
            lines.append(f"alloc b{i} {i * MS} 1 2 {0x10000000 + i * 4096} 100 104 malloc")
            if i < freed:
                lines.append(f"free b{i} {i * MS} 1")
        if lost:
            lines.append(f"lost {lost}")
        return self.make_trace("\n".join(lines) + "\n", name)

    def test_statuses(self):
        old, more = self.trace("old.seep", 10), self.trace("more.seep", 12)
        self.assertIn("grew by 200 B", self.words(old, more))  # without --fail-on it is a report
        self.assertTrue(self.words("--fail-on=live,peak", old, more, check=23).startswith("WORSE live, peak"))
        self.assertTrue(self.words("--fail-on=live", more, old).startswith("PASSED"))
        self.diff("--fail-on=temporary", old, more)
        self.diff("--fail-on=new-leaks", old, more, check=23)
        self.diff("--fail-on=live", "--error-exitcode=7", old, more, check=7)
        self.diff("--fail-on=live", "--allow-bytes=200", old, more)
        self.diff("--fail-on=live", "--allow-bytes=199", old, more, check=23)
        self.diff("--fail-on=live", "--allow-percent=20", old, more)
        self.diff("--fail-on=live", "--allow-percent=19.9", old, more, check=23)
        self.diff("--fail-on=allocations", "--allow-bytes=1M", old, more, check=23)
        self.diff("--fail-on=allocations", "--allow-percent=20", old, more)

    def test_incomplete_is_undecided(self):
        old, lossy = self.trace("old.seep", 10), self.trace("lossy.seep", 9, lost=5)
        out = self.words("--fail-on=live", old, lossy, check=3)
        self.assertIn("UNDECIDED", out)
        self.assertRegex(out, r"Incomplete recording: \S*lossy\.seep: 5 events were lost")
        self.diff("--fail-on=live", lossy, self.trace("more.seep", 20), check=23)
        self.diff(old, lossy)

    def test_noise_is_no_change(self):
        old = [self.trace(f"old{i}.seep", n) for i, n in enumerate((10, 14, 12))]
        new = [self.trace(f"new{i}.seep", n) for i, n in enumerate((16, 15, 14))]
        out = self.words("--fail-on=live", *old, "--", *new)
        self.assertIn("Nothing changed by more than the recordings of one side differ.", out)
        self.assertIn("1 of them but by chance", out)
        far = [self.trace(f"far{i}.seep", n) for i, n in enumerate((17, 18, 19))]
        self.diff("--fail-on=live", *old, "--", *far, check=23)

    def test_usage(self):
        trace = self.trace("one.seep", 1)
        for args in ([trace], [trace, trace, trace], ["--", trace, trace], [trace, trace, "--"],
                     ["--fail-on=all", trace, trace], ["--allow-percent=x", trace, trace]):
            self.diff(*args, check=2)


if __name__ == "__main__":
    support.main()
