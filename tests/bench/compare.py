#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What `seep compare` predicts against programs that were really run with each allocator.

compare.py BUILD [--write] [PROGRAM...]: records each program once, compares, then runs it with each
allocator without the recorder, RUNS times (2), and prints a table: predicted and real RSS at the peak
and in the end, and how far the real runs lie apart. `final` is 0.2 s before the end: most of the
programs rest there. Then the same as rows of the README's table, which --write puts there.

All of it takes 15 to 35 minutes with COMPARE=--repeat=1 (options of seep compare), as busy as the
machine is.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
WORKLOADS = os.path.join(HERE, "..", "workloads")
LIBRARIES = "/usr/lib/x86_64-linux-gnu/"
README = os.path.join(HERE, "..", "..", "README.md")
BEFORE_END = 0.2  # seconds
RUNS = int(os.environ.get("RUNS", "2"))
APART = 2  # percent between real runs, from which on a row says so

# name: (library, setting)
CANDIDATES = {
    "glibc": (None, ""),
    "glibc arena_max=1": (None, "MALLOC_ARENA_MAX=1"),
    "glibc mmap_threshold=32k": (None, "MALLOC_MMAP_THRESHOLD_=32768"),
    "jemalloc": ("libjemalloc.so.2", ""),
    "tcmalloc": ("libtcmalloc_minimal.so.4", ""),
    "mimalloc": ("libmimalloc.so.2", ""),
}

PYTHON = """
import json, os, sys, threading, time
def work(seed):
    keep = []
    for i in range(int(sys.argv[1])):
        keep.append(json.loads(json.dumps({"id": i, "name": "n%d" % (i * seed), "tags": [str(j) for j in range(i % 20)],
                                           "text": "x" * (i * 7 % 900)})))
        if i % 3 == 0:
            keep[i * 13 % len(keep)] = None
    return keep
threads = [threading.Thread(target=lambda n=n: kept.append(work(n))) for n in range(int(sys.argv[2]))]
kept = []
if threads:
    for t in threads: t.start()
    for t in threads: t.join()
else:
    kept.append(work(1))
del kept[: len(kept) // 2 or 1]
time.sleep(0.6)
sys.stdout.flush()
os._exit(0)
"""


def steering(name):
    return name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD", "MIMALLOC_", "TCMALLOC_"))


def environment(setting="", **more):
    env = {k: v for k, v in os.environ.items() if not steering(k)}
    env.update(more)
    if setting:
        name, value = setting.split("=", 1)
        env[name] = value
    return env


def sample(out, library, setting, command):
    """Runs the command, looks at its memory every 2 ms, and writes what it saw."""
    env = environment(setting)
    env["LD_PRELOAD"] = LIBRARIES + (library or "libc.so.6")  # for redis, which brings jemalloc
    child = subprocess.Popen(command, env=env)
    seen, peak, text = [], 0, ""
    while child.poll() is None:
        try:
            with open(f"/proc/{child.pid}/status", encoding="ascii", errors="replace") as status:
                text = status.read()
        except OSError:
            text = ""
        words = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if "VmRSS" in words:
            seen.append((time.monotonic(), int(words["VmRSS"].split()[0]) * 1024))
            peak = max(peak, int(words["VmHWM"].split()[0]) * 1024)
        time.sleep(0.002)
    end = seen[-1][0] - BEFORE_END
    final = [rss for at, rss in seen if at <= end] or [seen[0][1]]
    with open(out, "w", encoding="ascii") as result:
        json.dump({"peak": peak, "final": final[-1]}, result)
    return child.returncode


