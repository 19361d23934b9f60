# SPDX-License-Identifier: MIT
"""Totals of real single-threaded programs, held against valgrind's: equal to the last allocation
and the last byte, or explained to the last one: what differs because a program looks at addresses or
at the processor, is taken away by size, and nothing may remain.

valgrind counts a reallocation as an allocation and a free, and adds its new size; so does the
comparison. Programs copy their environment into the heap, so both runs must see one of the same
shape: the same variables with values of the same length. valgrind gets the SEEP_* variables that
the recorded program saw, and the shorter LD_PRELOAD of the two is padded with colons, which the
loader skips.
"""

import os
import re
import sys
import unittest
from collections import Counter

import support
from test_workloads import RUN, make_repository


def seen_environment(prefix, env):
    """The environment that a program started under `prefix` sees."""
    done = support.run([*prefix, "/usr/bin/env", "-0"], check=0, env=env)
    return dict(item.split("=", 1) for item in done.stdout.split("\0") if "=" in item)


def libc_path(length):
    """A path of that length to the libc that is loaded anyway."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        path = next(line.split()[-1] for line in maps if line.rstrip().endswith("/libc.so.6"))
    folder, name = os.path.split(path)
    missing = length - len(path)
    assert missing >= 0
    return folder + "/." * (missing // 2) + "/" * (missing % 2) + "/" + name


def weight(sizes):
    return sum(size * count for size, count in sizes.items())


def sizes_of_trace(events):
    """(made, ended): how many blocks of each size a recording made and ended, valgrind's way."""
    made, ended = Counter(), Counter()
    for event in events:
        if event["op"] in ("alloc", "realloc", "realloc-in"):
            made[event["size"]] += 1
        if event["op"] in ("realloc", "realloc-in"):
            ended[event["old_size"]] += 1
        if event["op"] == "free":
            ended[event["size"]] += 1
    return made, ended


def sizes_of_valgrind(text):
    """The same of a log with --trace-malloc=yes. Lines of forked children carry other pids."""
    made, ended, live = Counter(), Counter(), {}
    pid = re.match(r"==(\d+)==", text)[1]
    calls = re.findall(rf"^--{pid}-- (\w+)\(([^)]*)\)(?:malloc\(\d+\))?(?: = (0x\w+))?", text, re.M)
    for name, arguments, block in calls:
        first = arguments.split(",")[0]
        if name == "free" or name.startswith("_Zd") or name == "realloc":
            if first in live:
                ended[live.pop(first)] += 1
        if not block:
            continue
        numbers = [int(n) for n in re.findall(r"(?<![\dx])\d+", arguments)]
        sized = re.search(r"size (\d+)", arguments)
        size = int(sized[1]) if sized else numbers[0] * numbers[1] if name == "calloc" else numbers[-1]
        made[size] += 1
        live[block] = size
    return made, ended


# Explanations: each takes the sizes of which one side has more (positive: the recording), removes
# what it explains, and gives the rest, which must be empty.

def move(difference, fewer, more):
    """Removes as many pairs as there are of one `fewer` less and one `more` more; either way."""
    pairs = difference.get(more, 0)
    return {**difference, more: 0, fewer: difference.get(fewer, 0) + pairs}


def python_integers(difference):
    """An int that holds an address has 32 bytes above 2^30, else 28; valgrind's heap lies lower."""
    return move(difference, 28, 32)


def compiler_page_tables(difference):
    """gcc's collector keeps a table of 32768 bytes per 16 MiB of address space that it uses
    (ggc-page.c, set_page_table_entry), and the layouts differ."""
    return {**difference, 32768: 0}


def gdb_and_its_libraries(difference):
    """gdb allocates signal stacks of the size the processor asks for, and valgrind shows a smaller
    processor; a new thread's vector of thread-local storage has 16 bytes per module, and the recorder
    is one module more. GLib asks whether it runs on valgrind (gvalgrind.h) and then gives its hash
    tables of 8 and 16 entries wide keys: the few tables that gdb's libraries make at their start."""
    for size in (32, 64, 128, 256):
        if abs(difference.get(size, 0)) < 8:
            difference = {**difference, size: 0}
    signal_stack = os.sysconf(_SC_SIGSTKSZ)
    difference = move(difference, 8192, signal_stack)
    for size in sorted(difference):
        if difference.get(size, 0) < 0 and difference.get(size + 16, 0) == -difference[size]:
            difference = move(difference, size, size + 16)
    return difference


_SC_SIGSTKSZ = 250  # bits/confname.h; Python has no name for it


