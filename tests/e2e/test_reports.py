# SPDX-License-Identifier: MIT
"""The analysing commands on traces whose content is known to the byte, as people and programs see
them: in a pipe, on a terminal, interrupted, on spools."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

import support


# Two call sites below one caller, a block that is freed, one that changes, a failure.
SCENE = r"""
fact 4 /srv/bin/server
fact 7 db7
fact 15 glibc
thread 1 100 main
thread 2 101 worker
module 0x400000 0x410000 /srv/bin/server
root 1
node 2 1 0x401000
node 3 2 0x402000
node 4 2 0x403000
alloc a 1000 1 3 0x10000 100 104 malloc
alloc b 2000000 1 3 0x10100 100 104 malloc
alloc c 3000000 2 4 0x10200 4096 4104 calloc
mark 3500000 half way
free a 4000000 2
realloc b 5000000 1 4 0x20000 300 312
failed 6000000 1 3 1000000
alloc d 7000000 2 3 0x30000 10 24 malloc
alloc e 1500000000 1 4 0x31000 50 56 new
"""


class Made(support.TestCase):
    """Has traces made of scripts."""

    def make(self, script=SCENE, name="made.seep"):
        return self.make_trace(script, name)

    def seep(self, *args, check=0, **options):
        return support.run([support.SEEP, *args], check=check, **options)


class Numbers(Made):
    def test_info(self):
        info = support.report("info", self.make())["result"]
        wanted = {"allocations": 5, "frees": 1, "reallocations": 1, "failed": 1,
                  "allocated_bytes": 100 + 100 + 4096 + 300 + 10 + 50, "live_blocks": 4,
                  "live_bytes": 300 + 4096 + 10 + 50, "peak_live_bytes": 4456, "threads": 2,
                  "lost_events": 0, "duration_ns": 1500000000, "allocator": "glibc"}
        wanted["events"] = wanted["allocations"] + wanted["frees"] + wanted["reallocations"]
        self.assertEqual({k: info[k] for k in wanted}, wanted)
        self.assertEqual([(m["name"], m["time_ns"]) for m in info["marks"]],
                         [("half way", 3500000)])

    def test_info_names_the_library_that_decodes_code(self):
        library = self.path("hide.so")
        support.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], check=0, stdin=None,
                    input="""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