class Bench:
    def __init__(self, build, tmp):
        self.seep = os.path.join(build, "seep")
        self.tmp = tmp

    def path(self, name):
        return os.path.join(self.tmp, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        return self.path(name)

    def programs(self):
        """name: (what runs it, with the prefix put behind, its command, and environment)"""
        script = self.write("work.py", PYTHON)
        python = ["/usr/bin/python3", "-S", script]
        sql = self.write("work.sql", open(os.path.join(WORKLOADS, "sqlite.sql"), encoding="utf-8")
                         .read().replace("@ROWS@", "200000") + "\n.shell sleep 0.6\n")
        churn = self.path("churn")
        subprocess.run(["gcc", "-O2", "-fno-builtin", "-pthread",
                        os.path.join(WORKLOADS, "churn.c"), "-o", churn], check=True)
        return {
            "redis, recorded with jemalloc": ([os.path.join(WORKLOADS, "run"), "redis"], [], {}),
            "python": ([], python + ["60000", "0"], {}),
            "python without its pools": ([], python + ["40000", "0"], {"PYTHONMALLOC": "malloc"}),
            "python, 12 threads": ([], python + ["6000", "12"], {"PYTHONMALLOC": "malloc"}),
            "sqlite": ([], ["sh", "-c", 'exec "$0" "$@" <' + sql, "sqlite3", ":memory:"], {}),
            # its input ends late, so that it rests with all that it has read
            "xz -9 of 1 MB": (["sh", "-c", '{ cat "$0"; sleep 0.6; } | "$@"', self.input()],
                              ["xz", "-9", "-c"], {}),
            "git repack, 2 threads, 1,440 blobs": ([], ["git", "-C", self.repository(), "pack-objects", "--all", "--threads=2",
                                "--no-reuse-delta", "--stdout", "-q"], {}),
            "churn, 4 threads, 25 s": ([], [churn, "4", os.environ.get("CHURN_ROUNDS", "700"), "25000"], {}),
        }

    def input(self):
        path = self.path("input")
        if not os.path.exists(path):
            with open(path, "w", encoding="ascii") as out:
                for i in range(25000):
                    out.write(f"{i * 2654435761 % 4294967296} line {i} {'abc' * (i % 11)}\n")
        return path

    def repository(self):
        path = self.path("repository")
        if not os.path.exists(path):
            subprocess.run(["git", "init", "-q", "--bare", path], check=True)
            stream = []
            for commit in range(120):
                stream.append(f"commit refs/heads/main\ncommitter a <a@b> {1700000000 + commit} +0000\n"
                              "data 1\nx\n")
                for name in range(12):
                    text = "".join(f"{(commit // 3 + line * (name + 3)) % 977} {line} words of a line\n"
                                   for line in range(400))
                    stream.append(f"M 644 inline f{name}\ndata {len(text)}\n{text}\n")
            subprocess.run(["git", "-C", path, "fast-import", "--quiet"], input="".join(stream),
                           text=True, check=True)
        return path

    def run(self, program, prefix, **options):
        outer, command, env = program
        done = subprocess.run(outer + prefix + command, stdout=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              env=environment(**env), check=False, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.returncode}: {done.stderr[-500:]}")

    def really(self, program, library, setting, number):
        out = self.path(f"sampled-{number}.json")
        self.run(program, [sys.executable, os.path.realpath(__file__), "--sample", out,
                           library or "-", setting or "-", "--"])
        with open(out, encoding="ascii") as text:
            return json.load(text)

    def really_all(self, program, keys, at_a_time):
        """Of each key of CANDIDATES, RUNS times what was sampled."""
        with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
            jobs = {key: [pool.submit(self.really, program, *CANDIDATES[key], f"{i}-{run}")
                          for run in range(RUNS)] for i, key in enumerate(keys)}
            return {key: [job.result() for job in jobs[key]] for key in keys}

    def predicted(self, program):
        trace = self.path("trace.seep")
        self.run(program, [self.seep, "run", "-f", "-o", trace, "--"])
        arguments = [self.seep, "compare", "--format=json", trace, *os.environ.get("COMPARE", "").split()]
        for name, (_, setting) in CANDIDATES.items():
            if setting:
                arguments.append(f"--set={name.split()[0]}:{setting}")
        done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, check=True,
                              env=environment())
        return json.loads(done.stdout)["result"]


def final_of(result, candidate):
    """The predicted RSS at the moment nearest to that before the end: on a busy machine there are few."""
    until = max(result["recorded"]["duration_ns"], result["times"][-1]) - BEFORE_END * 1e9
    return min(zip(result["times"], candidate["rss"]), key=lambda at: abs(at[0] - until))[1]


