# SPDX-License-Identifier: MIT
"""Real programs, which nobody here wrote: recorded, they do what they do alone, and the trace is
complete."""

import os
import re

import support

RUN = os.path.join(support.WORKLOADS, "run")


class Workloads(support.TestCase):
    def complete(self, recording):
        info = recording.info
        self.assertEqual(info["lost_events"], 0)
        self.assertEqual(info["events"],
                         info["allocations"] + info["frees"] + info["reallocations"])
        self.assertEqual(info["live_blocks"], info["allocations"] - info["frees"])
        self.assertGreater(info["trace_bytes"], 0)
        self.assertGreater(info["peak_rss_bytes"], info["peak_live_bytes"] // 2)
        self.assertGreaterEqual(info["peak_live_bytes"], info["live_bytes"])
        # leaks shows the same live blocks: not one is left out or made up
        sites = recording.sites()
        self.assertEqual(sum(s.blocks for s in sites), info["live_blocks"])
        self.assertEqual(sum(s.bytes for s in sites), info["live_bytes"])

    def both_ways(self, args, trace="out.seep", **options):
        """Runs plain and recorded; output and status must be the same."""
        options.setdefault("env", support.environment())
        plain = support.run(args, **options)
        recording = self.record(args, trace, check=None, **options)
        self.assertEqual((recording.status, recording.stdout), (plain.returncode, plain.stdout),
                         recording.stderr[-2000:])
        return recording

    def workload(self, name, size="small"):
        env = support.environment(SIZE=size)
        plain = support.run([RUN, name], env=env)
        if plain.returncode == 77:
            self.skipTest(plain.stderr.strip())
        self.assertEqual(plain.returncode, 0, plain.stderr)
        trace = self.path("out.seep")
        done = support.run([RUN, name, support.SEEP, "run", "-f", "-o", trace, "--"], env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, plain.stdout)
        recording = support.Recording(trace, done)
        self.complete(recording)
        return recording

    def test_sqlite(self):
        self.workload("sqlite")

    def test_python(self):
        recording = self.workload("python")
        self.assertGreater(recording.info["events"], 10000)

    def test_perl(self):
        self.workload("perl")

    def test_compiler(self):
        recording = self.workload("compiler")
        # a stripped system binary: names from its dynamic symbols, or module+offset; never nothing
        for site in recording.sites():
            self.assertTrue(all(site.functions), site)

    def test_clang(self):
        self.workload("clang")

    def test_redis(self):
        recording = self.workload("redis")
        self.assertEqual(recording.info["allocator"], "jemalloc")
        self.assertGreaterEqual(recording.info["threads"], 4)

    def test_bash_with_children(self):
        script = ("for i in 1 2 3; do x=$(echo $i | tr 1-3 a-c); printf '%s ' $x; done; "
                  "/usr/bin/sort <<<$'b\\na'; (exit 3); echo $?")
        recording = self.both_ways(["/bin/bash", "-c", script])
        self.complete(recording)
        programs = [re.sub(r".*\.([^.]+)\.seep$", r"\1", path) for path in recording.children()]
        self.assertEqual(programs.count("tr"), 3, recording.children())
        self.assertEqual(programs.count("sort"), 1, recording.children())
        for path in recording.children():
            self.assertEqual(support.Recording(path).info["lost_events"], 0)

    def test_exec_gives_each_image_its_trace(self):
        recording = self.both_ways(["/bin/sh", "-c", "exec env A=b perl -e 'print $ENV{A}'"])
        self.complete(recording)
        self.assertTrue(recording.info["process"]["exe"].endswith("/perl"),
                        recording.info["process"])

    def test_streams_pass_through(self):
        recording = self.record(["/bin/sh", "-c", "cat; echo to stderr >&2; exit 7"],
                                check=7, input="through\n")
        self.assertEqual(recording.stdout, "through\n")
        self.assertIn("to stderr\n", recording.stderr)


def make_repository(path, commits=20):
    """A repository that is the same wherever and whenever it is made."""
    env = support.environment(
        GIT_CONFIG_NOSYSTEM="1", HOME=path, GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org",
        GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@example.org",
        GIT_AUTHOR_DATE="2024-01-01T00:00:00Z", GIT_COMMITTER_DATE="2024-01-01T00:00:00Z")
    git = ["git", "-C", path]
    support.run(["git", "init", "-q", "-b", "main", path], check=0, env=env)
    for number in range(commits):
        with open(os.path.join(path, f"file{number % 5}"), "a", encoding="utf-8") as out:
            out.write(f"line {number}\n" * (number + 1))
        support.run([*git, "add", "."], check=0, env=env)
        support.run([*git, "commit", "-q", "-m", f"Commit {number}"], check=0, env=env)


if __name__ == "__main__":
    support.main()
