# SPDX-License-Identifier: MIT
"""Tests that prove their own worth: each names the line of seep that it stands for.

    @hazard(1, Fix("preload/hooks.c", "if (size == 0)", "if (0)"))
    def test_realloc_to_nothing_frees(self): ...

makes two tests of one body: test_realloc_to_nothing_frees, which must pass, and
test_realloc_to_nothing_frees_without_its_fix, which runs the same body with a seep built without
that line and must see it fail. The number is the row in docs/hazards.md. A body reaches seep only
through self.seep_path, self.libseep_path and what is made of them (record, preload), never through
support.SEEP.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile

import support

PROGRAMS = os.path.join(support.ROOT, "tests", "e2e", "programs")


class Fix:
    """A change that takes a fix out: `old` becomes `new`, at its only place in `path`.

    `fails` is a pattern that the failure of the test must then match. `again` holds further changes
    (path, old, new) that belong to it. Where the harm takes chance, the body may run `tries` times
    until it is seen."""

    def __init__(self, path, old, new, fails="", again=(), tries=1):
        self.changes = [(path, old, new), *again]
        self.fails = fails
        self.tries = tries

    def build(self, folder):
        """Puts a seep and a libseep.so without the fix into `folder`."""
        for name in ("seep", "libseep.so"):
            shutil.copy(os.path.join(support.BUILD, name), folder)
        changed = {path for path, _, _ in self.changes}
        for part, target in (("preload", "libseep.so"), ("analyzer", "seep")):
            if any(path.startswith(part + "/") for path in changed):
                self._rebuild(part, target, folder)

    def _rebuild(self, part, target, folder):
        sources = os.path.join(folder, part)
        shutil.copytree(os.path.join(support.ROOT, part), sources)
        stale = set()
        for path, old, new in self.changes:
            if not path.startswith(part + "/"):
                continue
            with open(os.path.join(folder, path), encoding="utf-8") as source:
                text = source.read()
            if text.count(old) != 1:
                raise LookupError(f"{path}: the fix to be taken out is there {text.count(old)} "
                                  f"times, not once:\n{old}")
            with open(os.path.join(folder, path), "w", encoding="utf-8") as source:
                source.write(text.replace(old, new))
            stale.add(path)
        with open(os.path.join(support.BUILD, "compile_commands.json"), encoding="utf-8") as file:
            compiled = json.load(file)
        link = [shlex.split(line) for line in self._ninja("-t", "commands", target).splitlines()
                if re.search(rf" -o {re.escape(target)} ", line)][-1]
        members = self._inputs(link)
        objects = []
        for entry in compiled:
            source = os.path.relpath(os.path.realpath(
                os.path.join(entry["directory"], entry["file"])), support.ROOT)
            if entry["output"] not in members or stale.isdisjoint(self._read_by(entry["output"])):
                continue
            made = os.path.join(folder, f"{len(objects)}.o")
            command = [made if word == entry["output"] else
                       os.path.join(folder, source) if word == entry["file"] else word
                       for word in shlex.split(entry["command"])]
            # what lies beside the changed file is included from there, the rest from the tree
            command[1:1] = [f"-I{sources}", "-w"]
            self._run(command)
            objects.append((entry["output"], made))
        if not objects:
            raise LookupError(f"{sorted(changed for changed, _, _ in self.changes)}: "
                              f"nothing of {target} is made of it")
        direct = dict(objects)
        link = [direct.get(word, word) for word in link]
        link[link.index("-o") + 1] = os.path.join(folder, target)
        # before the archives: what is defined already is not taken from them
        at = link.index("-o") + 2
        link[at:at] = [made for name, made in objects if made not in link]
        self._run(link)

    @staticmethod
    def _inputs(link):
        """The objects of a link command, those in its static libraries too."""
        found = set()
        for word in link:
            if word.endswith(".o"):
                found.add(word)
            elif word.endswith(".a") and os.path.exists(os.path.join(support.BUILD, word)):
                folder = os.path.join(support.BUILD, word + ".p")
                for name in os.listdir(folder):
                    found.add(os.path.relpath(os.path.join(folder, name), support.BUILD))
        return found

    def _read_by(self, output):
        """The files of the tree that the compiler read for an object."""
        listed = self._ninja("-t", "deps", output).splitlines()[1:]
        return {os.path.relpath(os.path.realpath(os.path.join(support.BUILD, line.strip())),
                                support.ROOT) for line in listed if line.strip()}

    @staticmethod
    def _ninja(*arguments):
        # -n: else it may write its logs anew, as others that ask at the same time may
        return subprocess.run(["ninja", "-n", "-C", support.BUILD, *arguments], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    @staticmethod
    def _run(command):
        done = subprocess.run(command, cwd=support.BUILD, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")


def hazard(number, *fixes):
    """Marks the test of row `number` of docs/hazards.md; see above."""
    def mark(body):
        body.hazard = number
        body.fixes = fixes
        return body
    return mark


def _without(body, fix):
    def test(self):
        with tempfile.TemporaryDirectory(prefix="seep-mutant-") as folder:
            fix.build(folder)
            self.seep_path = os.path.join(folder, "seep")
            self.libseep_path = os.path.join(folder, "libseep.so")
            if not fix.fails:  # a program that waits for ever fails, too
                self.timeout = 40
            # a failure within is to be seen here
            self.subTest = lambda *message, **parameters: contextlib.nullcontext()
            for _ in range(fix.tries):
                try:
                    body(self)
                except (AssertionError, subprocess.TimeoutExpired) as failure:
                    if not re.search(fix.fails, str(failure)):
                        raise AssertionError(f"failed, but not with {fix.fails!r}") from failure
                    return
        raise AssertionError("passes without its fix")
    test.__doc__ = body.__doc__
    return test


class TestCase(support.TestCase):
    """Cases whose tests may be marked with @hazard, and what they share.

    The programs in tests/e2e/programs say in their comment what is hard and what they print."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, body in list(vars(cls).items()):
            fixes = getattr(body, "fixes", ())
            for i, fix in enumerate(fixes, 1):
                which = f"_{i}" if len(fixes) > 1 else ""
                setattr(cls, f"{name}_without_its_fix{which}", _without(body, fix))

    def program(self, source, **options):
        """Compiles a program of tests/e2e/programs; its suffix is .c unless given."""
        return self.build(os.path.join(PROGRAMS, source if "." in source else source + ".c"),
                          **options)

    def bump(self, *flags):
        """An allocator that may be interrupted and left; to be preloaded behind the recorder."""
        return self.program("bump", name="bump.so", flags=("-O1", "-shared", "-fPIC", *flags))

    def assert_complete(self, recording):
        """Nothing is missing, and every block's end was that of a known one."""
        for counter in ("lost_events", "unknown_frees", "raced"):
            self.assertEqual(recording.info[counter], 0, counter)
