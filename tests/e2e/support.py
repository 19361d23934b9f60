# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: where the built programs are, recording, and reading reports.

meson passes the build directory in SEEP_BUILD; by hand: SEEP_BUILD=build python3 tests/e2e/test_x.py
"""

import collections
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.path.realpath(os.environ.get("SEEP_BUILD", os.path.join(ROOT, "build")))
SEEP = os.path.join(BUILD, "seep")
LIBSEEP = os.path.join(BUILD, "libseep.so")
TRACE_MAKER = os.path.join(BUILD, "tests", "e2e", "trace_maker")
INCLUDE = os.path.join(ROOT, "include")
SAMPLES = os.path.join(ROOT, "samples")
WORKLOADS = os.path.join(ROOT, "tests", "workloads")

VALGRIND = ["valgrind", "--leak-check=no", "--run-libc-freeres=no", "--run-cxx-freeres=no",
            "--child-silent-after-fork=yes"]

# Options of `seep leaks` that show every site with its whole stack.
EVERYTHING = ("--top=all", "--depth=all", "--show-builtin")

TIMEOUT = 500  # seconds; below meson's, so that a hang is reported with its command

# A socket's name has room for 107 bytes, and messages that tests read are wrapped at 100 columns.
if len(tempfile.gettempdir()) > 40:
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"

# Of what tests draw by lot: the same every day. Others look elsewhere.
SEED = int(os.environ.get("SEEP_TEST_SEED", "1"))


def run(args, check=None, **options):
    """Runs a command and captures its output as text. With `check`, any other exit status fails."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("env", environment())
    if "input" in options:
        del options["stdin"]
    options.setdefault("timeout", TIMEOUT)
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", check=False, **options)
    if check is not None and done.returncode != check:
        raise AssertionError(f"{' '.join(map(str, args))}: exit status {done.returncode}, "
                             f"not {check}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done


def environment(**changes):
    """The environment without anything that steers the recorder, malloc, git (within a hook) or how
    wide and in which language programs write, plus `changes`."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("SEEP_", "MALLOC_", "GLIBC_TUNABLES", "LD_", "GIT_", "LC_"))
           and k not in ("COLUMNS", "LINES", "LANGUAGE", "BASH_ENV", "ENV")}
    env["LC_ALL"] = "C.UTF-8"
    # A run that finds a script compiled allocates otherwise than the one that compiled it; gdb keeps
    # its own so.
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env.update(changes)
    return env


def need(program, package):
    """Path of a program that ./dev test installs; skips the test where it cannot be had."""
    path = shutil.which(program)
    if path is None:
        raise unittest.SkipTest(f"needs {program} (Debian package {package})")
    return path


def scene(program):
    """A script for make_trace: main calls a and b of `program`, named NAME+0x2000 and NAME+0x3000.
    a has 600 bytes at the peak, b 300; b's are freed, then a makes 100 more."""
    return rf"""
fact 4 /srv/bin/{program}
module 0x400000 0x410000 /srv/bin/{program}
root 1
node 2 1 0x401000
node 3 2 0x402000
node 4 2 0x403000
alloc x 1000000 1 3 0x10000 600 616 malloc
alloc y 2000000 1 4 0x10400 300 312 malloc
free y 3000000 1
alloc z 4000000 1 3 0x10400 100 104 malloc
"""


class TestCase(unittest.TestCase):
    """A test with a directory of its own, self.tmp, removed at the end."""

    maxDiff = None
    seep_path = SEEP  # what is tested
    libseep_path = LIBSEEP
    timeout = TIMEOUT

    def setUp(self):
        self.tmp = tempfile.mkdtemp(prefix="seep-test-")
        self.addCleanup(shutil.rmtree, self.tmp, ignore_errors=True)
        self.trace_scripts = {}  # by path: the script that a trace was made of

    def path(self, name):
        return os.path.join(self.tmp, name)

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def build(self, source, name=None, flags=("-O1", "-g")):
        """Compiles a C or C++ file (a path, or a file name in samples/) into self.tmp.

        -fno-builtin keeps the compiler from removing pairs of malloc and free."""
        if not os.path.isabs(source):
            source = os.path.join(SAMPLES, source)
        name = name or os.path.splitext(os.path.basename(source))[0]
        compiler = "g++" if source.endswith(".cpp") else "gcc"
        done = run([compiler, "-Wall", "-fno-builtin", "-pthread", "-I", INCLUDE, *flags, source,
                    "-o", self.path(name), "-ldl"])
        if done.returncode != 0:  # no failure of what is tested
            raise RuntimeError(f"{source}: {done.stderr}")
        return self.path(name)

    def make_trace(self, script, name="made.seep"):
        """A trace of what a script tells (see trace_maker.c); its path."""
        path = self.path(name)
        if self.trace_scripts.get(path) != script:
            if os.path.exists(path):
                os.remove(path)
            run([TRACE_MAKER, path], check=0, input=script)
            self.trace_scripts[path] = script
        return path

    def record(self, args, trace="out.seep", options=(), check=0, **more):
        """Runs `args` under `seep run`; returns a Recording. A negative status means a signal."""
        path = self.path(trace)
        more.setdefault("timeout", self.timeout)
        done = run([self.seep_path, "run", "-f", "-o", path, *options, "--", *args], **more)
        if check is not None:
            self.assertEqual(done.returncode, check,
                             f"{args} under seep run\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return Recording(path, done)

    def preload(self, args, stem="out", check=0, **more):
        """Runs `args` with the recorder preloaded and no parent; returns a Recording of its spool."""
        env = dict(more.pop("env", None) or environment(), SEEP_OUT=self.path(stem + ".seep"))
        env["LD_PRELOAD"] = ":".join(filter(None, [self.libseep_path, env.get("LD_PRELOAD")]))
        more.setdefault("timeout", self.timeout)
        done = run(args, check=check, env=env, **more)
        return Recording(self.path(stem + ".spool"), done)


class Recording:
    """A trace and, where `done` is given, how its program ended."""

    def __init__(self, trace, done=None):
        self.trace = trace
        if done:
            self.status = done.returncode
            self.stdout = done.stdout
            self.stderr = done.stderr
        self._info = None

    @property
    def info(self):
        """The result of `seep info`, as a dict."""
        if self._info is None:
            self._info = report("info", self.trace)["result"]
        return self._info

    def leaks(self, *options):
        """The result of `seep leaks`, as a dict."""
        return report("leaks", self.trace, *options)["result"]

    def sites(self, *options):
        """Every call site of `seep leaks`, a Site each; nothing is hidden or left out."""
        return [Site(s) for s in self.leaks(*EVERYTHING, *options)["sites"]]

    def dump(self):
        """Every event of the trace, a dict each."""
        lines = run([SEEP, "dump", "--format=json", self.trace],
                    check=0).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def calls(self):
        """Counts of events by ("alloc", "free" or "realloc", name of the call, requested size)."""
        dump = subprocess.Popen([SEEP, "dump", "--format=json", self.trace], text=True,
                                stdout=subprocess.PIPE, env=environment())
        found = collections.Counter(
            (operation, call, int(size)) for operation, size, call in re.findall(
                r'"op":"(alloc|free|realloc)".*?"size":(\d+).*?"call":"([^"]+)"',
                dump.stdout.read()))
        dump.stdout.close()
        if dump.wait() != 0:
            raise AssertionError(f"seep dump {self.trace} failed")
        return found

    def blocks(self):
        """Counts of blocks made, and of blocks freed, by requested size."""
        made, ended = collections.Counter(), collections.Counter()
        for (operation, _, size), count in self.calls().items():
            if operation != "realloc":
                (made if operation == "alloc" else ended)[size] += count
        return made, ended

    def children(self):
        """Traces of the other processes of the same run."""
        stem = self.trace[:-len(".seep")]
        return sorted(set(glob.glob(glob.escape(stem) + ".*.seep")) - {self.trace})


class Site:
    """A call site of `seep leaks`: blocks live at the end with one stack, youngest frame first."""

    def __init__(self, told):
        self.blocks = told["blocks"]
        self.bytes = told["bytes"]
        self.frames = told["frames"]
        while self.frames and self.frames[0]["function"].startswith("operator new"):
            self.frames = self.frames[1:]
        # without the return type that templates carry, and without parameters
        self.functions = [re.sub(r"\(.*$", "", f["function"]).split(" ")[-1] for f in self.frames]

    def starts_with(self, functions):
        return self.functions[:len(functions)] == functions

    def __str__(self):
        return f"{self.blocks} blocks, {self.bytes} bytes: {' < '.join(self.functions[:12])}"


def report(command, trace, *options):
    """The whole JSON document of an analysis."""
    done = run([SEEP, command, "--format=json", *options, trace], check=0)
    return json.loads(done.stdout)


def heap_usage(text):
    """What valgrind counts ("total heap usage" in its log): dict of allocations, frees, bytes."""
    found = re.search(r"total heap usage: ([\d,]+) allocs, ([\d,]+) frees, ([\d,]+) bytes", text)
    if not found:
        raise AssertionError("valgrind reported no heap usage:\n" + text[-4000:])
    allocations, frees, total = (int(n.replace(",", "")) for n in found.groups())
    return {"allocations": allocations, "frees": frees, "bytes": total}


def main():
    """Entry point of every test file; the closing lines are what tests/summary.py counts."""
    # What a program under test inherits is to be the same under nohup, in the background, anywhere.
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not os.path.exists(SEEP):
        sys.exit(f"{SEEP}: not built")
    unittest.main(verbosity=2)
