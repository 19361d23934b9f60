# SPDX-License-Identifier: MIT
"""seep check and seep run --check: verdicts, exit statuses, suppressions in both syntaxes."""

import json
import os
import re
import shutil
import unittest

import support

FAILED, UNDECIDED, UNREADABLE = 23, 3, 2

# Two call sites below one caller: 3 blocks of 4000, 300 and 50 bytes, and one of 10.
SCENE = r"""
fact 4 /srv/bin/server
module 0x400000 0x410000 /srv/bin/server
root 1
node 2 1 0x401000
node 3 2 0x402000
node 4 2 0x403000
alloc a 1000 1 3 0x10000 100 104 malloc
alloc c 3000000 1 4 0x10200 4000 4104 calloc
free a 4000000 1
alloc b 5000000 1 4 0x20000 300 312 calloc
alloc d 7000000 1 3 0x30000 10 24 malloc
alloc e 8000000 1 4 0x31000 50 56 calloc
"""
NOTHING = "root 1\nnode 2 1 0x401000\nalloc a 1000 1 2 0x10000 100 104 malloc\nfree a 2000 1\n"

LIVE = "--errors-for=live"

# Leaks 3 blocks below lose(), 2 below drop(); exits with its argument.
PROGRAM = r"""
#include <stdlib.h>
void *volatile kept;
__attribute__((noinline)) void lose(void) { kept = malloc(100); }
__attribute__((noinline)) void drop(int n) { kept = calloc(n, 8); }
int main(int argc, char **argv)
{
    for (int i = 0; i < 3; i++)
        lose();
    drop(1);
    drop(2);
    kept = NULL;
    return argc > 1 ? atoi(argv[1]) : 0;
}
"""


class Checking(support.TestCase):
    def make(self, script=SCENE, name="made.seep"):
        return self.make_trace(script, name)

    def check(self, *args, status=0):
        return support.run([support.SEEP, "check", *args], check=status).stdout

    def result(self, *args, status=0):
        return json.loads(self.check("--format=json", *args, status=status))

    def program(self, *flags):
        return self.build(self.write("leaky.c", PROGRAM), flags=("-g", *(flags or ["-O1"])))


