#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole test suites of projects nobody here wrote, from Debian's source packages: projects.py BUILD
[PROJECT...]

Each suite runs three times: as it is, under `seep run` with a snapshot at the end of each process,
and under valgrind. For each process of a test program it is compared what was definitely,
indirectly and possibly lost; and how long the whole took. Prints a table; fails where verdicts
differ, but for what stands in KNOWN with its reason."""

import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

PROJECTS = {
    # Debian source package: options of cmake
    "cjson": ["-DENABLE_CJSON_TEST=ON", "-DENABLE_CJSON_UTILS=ON"],
    "jansson": ["-DJANSSON_BUILD_DOCS=OFF"],
    "json-c": ["-DDISABLE_WERROR=ON"],
    "libyaml": ["-DBUILD_TESTING=ON"],
}
KNOWN = {}  # (project, program): why


def run(*args, check=True, **options):
    done = subprocess.run([str(a) for a in args], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(map(str, args))}: status {done.returncode}\n"
                         f"{done.stdout[-3000:]}")
    return done


class Sources:
    """Debian's source packages, by apt with lists of its own: the system's stay as they are."""

    def __init__(self, folder):
        self.folder = folder
        lists = os.path.join(folder, "lists")
        for part in (lists, os.path.join(lists, "lists", "partial"),
                     os.path.join(lists, "cache", "archives", "partial")):
            os.makedirs(part, exist_ok=True)
        for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
            with open(path, encoding="utf-8") as source:
                text = source.read()
            if "/debian" in text:
                with open(os.path.join(lists, os.path.basename(path)), "w",
                          encoding="utf-8") as out:
                    out.write(re.sub(r"(?m)^Types:.*$", "Types: deb-src", text))
        if os.path.exists("/etc/apt/sources.list"):
            with open("/etc/apt/sources.list", encoding="utf-8") as source, \
                    open(os.path.join(lists, "old.list"), "w", encoding="utf-8") as out:
                out.writelines(re.sub(r"^deb ", "deb-src ", line) for line in source)
        self.options = ["-o", "Dir::Etc::sourcelist=/dev/null",
                        "-o", f"Dir::Etc::sourceparts={lists}",
                        "-o", f"Dir::State::lists={lists}/lists", "-o", f"Dir::Cache={lists}/cache"]
        run("apt-get", *self.options, "update")

    def unpack(self, package):
        run("apt-get", *self.options, "source", "--download-only", package, cwd=self.folder)
        tar = sorted(glob.glob(os.path.join(self.folder, f"{package}_*.orig.tar.*")))
        tree = os.path.join(self.folder, package)
        os.makedirs(tree)
        run("tar", "xf", [t for t in tar if not t.endswith(".asc")][0], "-C", tree,
            "--strip-components=1")
        return tree


def build(tree, options):
    """Returns a script that runs all tests, and how many they are."""
    folder = os.path.join(tree, "build")
    os.makedirs(folder)
    run("cmake", "..", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", *options, cwd=folder)
    run("make", "-j2", cwd=folder)
    tests = json.loads(run("ctest", "--show-only=json-v1", cwd=folder).stdout)["tests"]
    path = os.path.join(folder, "all-tests.sh")
    with open(path, "w", encoding="utf-8") as out:
        for test in tests:
            where = next((p["value"] for p in test.get("properties", [])
                          if p["name"] == "WORKING_DIRECTORY"), folder)
            command = " ".join("'" + a.replace("'", "'\\''") + "'" for a in test["command"])
            out.write(f"(cd '{where}' && {command}) >/dev/null 2>&1 </dev/null\n")
        out.write("true\n")
    return path, len(tests)


def timed(*args, **options):
    start = time.monotonic()
    run(*args, check=False, **options)
    return time.monotonic() - start


def of_valgrind(folder, tree):
    """{program: sorted verdicts, one per process}."""
    found = collections.defaultdict(list)
    for path in glob.glob(os.path.join(folder, "*.log")):
        with open(path, encoding="utf-8", errors="replace") as log:
            text = log.read()
        program = re.search(r"Command: (\S+)", text)[1]
        if not os.path.realpath(program).startswith(tree) and not program.startswith("./"):
            continue
        verdict = []
        for words in ("definitely lost", "indirectly lost", "possibly lost"):
            match = re.search(words + r": [\d,]+ bytes in ([\d,]+) blocks", text)
            verdict.append(int(match[1].replace(",", "")) if match else 0)
        found[os.path.basename(program)].append(tuple(verdict))
    return {program: sorted(verdicts) for program, verdicts in found.items()}


def of_seep(seep, folder, tree):
    found = collections.defaultdict(list)
    for trace in glob.glob(os.path.join(folder, "*.seep")):
        info = json.loads(run(seep, "info", "--format=json", trace).stdout)["result"]
        if not os.path.realpath(info["process"]["exe"]).startswith(tree):
            continue
        leaks = json.loads(run(seep, "leaks", "--format=json", trace).stdout)["result"]
        verdict = tuple(leaks[k]["blocks"] if leaks[k] else leaks["no_graph"]
                        for k in ("definite", "indirect", "possible"))
        found[os.path.basename(info["process"]["exe"])].append(verdict)
    return {program: sorted(verdicts, key=str) for program, verdicts in found.items()}


def compare(project, ours, theirs):
    """Prints what differs; returns how many processes agree, how many there are, and whether all
    that differs is known."""
    agree = total = 0
    fine = True
    for program in sorted(set(ours) | set(theirs)):
        a, b = ours.get(program, []), theirs.get(program, [])
        total += max(len(a), len(b))
        if sorted(a, key=str) == sorted(b, key=str):
            agree += len(a)
            continue
        known = KNOWN.get((project, program))
        fine = fine and known is not None
        print(f"    {program}: seep {a[:3]}, valgrind {b[:3]}" + (f": {known}" if known else ""))
    return agree, total, fine


def main(build_folder, *names):
    seep = os.path.join(os.path.abspath(build_folder), "seep")
    fine = True
    with tempfile.TemporaryDirectory(prefix="seep-suite-") as folder:
        folder = os.path.realpath(folder)
        sources = Sources(folder)
        rows = []
        for project in names or PROJECTS:
            tree = sources.unpack(project)
            script, count = build(tree, PROJECTS[project])
            traces, logs = os.path.join(tree, "traces"), os.path.join(tree, "logs")
            os.makedirs(traces)
            os.makedirs(logs)
            timed("sh", script)
            plain = timed("sh", script)
            ours = timed(seep, "run", "-q", "--snapshot=exit", "-o",
                         os.path.join(traces, "suite.seep"), "--", "sh", script)
            theirs = timed("valgrind", "--leak-check=full", "--trace-children=yes",
                           f"--log-file={logs}/%p.log", "sh", script)
            agree, total, known = compare(project, of_seep(seep, traces, tree),
                                          of_valgrind(logs, tree))
            fine = fine and known and total > 0
            rows.append((project, count, f"{agree} of {total}", f"{plain:.2f} s",
                         f"{ours / plain:.2f}", f"{theirs / plain:.1f}"))
            shutil.rmtree(tree)
    head = ("project", "tests", "processes that agree", "plain", "seep x", "valgrind x")
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(str(cell).ljust(w) for cell, w in zip(row, widths)).rstrip())
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
