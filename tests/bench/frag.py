#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How far seep frag's rows are from the truth, and how much it leaves unexplained.

First a program of twelve threads that says at twenty instants, while all of them stand, what its
memory is made of (tests/e2e/programs/frag_truth.c): for each row the largest difference, in percent of
RSS. Then the same of real programs, by a library that keeps books of their blocks and stops them at
instants evenly spaced over their calls (frag_witness.c); what it takes itself is left out of RSS. And
what is left unexplained of the pictures that seep run took while they ran undisturbed. Then what it says
would be saved without some blocks, or by a pool, beside programs that do so. Last, what it takes to read a
large recording. Nothing here passes or fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import allocators  # noqa: E402

WORKLOAD = os.path.join(ROOT, "tests", "workloads", "run")
WORKLOADS = ("sqlite", "python", "perl", "compiler", "redis")
SMALL_BYTES = 8 << 20  # of smaller processes a page is too much of a percent


class Bench:
    def __init__(self, build, tmp):
        self.seep = os.path.join(build, "seep")
        self.tmp = tmp
        self.trace = os.path.join(tmp, "made.seep")

    def preload(self, name):
        """What stands before seep run, which passes the variable on with its own recorder in it."""
        return [] if name == "glibc" else ["env", f"LD_PRELOAD={allocators.allocator(name)}"]

    def instants(self):
        out = subprocess.run([self.seep, "frag", "--format=json", "--top=1", self.trace],
                             capture_output=True, text=True, check=True).stdout
        return json.loads(out)["result"]["instants"]

    def marks(self):
        out = subprocess.run([self.seep, "info", "--format=json", self.trace],
                             capture_output=True, text=True, check=True).stdout
        return json.loads(out)["result"]["marks"]

    def allocator(self):
        out = subprocess.run([self.seep, "frag", "--format=json", "--top=1", self.trace],
                             capture_output=True, text=True, check=True).stdout
        return json.loads(out)["result"]["allocator"]

    def run(self, before, command):
        return subprocess.run([*before, self.seep, "run", "-f", "-o", self.trace, "--", *command],
                              capture_output=True, text=True, check=True).stdout


def differences(told, found, name):
    """By row, in percent of RSS."""
    metadata = {"glibc": 8 * told["blocks"], "jemalloc": told["jemalloc"]["own"] or None,
                "tcmalloc": told["tcmalloc"]["metadata"]}.get(name)
    headers = found["metadata_bytes"] - found["mapped_metadata_bytes"]
    pairs = {"rss": (found["rss_bytes"], told["rss"]),
             "requested": (found["requested_bytes"], told["held"]),
             "slack": (found["slack_bytes"], told["slack"]),
             "untouched": (found["untouched_bytes"], told["untouched"]),
             "holes": (found["hole_bytes"] + headers, told["holes"]),
             "metadata": (found["metadata_bytes"], metadata),
             "unexplained": (found["unexplained_bytes"], 0)}
    return {row: None if truth is None else 100 * abs(value - truth) / told["rss"]
            for row, (value, truth) in pairs.items()}


def print_rows(bench, threads, instants, blocks):
    program = os.path.join(bench.tmp, "frag_truth")
    subprocess.run(["gcc", "-O1", "-g", "-pthread", "-I", os.path.join(ROOT, "include"),
                    os.path.join(ROOT, "tests", "e2e", "programs", "frag_truth.c"), "-o", program],
                   check=True)
    print(f"largest difference of {instants} instants, {threads} threads, % of RSS")
    header = None
    for name in ("glibc", *allocators.ALLOCATORS):
        out = bench.run(bench.preload(name), [program, str(threads), str(instants), str(blocks)])
        found = bench.instants()
        worst = {}
        for line in out.splitlines():
            told = json.loads(line)
            same = min(found, key=lambda i, t=told: abs(i["live_bytes"] - t["requested"]) +
                       abs(i["rss_bytes"] - t["rss"]))
            for row, value in differences(told, same, name).items():
                worst[row] = None if value is None else max(worst.get(row, 0), value)
        if not header:
            header = f"{'':10}" + "".join(f"{row:>13}" for row in worst)
            print(header)
        print(f"{name:10}" + "".join(f"{'-' if v is None else format(v, '.2f'):>13}"
                                     for v in worst.values()), flush=True)