class Verdicts(Checking):
    def test_live(self):
        out = self.check(self.make(), LIVE, status=FAILED)
        self.assertRegex(out, r"^FAILED  .*made\.seep: 4\.3 KiB in 4 blocks are live at exit, "
                              r"from 2 call\s+sites\n")
        lines = out.splitlines()
        rows = [line.split() for line in lines if re.match(r" +[\d.]+ (KiB|B) in", line)]
        self.assertEqual([row[:5] for row in rows], [["4.2", "KiB", "in", "3", "blocks"],
                                                     ["10", "B", "in", "1", "block"]])
        self.assertRegex(lines[-1], r"^next: seep leaks .*made\.seep$")
        self.assertRegex(self.check(self.make(NOTHING, "nothing.seep"), LIVE),
                         r"^PASSED  .*nothing\.seep: nothing is live at exit\n$")

    def test_without_a_graph(self):
        out = self.check(self.make(), status=UNDECIDED)
        self.assertRegex(out, r"^UNDECIDED  .*made\.seep: ")
        self.check(self.make(NOTHING, "nothing.seep"), status=UNDECIDED)

    def test_incomplete(self):
        trace = self.make()
        with open(trace, "r+b") as f:
            f.truncate(os.path.getsize(trace) - 30)
        document = self.result(trace, LIVE, status=UNDECIDED)
        self.assertIs(document["completeness"]["complete"], False)
        self.assertEqual(document["result"]["traces"][0]["reasons"],
                         document["completeness"]["reasons"])

    def test_allowances(self):
        trace = self.make()
        for option, enough in (("--allow-bytes", 4360), ("--allow-blocks", 4),
                               ("--allow-sites", 2)):
            self.check(trace, LIVE, f"{option}={enough}")
            self.check(trace, LIVE, f"{option}={enough - 1}", status=FAILED)
        # each that is given has to be kept
        self.check(trace, LIVE, "--allow-bytes=1M", "--allow-sites=1", status=FAILED)
        # small sites do not count
        self.check(trace, LIVE, "--min-bytes=11", "--allow-sites=1")
        self.check(trace, LIVE, "--min-blocks=4")

    def test_status(self):
        self.check(self.make(), LIVE, "--error-exitcode=1", status=1)
        self.check(self.make(), LIVE, "--error-exitcode=0")
        self.check(self.make(NOTHING, "nothing.seep"), LIVE, "--error-exitcode=1")
        self.check(self.make(), LIVE, "--error-exitcode=256", status=UNREADABLE)
        self.check(self.make(), "--errors-for=some", status=UNREADABLE)
        self.check(self.make(), "--errors-for=definite,", status=UNREADABLE)
        self.check(status=UNREADABLE)
        self.check(self.path("nowhere.seep"), status=UNREADABLE)
        self.check(self.make(), "--suppressions=" + self.path("nowhere"), status=UNREADABLE)

    def test_several(self):
        good, bad = self.make(NOTHING, "good.seep"), self.make(name="bad.seep")
        out = self.check(good, good, LIVE)
        self.assertEqual(out, "2 traces passed\n")
        document = self.result(good, bad, LIVE, status=FAILED)["result"]
        self.assertEqual([t["verdict"] for t in document["traces"]], ["passed", "failed"])
        self.assertEqual((document["verdict"], document["passed"], document["failed"]),
                         ("failed", 1, 1))
        out = self.check(good, bad, LIVE, status=FAILED)
        self.assertRegex(out, r"^FAILED  .*bad\.seep: ")
        self.assertIn("\n1 trace passed\n", out)
        # a failure counts for more than what is not known
        cut = self.make(name="cut.seep")
        with open(cut, "r+b") as f:
            f.truncate(os.path.getsize(cut) - 30)
        self.check(good, cut, LIVE, status=UNDECIDED)
        self.check(cut, bad, LIVE, status=FAILED)

    def test_what_was_before_exec(self):
        def image(number, rest):
            return (f"fact 1 100\nfact 3 {number}\nfact 14 run\n" if number else
                    "fact 1 100\nfact 14 run\n") + rest
        shell = self.make(image(0, SCENE), "shell.seep")
        program = self.make(image(1, NOTHING), "program.seep")
        document = self.result(shell, program, LIVE)["result"]
        self.assertEqual([t["verdict"] for t in document["traces"]], ["skipped", "passed"])
        self.check(shell, LIVE, status=FAILED)

    def test_many(self):
        script = "root 1\n" + "".join(f"node {n + 2} 1 {0x1000 * (n + 1)}\n" for n in range(30))
        script += "".join(f"alloc b{n} {1000 * n} 1 {n + 2} {0x10000 + 256 * n} {n + 1} {n + 8} "
                          "malloc\n" for n in range(30))
        out = self.check(self.make(script), LIVE, status=FAILED)
        self.assertEqual(len(re.findall(r"(?m)^ +\d+ B in +1 block ", out)), 20)
        self.assertIn("and 10 more call sites, 55 B\n", out)


