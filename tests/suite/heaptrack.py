#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Figures of seep beside those of heaptrack, where heaptrack is right: heaptrack.py BUILD

Programs that do the same in every run go once under each. Compared is, for each allocating function,
how often it allocated and what it leaked; and the peak, which heaptrack samples every 10 ms. Prints
a table; fails where they differ, but for what heaptrack itself adds or leaves out."""

import collections
import glob
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# heaptrack's recorder brings the C++ runtime, which allocates this once; and it leaves out these
# leaks of libc by rules of its own.
RUNTIME_ALLOCATIONS, RUNTIME_BYTES = 1, 72704
LEFT_OUT = {"__nss_module_allocate"}


def programs(build):
    with open(os.path.join(HERE, "..", "workloads", "sqlite.sql"), encoding="utf-8") as text:
        sql = text.read().replace("@ROWS@", "30000")
    return {
        "demo": ([os.path.join(build, "samples", "demo")], None),
        "sqlite": (["sqlite3", ":memory:"], sql),
    }


def run(args, stdin=None):
    done = subprocess.run([str(a) for a in args], input=stdin or "", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, args))}: status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def by_function(lines):
    """Sums of collapsed stacks by their innermost function, where it has a name."""
    sums = collections.Counter()
    for line in lines:
        stack, value = line.rsplit(" ", 1)
        name = stack.rstrip(";").split(";")[-1].split(" (")[0]
        sums[name if not re.search(r"0x[0-9a-f]+$", name) else "(no name)"] += int(value)
    return sums


def heaptrack(folder, command, stdin):
    out = os.path.join(folder, "heaptrack")
    run(["heaptrack", "-o", out, *command], stdin)
    [data] = glob.glob(out + ".*")
    found = {}
    for kind in "allocations", "leaked":
        stacks = os.path.join(folder, kind)
        text = run(["heaptrack_print", "-f", data, "-p", "0", "-a", "0", "-T", "0", "-l", "0",
                    "-F", stacks, "--flamegraph-cost-type", kind])
        with open(stacks, encoding="utf-8", errors="replace") as lines:
            found[kind] = by_function(lines.read().splitlines())
    value, unit = re.search(r"peak heap memory consumption: ([\d.]+)([KMG]?)", text).groups()
    found["peak"] = float(value) * {"": 1, "K": 1e3, "M": 1e6, "G": 1e9}[unit] - RUNTIME_BYTES
    return found


def seep(build, folder, command, stdin):
    program, trace = os.path.join(build, "seep"), os.path.join(folder, "it.seep")
    run([program, "run", "-o", trace, "--", *command], stdin)
    found = {kind: by_function(run([program, "export", "--format=collapsed", f"--cost={cost}",
                                    trace]).splitlines())
             for kind, cost in (("allocations", "allocations"), ("leaked", "live"))}
    peak = by_function(run([program, "export", "--format=collapsed", trace]).splitlines())
    found["peak"] = sum(peak.values())
    return found


def compare(name, theirs, ours):
    bad = 0
    for kind in "allocations", "leaked":
        a, b = theirs[kind], ours[kind]
        differ = [f for f in sorted(set(a) | set(b)) if a[f] != b[f] and f not in LEFT_OUT
                  and not (kind == "allocations" and f == "(no name)"
                           and a[f] - b[f] == RUNTIME_ALLOCATIONS)]
        print(f"{name:8} {kind:12} {sum(a.values()):>12,} {sum(b.values()):>12,}  "
              f"{len(b)} functions, {'equal' if not differ else 'DIFFERENT'}")
        for function in differ:
            print(f"{'':22}{a[function]:>12,} {b[function]:>12,}  {function}")
        bad += bool(differ)
    off = abs(theirs["peak"] - ours["peak"]) / ours["peak"]
    print(f"{name:8} {'peak':12} {theirs['peak']:>12,.0f} {ours['peak']:>12,}  {100 * off:.1f} % apart")
    return bad + (off > 0.02)


def main():
    build = os.path.abspath(sys.argv[1])
    bad = 0
    print(f"{'':8} {'':12} {'heaptrack':>12} {'seep':>12}")
    for name, (command, stdin) in programs(build).items():
        with tempfile.TemporaryDirectory(prefix="seep-heaptrack-") as folder:
            bad += compare(name, heaptrack(folder, command, stdin), seep(build, folder, command, stdin))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
