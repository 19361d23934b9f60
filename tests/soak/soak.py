#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""soak BUILD MINUTES [SEED]: records soak.cpp again and again, in every way, and holds each recording
against the log of the program. A failure names the seed: with it the same calls are made again, though
the threads may meet otherwise. Ends with status 1 at the first difference."""

import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import check

HERE = os.path.dirname(os.path.realpath(__file__))

# Who serves malloc, what the program is told (see soak.cpp), the largest tail, and how large a spool
# may grow: a small one is packed from its first moment on.
WAYS = [("glibc", "-", "256k", "256M"), ("allocator", "s", "16k", "1M"), ("glibc", "k", "16k", "1M"),
        ("allocator", "sk", "256k", "256M"), ("allocator", "s", "256k", "256M"),
        ("glibc", "-", "16k", "256k"), ("slow", "-", "256k", "1M")]


class Soak:
    """The built programs, in `folder`, and the recorder that is tested."""

    def __init__(self, folder, seep, environment):
        self.folder = folder
        self.seep = seep
        self.environment = environment
        flags = ["-O1", "-g", "-fno-builtin", "-pthread"]
        for source, name, more in (("soak.cpp", "soak", []),
                                   ("library.c", "library.so", ["-shared", "-fPIC"]),
                                   ("allocator.c", "allocator.so", ["-shared", "-fPIC"]),
                                   ("allocator.c", "slow.so", ["-shared", "-fPIC", "-DSLOW"])):
            compiler = "g++" if source.endswith(".cpp") else "gcc"
            subprocess.run([compiler, *flags, *more, os.path.join(HERE, source), "-o",
                            self.path(name), "-ldl"], check=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, seed, calls, way, timeout=120, orphan=False):
        """One recording; returns how many events were as logged, or raises check.Wrong. `orphan`:
        `seep run` is killed on the way."""
        allocator, how, tail_max, spool = way
        traces = self.path("traces")
        shutil.rmtree(traces, ignore_errors=True)
        os.mkdir(traces)
        env = dict(self.environment, SEEP_TAIL_MAX=tail_max)
        if allocator != "glibc":
            env["LD_PRELOAD"] = self.path(allocator + ".so")
        main = os.path.join(traces, "main.seep")
        killed = "k" in how
        command = [self.seep, "run", "--spool-size", spool, "-o", main, "--", self.path("soak"),
                   self.path("log"), self.path("library.so"), str(seed), str(calls), how]
        if not orphan:
            done = subprocess.run(command, env=env, check=False, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=timeout)
            if done.returncode != (-9 if killed else 0):
                raise check.Wrong(f"exit status {done.returncode}\n{done.stdout}")
        else:
            self.run_orphaned(command, env, traces, timeout)
        processes = check.read_log(self.path("log"))
        passed = 0
        for name in sorted(os.listdir(traces)):
            # main.PID.IMAGE.soak.seep of a child
            pid = int(name.split(".")[1]) if name.count(".") == 4 else next(iter(processes))
            if pid not in processes:
                raise check.Wrong(f"{name} is the trace of no process")
        for pid, threads in processes.items():
            trace = main if pid == next(iter(processes)) else None
            for name in os.listdir(traces):
                if name.startswith(f"main.{pid}."):
                    trace = os.path.join(traces, name)
            if trace is None:
                raise check.Wrong(f"no trace of process {pid}")
            passed += check.check(self.seep, trace, threads, killed)
        return passed


    def run_orphaned(self, command, env, traces, timeout):
        """Kills `seep run` once it has given rows back, and packs what the program leaves."""
        deadline = time.monotonic() + timeout
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not glob.glob(os.path.join(traces, "*", "packed")):
                time.sleep(0.01)
            process.kill()
        while spools := glob.glob(os.path.join(traces, "*.spool")):
            subprocess.run([self.seep, "pack", "-f", *spools], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False, timeout=timeout)
            if time.monotonic() > deadline:
                raise check.Wrong(f"{spools} cannot be packed")


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    build, until = os.path.realpath(sys.argv[1]), time.monotonic() + 60 * float(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) == 4 else random.randrange(1 << 30)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SEEP_", "LD_"))}
    total = 0
    with tempfile.TemporaryDirectory(prefix="seep-soak-") as folder:
        soak = Soak(folder, os.path.join(build, "seep"), env)
        while time.monotonic() < until:
            way = WAYS[seed % len(WAYS)]
            try:
                passed = soak.run(seed, 30000, way)
            except (check.Wrong, subprocess.SubprocessError) as wrong:
                kept = tempfile.mkdtemp(prefix="seep-soak-failed-")
                shutil.copytree(folder, kept, dirs_exist_ok=True)
                sys.exit(f"seed {seed} {' '.join(way)}: {wrong}\nkept in {kept}")
            total += passed
            print(f"seed {seed} {' '.join(way)}: {passed:,} events as they happened", flush=True)
            seed += 1
    print(f"{total:,} events, none wrong")


if __name__ == "__main__":
    main()
