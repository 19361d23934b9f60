#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a page of seep report costs: report.py BUILD [TRACE]. How long it takes to make, how large it
is, how soon it opens and answers in Chromium. Without TRACE it is of the compiler at work. Nothing
here passes or fails on time."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "analyzer", "web"))
import bundle  # noqa: E402  how the build fetches what npm has

ROUNDS = 3


def main(build, trace=None):
    build = os.path.realpath(build)
    seep, modules = os.path.join(build, "seep"), os.path.join(build, "tests", "browser")
    bundle.fetch(shutil.which("npm"), os.path.join(ROOT, "tests", "browser"), modules)
    with tempfile.TemporaryDirectory(prefix="seep-bench-") as tmp:
        if not trace:
            trace = os.path.join(tmp, "compiler.seep")
            subprocess.run([os.path.join(ROOT, "tests", "workloads", "run"), "compiler", seep, "run",
                            "-o", trace, "--"], check=True)
        page = os.path.join(tmp, "page.html")
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run([seep, "report", trace, "-o", page], check=True)
        spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        info = json.loads(subprocess.run([seep, "info", "--format=json", trace], check=True,
                                         stdout=subprocess.PIPE).stdout)["result"]
        print(f"{info['events']:,} events, {info['stacks']:,} stack frames: made in {spent:.1f} s of "
              f"processor time, {os.path.getsize(page) / 2**20:.2f} MiB")
        settings = os.path.join(tmp, "settings.json")
        with open(settings, "w", encoding="utf-8") as out:
            json.dump({"browser": shutil.which("chromium"), "modules": modules, "page": page,
                       "rounds": ROUNDS}, out)
        subprocess.run(["node", os.path.join(ROOT, "tests", "browser", "measure.mjs"), settings],
                       check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