def key_of(candidate):
    return next((k for k, (_, s) in CANDIDATES.items()
                 if k.split()[0] == candidate["name"] and s == candidate["settings"]),
                candidate["name"])


class Row:
    """What is predicted and real of one program."""

    def __init__(self, name):
        self.name, self.cells, self.misses = name, {}, []

    def add(self, key, candidate, result, real):
        shown, offs, apart = [], [], 0
        for what, told in (("peak", candidate["peak_rss_bytes"]),
                           ("final", final_of(result, candidate))):
            values = [r[what] for r in real]
            mean = sum(values) / len(values)
            off, spread = 100 * (told / mean - 1), 100 * (max(values) - min(values)) / mean
            self.misses.append((abs(off), max(abs(off) - spread, 0)))
            shown.append(f"{told / 2**20:8.1f} /{mean / 2**20:8.1f} ({off:+5.1f} %; {spread:4.1f} %)")
            offs.append(f"{off:+.1f}")
            apart = max(apart, spread)
        self.cells[key] = " / ".join(offs) + (f" ({apart:.0f})" if apart >= APART else "")
        print(f"{self.name[:18]:18} {key + (' *' if candidate['recorded'] else ''):25} "
              f"{shown[0]:>34} {shown[1]:>34}", flush=True)

    def markdown(self):
        return f"| {self.name} | " + " | ".join(self.cells.get(key, "") for key in CANDIDATES) + " |"


def measure(bench, name, program):
    row, result = Row(name), bench.predicted(program)
    candidates = {key_of(c): c for c in result["candidates"]}
    # programs that mostly rest do not disturb each other
    real = bench.really_all(program, candidates, 3 if name.startswith("churn") else 1)
    for key, candidate in candidates.items():
        row.add(key, candidate, result, real[key])
    check = result["self_check"]
    print(f"{'':18} self-check {check['peak_miss_percent']:+.1f} %, "
          f"{check['final_miss_percent']:+.1f} %; "
          + ", ".join(f"{c['name']} {c['calls_per_second'] / 1e6:.1f} M/s"
                      for c in result["candidates"] if not c["settings"]), flush=True)
    return row


def write(rows):
    """Puts rows in the place of those of the same name in the README."""
    with open(README, encoding="utf-8") as text:
        lines = text.read().split("\n")
    for row in rows:
        at = [i for i, line in enumerate(lines) if line.startswith(f"| {row.name} |")]
        if len(at) == 1:
            lines[at[0]] = row.markdown()
        else:
            print(f"README.md has {len(at)} rows named {row.name}")
    with open(README, "w", encoding="utf-8") as text:
        text.write("\n".join(lines))


def main():
    if sys.argv[1] == "--sample":
        at = sys.argv.index("--")
        out, library, setting = sys.argv[2:5]
        sys.exit(sample(out, library.strip("-"), "" if setting == "-" else setting,
                        sys.argv[at + 1:]))
    build, wanted = sys.argv[1], [a for a in sys.argv[2:] if a != "--write"]
    tmp, rows = tempfile.mkdtemp(prefix="seep-bench-compare-"), []
    try:
        bench = Bench(build, tmp)
        print("RSS in MiB: predicted / real (difference; how far the real runs lie apart)")
        print(f"{'program':18} {'allocator':25} {'peak':>34} {'final':>34}")
        for name, program in bench.programs().items():
            if not wanted or any(name.startswith(w) for w in wanted):
                rows.append(measure(bench, name, program))
        print("\n".join(row.markdown() for row in rows))
        misses = [m for row in rows for m in row.misses]
        if misses:
            print(f"median difference {sorted(m for m, _ in misses)[len(misses) // 2]:.1f} %, "
                  f"worst {max(m for m, _ in misses):.1f} %, beyond how far real runs lie apart "
                  f"{max(m for _, m in misses):.1f} %")
        if "--write" in sys.argv:
            write(rows)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


if __name__ == "__main__":
    main()