class Suppressed(Checking):
    def record(self, program):
        trace = self.path("leaky.seep")
        support.run([support.SEEP, "run", "-f", "-q", "-o", trace, "--", program], check=0)
        return trace

    def test_generated_rules(self):
        trace = self.record(self.program())
        for syntax in ("valgrind", "lsan"):
            rules = self.check(trace, LIVE, f"--gen-suppressions={syntax}", status=FAILED)
            file = self.write(f"{syntax}.supp", rules)
            out = self.check(trace, LIVE, "-s", file)
            self.assertIn("nothing is live at exit; 5 blocks suppressed", out)

    def test_used_and_unused(self):
        trace = self.record(self.program())
        rules = self.write("some.supp", "leak:^lose$\nleak:nowhere\n{\n  a block\n  Memcheck:Leak\n"
                                        "  fun:malloc\n  fun:nothing\n}\n")
        out = self.check(trace, LIVE, "-s", rules, status=FAILED)
        self.assertIn("24 B in 2 blocks are live at exit", out)
        self.assertIn(f"3 blocks suppressed by ^lose$ ({rules}:1)", re.sub(r"\s+", " ", out))
        self.assertIn(f"2 rules matched nothing: nowhere ({rules}:2), a block ({rules}:3)",
                      re.sub(r"\s+", " ", out))
        # what one trace has no use for another may have
        other = self.make(name="other.seep")
        out = self.check(other, trace, LIVE, "-s", rules, status=FAILED)
        self.assertIn("2 rules matched nothing", re.sub(r"\s+", " ", out))

    def test_rules_of_the_program(self):
        source = """
            #include <stdlib.h>
            const char *__lsan_default_suppressions(void) { return "leak:known\\nleak:never\\n"; }
            void *volatile kept;
            __attribute__((noinline)) void known(void) { kept = malloc(77); }
            __attribute__((noinline)) void lost(void) { kept = malloc(33); }
            int main(void) { known(); lost(); kept = NULL; return 0; }
        """
        program = self.build(self.write("brings.c", source), flags=("-g", "-O1"))
        trace = self.path("brings.seep")
        support.run([support.SEEP, "run", "-f", "-q", "--snapshot=exit", "-o", trace, "--",
                     program], check=0)
        other = self.record(self.program())
        out = self.check(trace, other, LIVE, status=FAILED)  # each has its own
        self.assertRegex(out, r"brings\.seep: 33 B in 1 block is live at exit, from 1 call site; "
                              r"1\s+block\s+suppressed\s+by\s+known\s+"
                              r"\(__lsan_default_suppressions\(\):1\)\n")
        self.assertRegex(out, r"leaky\.seep: 324 B in 5 blocks")
        self.assertNotIn("matched nothing", out)

    def test_with_valgrind(self):
        valgrind = support.need("valgrind", "valgrind")
        program = self.program("-O0")
        trace = self.record(program)
        command = [valgrind, "-q", "--leak-check=full", "--num-callers=30",
                   "--error-exitcode=9"]
        # ours, for valgrind
        rules = self.check(trace, LIVE, "--gen-suppressions=valgrind", status=FAILED)
        file = self.write("ours.supp", rules)
        support.run([*command, program], check=9)
        support.run([*command, f"--suppressions={file}", program], check=0)
        # valgrind's, for us
        done = support.run([*command, "--gen-suppressions=all", program], check=9)
        blocks = re.findall(r"(?ms)^\{\n.*?^\}\n", done.stderr)
        self.assertGreaterEqual(len(blocks), 2)
        file = self.write("theirs.supp", "".join(blocks))
        self.check(trace, LIVE, "-s", file)
        self.check(trace, LIVE, "-s", self.write("one.supp", blocks[0]), status=FAILED)


class Gate(Checking):
    def run_checked(self, *command, status, options=()):
        done = support.run([support.SEEP, "run", "--check", LIVE, "-q", "-f", "-o",
                            self.path("gate.seep"), *options, "--", *command], check=status)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_statuses(self):
        program = self.program()
        err = self.run_checked(program, status=FAILED)
        self.assertRegex(err, r"^FAILED  .*gate\.seep: 324 B in 5 blocks are live at exit")
        self.assertIn(" lose (leaky.c:4) ← main (leaky.c:9)\n", err)
        self.run_checked(program, status=1, options=["--error-exitcode=1"])
        err = self.run_checked(program, "7", status=7)  # the program's own failure wins
        self.assertRegex(err, r"^FAILED ")
        self.run_checked(program, status=0, options=["--allow-blocks=5"])
        self.run_checked(shutil.which("true"), status=0)
        self.run_checked(program, status=125, options=["--suppressions=" + self.path("nowhere")])

    def test_children(self):
        program = self.program()
        shell = self.write("suite.sh", f"#!/bin/sh\n{program}\n{program} 3\ntrue\n")
        err = self.run_checked("/bin/sh", shell, status=FAILED, options=["--min-bytes=100"])
        self.assertEqual(len(re.findall(r"(?m)^FAILED .*\.leaky\.seep: ", err)), 2)
        err = self.run_checked("/bin/sh", "-c", f"exec {program}", status=FAILED)
        self.assertIn("1 trace is of what a process was before it executed another program", err)


if __name__ == "__main__":
    support.main()