class Oracle(support.TestCase):
    def setUp(self):
        super().setUp()
        support.need("valgrind", "valgrind")
        self.env = support.environment(SIZE="small", HOME=self.tmp, GIT_CONFIG_NOSYSTEM="1",
                                       PERL_HASH_SEED="0", PYTHONHASHSEED="0",
                                       # GLib does so by itself, but only under valgrind
                                       G_SLICE="always-malloc")

    def seep_prefix(self):
        return [support.SEEP, "run", "-f", "-o", self.path("out.seep"), "--"]

    def environments(self):
        """(for seep, for valgrind): environments that become the same in shape once both tools have
        added what they add."""
        prefix = [*support.VALGRIND, f"--log-file={self.path('log')}", "--"]
        recorded = seen_environment(self.seep_prefix(), self.env)
        witnessed = seen_environment(prefix, self.env)
        seep_env = {**self.env, **{k: v for k, v in witnessed.items() if k not in recorded}}
        witness_env = {**self.env, **{k: v for k, v in recorded.items() if k not in witnessed}}
        difference = len(witnessed["LD_PRELOAD"]) - len(recorded["LD_PRELOAD"])
        seep_env["LD_PRELOAD"] = libc_path(40 + max(difference, 0))
        witness_env["LD_PRELOAD"] = libc_path(40 + max(-difference, 0))
        recorded = seen_environment(self.seep_prefix(), seep_env)
        witnessed = seen_environment(prefix, witness_env)
        witnessed["SEEP_MAIN_PID"] = recorded["SEEP_MAIN_PID"]  # compare() takes care of it
        self.assertEqual({k: len(v) for k, v in recorded.items()},
                         {k: len(v) for k, v in witnessed.items()})
        return seep_env, witness_env

    def compare(self, command, wrap=None, explained=None, witnesses=1, own=None, **options):
        """`wrap` starts its arguments with the program behind, e.g. a workload's script. `explained`
        takes the size differences that the program's own behaviour makes, see above. A program that
        races with itself is to agree with one of several `witnesses`. `own` tells of what a run
        printed how many bytes it needed that another run may not."""
        seep_env, witness_env = self.environments()
        wrap = wrap or (lambda prefix: [*prefix, *command])
        done = support.run(wrap(self.seep_prefix()), check=0, env=seep_env, **options)
        recording = support.Recording(self.path("out.seep"))
        info = recording.info
        self.assertEqual(info["lost_events"], 0)
        told = {"allocations": info["allocations"] + info["reallocations"],
                "frees": info["frees"] + info["reallocations"],
                "bytes": info["allocated_bytes"] - (own(done.stdout) if own else 0)}
        self.assertGreater(told["allocations"], 500)

        witness_env["SEEP_MAIN_PID"] = str(info["process"]["pid"])
        for _ in range(witnesses - 1):
            try:
                self.agree(recording, told, wrap, explained, own, witness_env, options)
                return
            except AssertionError as difference:
                print(f"(another witness: {str(difference).splitlines()[0]})", file=sys.stderr)
        self.agree(recording, told, wrap, explained, own, witness_env, options)

    def agree(self, recording, told, wrap, explained, own, witness_env, options):
        """Fails where valgrind counts otherwise."""
        log = self.path("valgrind.log")
        trace = ["--trace-malloc=yes"] if explained else []
        done = support.run(wrap([*support.VALGRIND, *trace, f"--log-file={log}", "--"]), check=0,
                           env=witness_env, **options)
        with open(log, encoding="utf-8", errors="replace") as lines:
            text = lines.read()
        witness = support.heap_usage(text)
        if own:
            witness["bytes"] -= own(done.stdout)
        if explained is None:
            self.assertEqual(told, witness)
            return

        made, ended = sizes_of_trace(recording.dump())
        witness_made, witness_ended = sizes_of_valgrind(text)
        # what is explained by size is the same as the totals
        self.assertEqual((made.total(), ended.total(), weight(made)), tuple(told.values()))
        self.assertEqual((witness_made.total(), witness_ended.total(), weight(witness_made)),
                         tuple(witness.values()))
        for ours, theirs in ((made, witness_made), (ended, witness_ended)):
            ours.subtract(theirs)
            difference = explained({size: n for size, n in ours.items() if n})
            self.assertEqual({size: n for size, n in difference.items() if n}, {})

    def workload(self, name, explained=None):
        plain = support.run([RUN, name], env=self.env)
        if plain.returncode == 77:
            self.skipTest(plain.stderr.strip())
        self.compare([], wrap=lambda prefix: [RUN, name, *prefix],
                     explained=explained)

    def test_sqlite(self):
        self.workload("sqlite")

    def test_python(self):
        self.workload("python", explained=python_integers)

    def test_perl(self):
        self.workload("perl")

    def test_compiler(self):
        self.workload("compiler", explained=compiler_page_tables)

    def test_git(self):
        git = support.need("git", "git")
        make_repository(self.path("repository"))
        self.compare([git, "--no-pager", "log", "--stat"], cwd=self.path("repository"))

    def test_bash(self):
        # bash keeps its parent's pid as text: of 4 digits in one run, maybe, of 5 in the other
        script = ("declare -A a; for i in {1..200}; do a[k$i]=$i; s+=x$i; done; "
                  "echo ${#a[@]} ${#s} $(echo sub) ${#PPID} | cat")
        self.compare(["/bin/bash", "-c", script], own=lambda said: int(said.split()[-1]))

    def test_gdb(self):
        gdb = support.need("gdb", "gdb")
        self.compare([gdb, "-batch", "-nx", "-iex", "maint set worker-threads 0",
                      "-ex", "info line main", os.path.join(support.BUILD, "samples", "leak")],
                     explained=gdb_and_its_libraries,
                     # How far the threads come that gdb leaves running when it exits, and what they
                     # free, differs from run to run, under valgrind alone too.
                     witnesses=5)


if __name__ == "__main__":
    support.main()