def witnessed(bench, witness, workload, name, every, instants):
    """What the witness told, an object for each instant, and how many calls there were; or None."""
    told = os.path.join(bench.tmp, "witness")
    libraries = [witness] + ([] if name == "glibc" else [allocators.allocator(name)])
    env = {**os.environ, "WITNESS_OUT": told, "WITNESS_EVERY": str(every),
           "WITNESS_INSTANTS": str(instants)}
    command = [WORKLOAD, workload, "env", f"LD_PRELOAD={':'.join(libraries)}", bench.seep, "run",
               "-f", "-o", bench.trace, "--"]
    if subprocess.run(command, capture_output=True, check=False, env=env).returncode:
        return None
    with open(told, encoding="utf-8") as lines:
        *objects, end = [json.loads(line) for line in lines]
    return [{**own, **rest} for own, rest in zip(objects[::2], objects[1::2])], end["calls"]


def instants_of(bench):
    """Of each mark of the witness, the picture that follows it; None: it was left out."""
    times = [m["time_ns"] for m in bench.marks() if m["name"] == "witness"]
    found = bench.instants()
    for time, end in zip(times, [*times[1:], float("inf")]):
        yield next((i for i in found if time <= i["time_ns"] < end), None)


def witnessed_differences(told, found, name):
    """By row, in percent of RSS less what the witness has of it."""
    rss = told["rss"] - told["own"]
    rows = {row: None if value is None else value * told["rss"] / rss
            for row, value in differences(told, found, name).items()}
    if rows["metadata"] is not None and name != "glibc":  # their figures leave their library out
        own = found["metadata_bytes"] - told["library"]
        truth = told["jemalloc"]["own"] if name == "jemalloc" else told[name]["metadata"]
        rows["metadata"] = 100 * abs(own - truth) / rss
    # glibc's has headers too; all have blocks that their caches keep
    used = {"glibc": told["glibc"]["used"] + told["glibc"]["mapped"],
            "jemalloc": told["jemalloc"]["allocated"],
            "tcmalloc": told["tcmalloc"]["allocated"]}.get(name)
    outside = (found["non_heap_bytes"] + found["recorder_bytes"] + found["mapped_metadata_bytes"]
               - told["own"])
    rows["free"] = 100 * abs(found["free_resident_bytes"] - told["free"]) / rss
    rows["the rest"] = 100 * abs(outside - (rss - told["heap"])) / rss
    mine = found["requested_bytes"] + found["slack_bytes"] + found["untouched_bytes"]
    if name == "glibc":
        mine += found["metadata_bytes"] - found["mapped_metadata_bytes"]
    rows["in use"] = None if used is None else 100 * abs(mine - used) / rss
    return rows


def print_witnessed(bench, names, instants):
    witness = os.path.join(bench.tmp, "frag_witness.so")
    subprocess.run(["gcc", "-O1", "-g", "-fPIC", "-shared", "-fno-builtin", "-pthread",
                    "-I", os.path.join(ROOT, "include"),
                    os.path.join(ROOT, "tests", "bench", "frag_witness.c"), "-o", witness], check=True)
    print(f"\nlargest difference of {instants} instants, real programs, % of RSS at that instant")
    print("metadata: of jemalloc to resident pages of its mappings in none of its extents, of tcmalloc to its "
          "figure,\nwhich has what was never touched; the rest: what is no heap, seep, and the allocator's "
          "own; in use: to the\nallocator's figure, which has its caches")
    header = None
    for workload in names:
        seen = set()
        for name in ("glibc", *allocators.ALLOCATORS):
            first = witnessed(bench, witness, workload, name, 0, 0)
            if not first:
                print(f"{workload:12}{name:10} did not run")
                continue
            really = bench.allocator()  # redis brings its own, whatever stands before it
            if really in seen:
                continue
            seen.add(really)
            every = int(first[1] * 0.99) // instants  # the last one near the end: redis deletes there
            told = witnessed(bench, witness, workload, name, every, instants)[0]
            worst, most, count = {}, 0, 0
            for truth, found in zip(told, instants_of(bench)):
                if not found:
                    continue
                count += 1
                most = max(most, truth["rss"] - truth["own"])
                for row, value in witnessed_differences(truth, found, really).items():
                    worst[row] = None if value is None else max(worst.get(row, 0), value)
            if not header:
                header = f"{'':22}{'instants':>9}{'MiB':>6}" + "".join(f"{r:>12}" for r in worst)
                print(header)
            print(f"{workload:12}{really:10}{count:9}{most / (1 << 20):6.0f}"
                  + "".join(f"{'-' if v is None else format(v, '.2f'):>12}" for v in worst.values()),
                  flush=True)


