#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long hooks keep a program waiting while the disk is busy.

The compiler and redis run in turn under a recorder that measures each of its hooks, the real function
not counted (preload/hook_time.c), and spools to a disk that something else writes to and syncs all the
time. Hooks in which the kernel took the processor away from the thread are told apart: they say
something of the machine, not of the recorder. Nothing here passes or fails.
"""

import argparse
import os
import struct
import subprocess
import tempfile
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
WORKLOAD = os.path.join(ROOT, "tests", "workloads", "run")
COUNTERS = 64 * 8  # as in preload/hook_time.c
RECORD = struct.Struct(f"={7 + COUNTERS}Q")
WRITTEN_AT_ONCE = 8 << 20


def lower_ticks(counter):
    """The least that a counter counts."""
    if counter < 8:
        return counter
    return (8 + counter % 8) << (counter // 8 - 1)


def keep_disk_busy(folder, ended, written):
    """Writes a file over and over, and waits for the disk each time."""
    data = os.urandom(WRITTEN_AT_ONCE)
    with open(os.path.join(folder, "busy"), "wb", buffering=0) as file:
        while not ended.is_set():
            file.seek(0)
            file.write(data)
            os.fsync(file.fileno())
            written.append(len(data))


class Times:
    """The sum of what processes measured."""

    def __init__(self, path):
        self.counts = [0.0] * COUNTERS
        self.ns_per_tick = 0.0
        self.longest = self.longest_preempted = self.longest_waited = 0
        self.preempted = self.waited = 0
        with open(path, "rb") as file:
            for record in RECORD.iter_unpack(file.read()):
                ns, ticks, longest, preempted, waited, preemptions, waits = record[:7]
                self.ns_per_tick = ns / ticks
                self.longest = max(self.longest, longest)
                self.longest_preempted = max(self.longest_preempted, preempted)
                self.longest_waited = max(self.longest_waited, waited)
                self.preempted += preemptions
                self.waited += waits
                self.counts = [a + b for a, b in zip(self.counts, record[7:])]

    def quantile_us(self, share):
        left = sum(self.counts) * share
        for counter, count in enumerate(self.counts):
            left -= count
            if left <= 0:
                return self.us(lower_ticks(counter + 1))
        return 0.0

    def above(self, us):
        return int(sum(count for counter, count in enumerate(self.counts)
                       if self.us(lower_ticks(counter)) >= us))

    def us(self, ticks):
        return ticks * self.ns_per_tick / 1000


def show(name, times):
    print(f"{name}: {int(sum(times.counts)):,} hooks; P50 {times.quantile_us(0.5):.2f} us, "
          f"P99 {times.quantile_us(0.99):.2f}, P99.9 {times.quantile_us(0.999):.2f}, "
          f"P99.99 {times.quantile_us(0.9999):.2f}, longest {times.us(times.longest):.0f} us; "
          f"of 100 us or more {times.above(100)}, of 2 ms or more {times.above(2000)}")
    print(f"  besides, the processor was taken away in {times.preempted}, "
          f"the longest of {times.us(times.longest_preempted):.0f} us; "
          f"hooks that gave it up: {times.waited}, the longest of "
          f"{times.us(times.longest_waited):.0f} us")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench pause", description=__doc__)
    parser.add_argument("build")
    parser.add_argument("minutes", nargs="?", type=float, default=5)
    arguments = parser.parse_args()
    build = os.path.realpath(arguments.build)
    subprocess.run(["ninja", "-C", build, "--quiet", "tests/bench/libseep-timed.so"], check=True)
    library = os.path.join(build, "tests", "bench", "libseep-timed.so")
    # where the disk is: a temporary directory may be memory
    with tempfile.TemporaryDirectory(prefix="pause-", dir=build) as folder:
        ended, written = threading.Event(), []
        writer = threading.Thread(target=keep_disk_busy, args=(folder, ended, written))
        writer.start()
        start = time.monotonic()
        runs = {"compiler": 0, "redis": 0}
        try:
            while time.monotonic() - start < arguments.minutes * 60:
                for name in runs:
                    spool = os.path.join(folder, "out")
                    done = subprocess.run(
                        [WORKLOAD, name, "env", f"LD_PRELOAD={library}", f"SEEP_OUT={spool}.seep",
                         "SEEP_HOOK_TIMES=" + os.path.join(folder, name)],
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
                    if done.returncode:
                        raise SystemExit(f"{name}: {done.stdout[-3000:]}")
                    runs[name] += 1
                    subprocess.run(["rm", "-rf", f"{spool}.spool"], check=True)
        finally:
            ended.set()
            writer.join()
        took = time.monotonic() - start
        print(f"{took / 60:.1f} minutes, {runs['compiler']} and {runs['redis']} runs, while "
              f"{sum(written) / took / (1 << 20):.0f} MiB/s were written and synced "
              f"{len(written) / took:.0f} times a second")
        for name in runs:
            show(name, Times(os.path.join(folder, name)))


if __name__ == "__main__":
    main()