void *dlopen(const char *file, int mode)
{
    void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return file && strstr(file, "capstone") ? NULL : real(file, mode);
}
""")
        trace, words = self.make(), r"unproved frames .*libcapstone\.so\.\d+ cannot be loaded"
        self.assertNotRegex(self.seep("info", trace).stdout, words)
        hidden = support.environment(LD_PRELOAD=library)
        self.assertRegex(self.seep("info", trace, env=hidden).stdout, words)

    def test_leaks(self):
        document = support.report("leaks", self.make())
        self.assertEqual((document["schema"], document["version"]), ("seep.leaks", 1))
        self.assertIs(document["completeness"]["complete"], True)
        sites = [(s["bytes"], s["blocks"], s["calls"]) for s in document["result"]["sites"]]
        self.assertEqual(sites, [(4096 + 300 + 50, 3, ["calloc", "realloc", "new"]),
                                 (10, 1, ["malloc"])])
        self.assertEqual(document["result"]["sites"][0]["frames"][0]["address"], "0x403000")

    def test_leaks_options(self):
        trace = self.make()

        def told(*options):
            result = support.report("leaks", trace, *options)["result"]
            return [s["bytes"] for s in result["sites"]], result["hidden"]["bytes"]

        self.assertEqual(told("--top=1"), ([4446], 10))
        self.assertEqual(told("-n", "all"), ([4446, 10], 0))
        self.assertEqual(told("--min-bytes=1k"), ([4446], 10))
        self.assertEqual(told("--min-blocks", "2"), ([4446], 10))
        self.assertEqual(told("--thread=2"), ([4096, 10], 0))
        self.assertEqual(told("--size=..99"), ([50, 10], 0))
        self.assertEqual(told("--call=new"), ([50], 0))
        self.assertEqual(told("--to=half way"), ([4096, 200], 0))
        self.assertEqual(told("--from=half way", "--to=1s"), ([300, 10], 0))
        self.assertEqual(told("--by=module"), ([4456], 0))
        for by in ("stack", "function", "module", "source"):
            self.assertEqual(sum(told(f"--by={by}")[0]), 4456, by)
        for order, wanted in (("bytes", [4446, 10]), ("blocks", [4446, 10]), ("time", [4446, 10])):
            self.assertEqual(told(f"--order={order}")[0], wanted)

    def test_dump(self):
        lines = self.seep("dump", "--format=json", self.make()).stdout.splitlines()
        events = [json.loads(line) for line in lines]
        self.assertEqual([e["op"] for e in events],
                         ["alloc", "alloc", "alloc", "mark", "free", "realloc", "failed", "alloc",
                          "alloc"])
        self.assertEqual([e["number"] for e in events if "number" in e], list(range(8)))
        self.assertEqual([(e["call"], e["size"]) for e in events if "number" in e],
                         [("malloc", 100), ("malloc", 100), ("calloc", 4096), ("free", 100),
                          ("realloc", 300), (events[6]["call"], 1000000), ("malloc", 10),
                          ("new", 50)])
        realloc = events[5]
        self.assertEqual((realloc["address"], realloc["old_address"], realloc["old_size"]),
                         ("0x20000", "0x10100", 100))
        self.assertEqual(events[3]["name"], "half way")

    def test_dump_as_text(self):
        lines = self.seep("dump", self.make()).stdout.splitlines()
        self.assertEqual(len(lines), 10)
        self.assertEqual(lines[3].split(), ["2", "0.003000", "2", "alloc", lines[3].split()[4],
                                            "0x10200", "4096", "4104", "calloc",
                                            lines[3].split()[9]])
        self.assertTrue(lines[4].endswith("mark half way"), lines[4])
        self.assertIn("was=0x10100/100", lines[6])
        ends = {line.index(" 0x") + len(re.search(r" 0x\w+", line)[0]) for line in lines[1:4]}
        self.assertEqual(len(ends), 1, "addresses end in one column")

    def test_dump_filters(self):
        trace = self.make()

        def numbers(*options):
            lines = self.seep("dump", "--format=json", *options, trace).stdout.splitlines()
            events = [json.loads(line) for line in lines]
            return [e["number"] for e in events if "number" in e]

        self.assertEqual(numbers("--thread=2"), [2, 3, 6])
        self.assertEqual(numbers("--call=free"), [3])
        self.assertEqual(numbers("--size=..99"), [6, 7])
        self.assertEqual(numbers("--from=half way", "--to=6.5ms"), [3, 4, 5])
        self.assertEqual(numbers("--to=2500us"), [0, 1])
        self.assertEqual(numbers("--lifetime=3ms.."), [3, 4])

    def test_dump_stacks(self):
        line = self.seep("dump", "--format=json", "--stacks", "--call=calloc",
                         self.make()).stdout.splitlines()[0]
        self.assertEqual([f["address"] for f in json.loads(line)["frames"]],
                         ["0x403000", "0x401000"])
        text = self.seep("dump", "--stacks", "--call=calloc", self.make(name="b.seep")).stdout
        self.assertEqual([line.strip() for line in text.splitlines()[2:]],
                         ["server+0x3000", "server+0x1000"])


class Text(Made):
    def test_answer_comes_first(self):
        lines = self.seep("leaks", self.make()).stdout.splitlines()
        self.assertTrue(lines[0].startswith("4.4 KiB in 4 blocks were live at exit, from 2 call "
                                            "sites; the heaviest, server+0x3000"), lines[0])
        trace = self.make(name="b.seep")
        for options, wanted in (
                (["-n1"], "1 more call site, 10 B; --top=all shows them"),
                (["--min-bytes=11"], "1 more call site, 10 B, below --min-bytes or --min-blocks"),
                (["-n1", "--by=function"], "1 more call site, 10 B; --top=all shows them"),
                (["--show-builtin"], None)):
            lines = self.seep("leaks", *options, trace).stdout.splitlines()
            self.assertEqual([line for line in lines if "more call site" in line],
                             [wanted] if wanted else [])

    def test_incomplete_recordings_say_so_first(self):
        trace = self.make(SCENE + "lost 1204\n")
        for command in ("info", "leaks"):
            first = self.seep(command, trace).stdout.splitlines()[0]
            self.assertTrue(first.startswith("Incomplete recording: 1,204 events"), first)
            self.assertIs(support.report(command, trace)["completeness"]["complete"], False)
        self.assertIn("1,204 events", self.seep("dump", trace).stderr)

    def test_nothing_live_is_claimed_only_where_it_is_known(self):
        script = SCENE.split("alloc b")[0] + "free a 6000 1\n"
        first = self.seep("leaks", self.make(script)).stdout
        self.assertEqual(first, "Nothing was live at exit: every block had been freed.\n")
        lossy = self.seep("leaks", self.make(script + "lost 5\n", "b.seep")).stdout
        self.assertIn("Nothing is known to have been live when recording stopped.\n", lossy)
        # a trace may tell times off by 1 us
        window = self.seep("leaks", "--to=3500ns", self.make(script, "c.seep")).stdout
        self.assertNotIn("Nothing", window)

    def test_what_is_older_than_the_window_is_told_of(self):
        trace = self.make(SCENE)
        out = self.seep("leaks", "--from=2s", trace).stdout
        self.assertIn("Nothing live at exit was made since 2s; what is left out", out)
        self.assertIn("older than the window, ", out)
        out = self.seep("leaks", "--from=1s", trace).stdout
        self.assertIn("was live at exit and made since 1s, from one call site", out)
        out = self.seep("leaks", "--from=2s", "--size=1..9999", trace).stdout
        self.assertIn("Nothing live at exit and made since 2s matches the filters", out)
        self.assertIn("older than the window or left out by the filters", out)
        out = self.seep("leaks", "--size=1..1", trace).stdout
        self.assertIn("Nothing live at exit matches the filters", out)
        self.assertIn("left out by the filters", out)

    def test_names_of_others_do_not_act_on_the_terminal(self):
        hostile = r"\x1b]0;owned\x07\x0d\xff\xc2\x9b31m\xe2\x80\xaeevil"
        trace = self.make(SCENE.replace("/srv/bin/server", "/srv/" + hostile)
                          .replace("half way", hostile).replace("worker", hostile))
        for command in ("info", "leaks", "dump", "sites", "growth"):
            done = subprocess.run([support.SEEP, command, trace], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=True,
                                  env=support.environment())
            text = done.stdout.decode("utf-8")  # nothing but UTF-8 comes out
            self.assertIsNone(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), command)
            self.assertIn("owned", text)
            if command in ("info", "dump"):
                self.assertIn(r"\x1b]0;owned\x07\r", text)
            json_text = self.seep(command, "--format=json", trace).stdout
            for document in json_text.splitlines() if command == "dump" else [json_text]:
                json.loads(document)
            self.assertNotIn("\x1b", json_text)

    def test_hostile_file_names_in_messages(self):
        done = self.seep("info", self.path("no\x1b[31m\nfile.seep"), check=2)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn(r"no\x1b[31m\nfile.seep", done.stderr)

    def test_ascii_where_there_is_nothing_else(self):
        for locale in ("C", "POSIX"):
            text = self.seep("leaks", self.make(name=f"{locale}.seep"),
                             env=support.environment(LC_ALL=locale)).stdout
            self.assertTrue(text.isascii())


class Terminal(Made):
    def show(self, *args, columns=80, **changes):
        """What the command writes to a terminal of that width."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        env = support.environment(TERM="xterm", **changes)
        for name in {"NO_COLOR", "COLUMNS"} - set(changes):
            env.pop(name, None)
        with subprocess.Popen([support.SEEP, *args], stdout=slave,
                              stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                              env=env) as child:
            os.close(slave)
            output = b""
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:  # the other end is closed
                    break
                if not data:
                    break
                output += data
            os.close(master)
            self.assertEqual(child.wait(), 0, output)
        return output.decode("utf-8")

    def test_colours(self):
        trace = self.make()
        self.assertIn("\x1b[1m", self.show("leaks", trace))
        self.assertNotIn("\x1b", self.show("leaks", trace, NO_COLOR="1"))
        self.assertNotIn("\x1b", self.show("leaks", "--color=never", trace))
        self.assertNotIn("\x1b", self.seep("leaks", trace).stdout)
        self.assertIn("\x1b[1m", self.seep("leaks", "--color=always", trace).stdout)
        self.assertNotIn("\x1b", self.show("leaks", "--format=json", trace))

    def test_lines_fit(self):
        trace = self.make(SCENE.replace("/srv/bin/server", "/srv/" + "long-name" * 20))
        for columns in (60, 80, 140):
            text = self.show("leaks", "--color=never", trace, columns=columns)
            widest = max(text.splitlines(), key=len)
            self.assertLessEqual(len(widest), columns, widest)
            table = self.show("compare", "--with=glibc", "--repeat=1", "--color=never", trace,
                              columns=columns)
            widest = max(table.splitlines(), key=len)
            self.assertLessEqual(len(widest), columns, widest)
            self.assertEqual("free P99" in table, columns == 140)
        self.assertIn("long-name" * 20, self.seep("leaks", trace).stdout)

    def test_full_names(self):
        path = self.write("t.cpp", """
            #include <vector>
            template <class A, class B> struct Long { static void *f(A, B); };
            template <class A, class B> __attribute__((noinline)) void *Long<A, B>::f(A, B)
            { return new char[7]; }
            typedef std::vector<std::vector<std::vector<int>>> deep;
            int main() { return !Long<deep, deep>::f(deep(), deep()); }
        """)
        self.build(path, name="t")
        trace = self.record([self.path("t")]).trace
        name = next(f["function"] for s in support.report("leaks", trace)["result"]["sites"]
                    for f in s["frames"] if f["function"].startswith("Long<"))
        self.assertGreater(len(name), 120)
        self.assertIn("Long<…>::f(…)", self.seep("leaks", trace).stdout)
        self.assertIn(name, self.seep("leaks", "--full-names", trace).stdout)
        self.assertIn(name, self.show("leaks", "--full-names", "--color=never", trace))

    def test_no_progress_in_a_pipe(self):
        self.assertEqual(self.seep("leaks", self.make()).stderr.count("\r"), 0)