def print_programs(bench, names):
    print("\nunexplained of pictures taken while the program ran, % of RSS")
    print(f"{'':22}{'pictures':>9}{'RSS, MiB':>10}{'median':>9}{'most':>9}")
    for workload in names:
        for name in ("glibc", *allocators.ALLOCATORS):
            command = [WORKLOAD, workload, *bench.preload(name), bench.seep, "run", "-f", "-o",
                       bench.trace, "--"]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                print(f"{workload:12}{name:10} did not run")
                continue
            seen = [i for i in bench.instants() if i["rss_bytes"] >= SMALL_BYTES]
            left = sorted(100 * abs(i["unexplained_bytes"]) / i["rss_bytes"] for i in seen)
            if left:
                most = max(i["rss_bytes"] for i in seen) / (1 << 20)
                print(f"{workload:12}{name:10}{len(left):9}{most:10.0f}{left[len(left) // 2]:9.2f}"
                      f"{left[-1]:9.2f}", flush=True)


def print_saved(bench):
    program = os.path.join(bench.tmp, "frag_planted")
    subprocess.run(["gcc", "-O1", "-g", "-pthread", "-I", os.path.join(ROOT, "include"),
                    os.path.join(ROOT, "tests", "e2e", "programs", "frag_planted.c"), "-o", program],
                   check=True)
    print("\nless RSS without the planted blocks, and with a pool for them: a program that leaves them out, or "
          "has\none, beside what seep frag says of it as it is, MiB, and how far off that is, % of RSS")
    print(f"{'':32}{'really':>9}{'replayed':>10}{'by pages':>10}{'off, %':>8}")
    for name in ("glibc", *allocators.ALLOCATORS):
        for kind in ("pins", "checkerboard", "trough", "arena", "realloc", "misfit"):
            rss = {}
            for how in ("plain", "without", "pool"):
                out = subprocess.run([*bench.preload(name), program, kind, how], check=True,
                                     capture_output=True, text=True).stdout
                rss[how] = json.loads(out)["rss"] / (1 << 20)
            bench.run(bench.preload(name), [program, kind])
            site = "^planted_again$" if kind == "realloc" else "^planted$"
            for how in ("without", "pool"):
                out = subprocess.run([bench.seep, "frag", "--format=json", "--at=look",
                                      f"--{how}={site}", bench.trace],
                                     capture_output=True, text=True, check=True).stdout
                told = json.loads(out)["result"]["what_if"]
                truth, pages = rss["plain"] - rss[how], told["saved_bytes"] / (1 << 20)
                replayed = told["replay"]["saved_bytes"] / (1 << 20)
                print(f"{name:10}{kind:14}{how:8}{truth:9.2f}{replayed:10.2f}{pages:10.2f}"
                      f"{100 * (replayed - truth) / rss['plain']:8.1f}", flush=True)


def print_cost(bench):
    program = os.path.join(bench.tmp, "frag_many")
    subprocess.run(["gcc", "-O1", "-g", "-I", os.path.join(ROOT, "include"),
                    os.path.join(ROOT, "tests", "bench", "frag_many.c"), "-o", program], check=True)
    bench.run([], [program])
    times = []
    for _ in range(3):
        with subprocess.Popen([bench.seep, "frag", "--format=json", bench.trace],
                              stdout=subprocess.DEVNULL) as child:
            usage = os.wait4(child.pid, 0)[2]
            child.returncode = 0
        times.append((usage.ru_utime + usage.ru_stime, usage.ru_maxrss))
    seconds, most = min(times)
    print(f"\nseep frag over 5,000,000 events, 1,000,000 blocks live, {len(bench.instants())} instants: "
          f"{seconds:.2f} s of CPU (the least of three), {most / 1024:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("workloads", nargs="*", default=WORKLOADS)
    parser.add_argument("--threads", type=int, default=12)
    parser.add_argument("--instants", type=int, default=20)
    parser.add_argument("--blocks", type=int, default=20000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seep-frag-") as tmp:
        bench = Bench(args.build, tmp)
        print_rows(bench, args.threads, args.instants, args.blocks)
        print_witnessed(bench, args.workloads, args.instants)
        print_programs(bench, args.workloads)
        print_saved(bench)
        print_cost(bench)


if __name__ == "__main__":
    main()
