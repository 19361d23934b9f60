# SPDX-License-Identifier: MIT
"""Totals of real single-threaded programs, held against valgrind's: equal to the last allocation
and the last byte.

valgrind counts a reallocation as an allocation and a free, and adds its new size; so does the
comparison. Programs copy their environment into the heap, so both runs must see one of the same
shape: the same variables with values of the same length. valgrind gets the SEEP_* variables that
the recorded program saw, and the shorter LD_PRELOAD of the two is padded with colons, which the
loader skips.
"""

import os
import unittest

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


class Oracle(support.TestCase):
    def setUp(self):
        super().setUp()
        support.need("valgrind", "valgrind")
        self.env = support.environment(SIZE="small", HOME=self.tmp, GIT_CONFIG_NOSYSTEM="1",
                                       PERL_HASH_SEED="0", PYTHONHASHSEED="0")

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

    def compare(self, command, wrap=None, **options):
        """`wrap`, a command that starts its arguments as the program, e.g. a workload's script."""
        seep_env, witness_env = self.environments()
        wrap = wrap or (lambda prefix: [*prefix, *command])
        support.run(wrap(self.seep_prefix()), check=0, env=seep_env, **options)
        info = support.Recording(self.path("out.seep")).info
        self.assertEqual(info["lost_events"], 0)
        told = {"allocations": info["allocations"] + info["reallocations"],
                "frees": info["frees"] + info["reallocations"],
                "bytes": info["allocated_bytes"]}

        witness_env["SEEP_MAIN_PID"] = str(info["process"]["pid"])
        log = self.path("valgrind.log")
        support.run(wrap([*support.VALGRIND, f"--log-file={log}", "--"]), check=0, env=witness_env,
                    **options)
        with open(log, encoding="utf-8", errors="replace") as lines:
            witness = support.heap_usage(lines.read())
        self.assertGreater(told["allocations"], 500)
        self.assertEqual(told, witness)

    def workload(self, name):
        plain = support.run([RUN, name], env=self.env)
        if plain.returncode == 77:
            self.skipTest(plain.stderr.strip())
        self.compare([], wrap=lambda prefix: [RUN, name, *prefix])

    def test_sqlite(self):
        self.workload("sqlite")

    def test_python(self):
        self.workload("python")

    def test_perl(self):
        self.workload("perl")

    def test_compiler(self):
        self.workload("compiler")

    def test_git(self):
        git = support.need("git", "git")
        make_repository(self.path("repository"))
        self.compare([git, "--no-pager", "log", "--stat"], cwd=self.path("repository"))

    def test_bash(self):
        script = ("declare -A a; for i in {1..200}; do a[k$i]=$i; s+=x$i; done; "
                  "echo ${#a[@]} ${#s} $(echo sub) | cat")
        self.compare(["/bin/bash", "-c", script])

    def test_gdb(self):
        gdb = support.need("gdb", "gdb")
        self.compare([gdb, "-batch", "-nx", "-iex", "maint set worker-threads 0",
                      "-ex", "info line main", os.path.join(support.BUILD, "samples", "leak")])


if __name__ == "__main__":
    support.main()