class Streams(Made):
    def big(self):
        lines = [f"alloc x{i % 50} {1000 + i} 1 3 {0x10000 + 64 * i:#x} 16 24 malloc\n"
                 f"free x{i % 50} {1000 + i} 1\n" for i in range(20000)]
        return self.make(SCENE.split("alloc a")[0] + "".join(lines))

    def test_a_reader_that_goes_away(self):
        done = support.run(["bash", "-c", '"$0" dump "$1" | head -n 2; echo ${PIPESTATUS[0]}',
                            support.SEEP, self.big()], check=0)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.splitlines()[2], str(128 + signal.SIGPIPE))

    def test_full_disk(self):
        trace = self.make()
        for command in ("info", "leaks", "dump"):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([support.SEEP, command, trace], stdout=full, text=True,
                                      stderr=subprocess.PIPE, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn("No space left", done.stderr)

    def test_interrupted(self):
        with subprocess.Popen([support.SEEP, "dump", self.big()], stdout=subprocess.PIPE) as child:
            child.stdout.read(1)  # it is under way, and waits for us
            child.send_signal(signal.SIGINT)
            self.assertEqual(child.wait(support.TIMEOUT), -signal.SIGINT)
            child.stdout.close()


class Spools(support.TestCase):
    def record(self, name="x", command=("/bin/true",)):
        """Records without `seep run`; returns the spool."""
        support.run(command, check=0,
                    env=support.environment(LD_PRELOAD=support.LIBSEEP, SEEP_QUIET="1",
                                            SEEP_OUT=self.path(f"{name}.seep")))
        spool = self.path(f"{name}.spool")
        self.assertTrue(os.path.isdir(spool), os.listdir(self.tmp))
        return spool

    def left(self):
        return sorted(os.listdir(self.tmp))

    def seep(self, *args, check=0, **options):
        return support.run([support.SEEP, *args], check=check, **options)

    def test_every_analysis_takes_a_spool(self):
        for command in ("info", "leaks", "dump"):
            spool = self.record(command)
            first = self.seep(command, spool)
            self.assertIn(f"{command}.seep", self.left())
            self.assertNotIn(f"{command}.spool", self.left())
            self.assertIn("packed", first.stderr)
            again = self.seep(command, spool)  # by its old name
            self.assertEqual((again.stdout, again.stderr), (first.stdout, ""))

    def test_time_resolution(self):
        spool = self.record(command=(sys.executable, "-S", "-c", "pass"))

        def times(*options):
            self.seep("pack", "-k", "-f", *options, spool)
            lines = self.seep("dump", "--format=json", self.path("x.seep")).stdout.splitlines()
            return [event["time_ns"] for event in map(json.loads, lines) if "number" in event]

        fine, coarse = times(), times("--time-resolution=1ms")
        self.assertEqual(len(coarse), len(fine))
        self.assertEqual(coarse, sorted(coarse))
        self.assertNotEqual(coarse, fine)
        self.assertLessEqual(max(abs(a - b) for a, b in zip(coarse, fine)), 1001000)
        for wrong in ("0", "1500ns", "2s", "x"):
            failed = self.seep("pack", f"--time-resolution={wrong}", spool, check=2)
            self.assertIn("like 1ms", failed.stderr)
            failed = self.seep("run", f"--time-resolution={wrong}", "true", check=125)
            self.assertIn("like 1ms", failed.stderr)

    def test_beside_an_existing_trace(self):
        spool = self.record()
        with open(self.path("x.seep"), "w", encoding="utf-8") as kept:
            kept.write("precious")
        os.mkdir(self.path("tmp"))
        done = self.seep("info", "--format=json", spool,
                         env=support.environment(TMPDIR=self.path("tmp")))
        self.assertEqual(json.loads(done.stdout)["schema"], "seep.info")
        self.assertEqual(self.left(), ["tmp", "x.seep", "x.spool"])
        self.assertEqual(os.listdir(self.path("tmp")), [])
        with open(self.path("x.seep"), encoding="utf-8") as kept:
            self.assertEqual(kept.read(), "precious")

    def test_pack(self):
        spool = self.record()
        self.assertIn("x.seep: ", self.seep("pack", "--keep", spool + "/").stdout)
        self.assertEqual(self.left(), ["x.seep", "x.spool"])
        before = os.stat(self.path("x.seep")).st_ino
        done = self.seep("pack", spool, check=2)
        self.assertIn(self.path("x.seep"), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.seep("pack", "-kf", spool)
        self.assertNotEqual(os.stat(self.path("x.seep")).st_ino, before)
        self.seep("pack", "-o", self.path("other.seep"), spool)
        self.assertEqual(self.left(), ["other.seep", "x.seep"])
        self.seep("info", self.path("other.seep"))

    def test_pack_several(self):
        spools = [self.record("a"), self.path("missing.spool"), self.record("b")]
        done = self.seep("pack", *spools, check=2)
        self.assertIn("missing.spool", done.stderr)
        self.assertEqual(self.left(), ["a.seep", "b.seep"])
        self.seep("pack", "-o", self.path("c.seep"), *spools, check=2)

    def test_pack_refuses_what_is_no_spool(self):
        for path in ("/bin/true", self.tmp):
            done = self.seep("pack", path, check=2)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(path, done.stderr)

    def test_interrupted_pack_leaves_nothing_half_written(self):
        program = 'my @a; for my $i (1..600000) { $a[$i % 1000] = [$i, "$i" x 9] }'
        spool = self.record("big", ("perl", "-e", program))
        before = sorted(os.listdir(spool))
        for _ in range(20):
            with subprocess.Popen([support.SEEP, "pack", "-kf", spool], text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
                while self.left() == ["big.spool"] and child.poll() is None:
                    time.sleep(0.001)
                child.send_signal(signal.SIGINT)
                error = child.stderr.read()
                status = child.wait(support.TIMEOUT)
            if os.path.exists(self.path("big.seep")):  # it was faster: try again
                self.seep("info", self.path("big.seep"))
                os.unlink(self.path("big.seep"))
                continue
            self.assertEqual((status, error), (-signal.SIGINT, ""))
            self.assertEqual(self.left(), ["big.spool"])
            self.assertEqual(sorted(os.listdir(spool)), before)
            self.seep("info", spool)
            return
        self.fail("packing was never interrupted")


if __name__ == "__main__":
    support.main()
