# SPDX-License-Identifier: MIT
"""What leads to blocks: planted leaks are found, and none is invented; valgrind says the same."""

import glob
import os
import re
import signal
import subprocess
import time

import support

PROGRAMS = os.path.join(support.ROOT, "tests", "e2e", "programs")
ALL = ("--show=all", "--top=all", "--depth=all", "--show-builtin")
KINDS = ("definite", "indirect", "possible", "reachable")


class Planted(support.TestCase):
    timeout = 250

    def compile(self, compiler, *flags):
        """Program and library."""
        support.need(compiler, compiler)
        cxx = {"gcc": "g++", "clang": "clang++"}[compiler]
        program, library = self.path("planted"), self.path("planted.so")
        for command in ([compiler, "-shared", "-fPIC", "-fno-builtin", *flags, "-g",
                         os.path.join(PROGRAMS, "planted_library.c"), "-o", library],
                        [cxx, "-fno-builtin", "-pthread", *flags, "-g",
                         os.path.join(PROGRAMS, "planted.cpp"), "-o", program, "-ldl"]):
            done = support.run(command)
            self.assertEqual(done.returncode, 0, done.stderr)
        return program, library

    def check(self, scale, compiler, *flags):
        program, library = self.compile(compiler, *flags)
        done = self.record([program, library, str(scale)], options=["--snapshot=exit"])
        result = done.leaks(*ALL)
        planted = {name: (int(causes), int(more))
                   for name, causes, more in re.findall(r"(\w+) (\d+) (\d+)", done.stdout)}
        found = {}
        for site in result["sites"]:
            names = [re.match(r"\w*", frame["function"])[0] for frame in site["frames"]]
            name = next((n for n in names if n in planted), None)
            if site["kind"] == "definite":
                self.assertIsNotNone(name, f"invented: {names}")
                causes, more = found.get(name, (0, 0))
                found[name] = (causes + site["blocks"], more + site["indirect"]["blocks"])
            else:
                self.assertIsNone(name, f"missed: {site['kind']} {names}")
                self.assertEqual(site["kind"] == "possible", "keep_inside" in names
                                 and site["blocks"] == 5 * scale, names)
        self.assertEqual(found, planted)
        self.assertGreater(result["total"]["reachable"]["blocks"], 950 * scale)
        for kind in KINDS:
            self.assertEqual(result[kind], result["total"][kind])
        return program, library, result["total"]

    def test_gcc(self):
        for flags in (("-O0",), ("-O2",)):
            with self.subTest(flags=flags):
                self.check(100 if flags == ("-O2",) else 5, "gcc", *flags)

    def test_clang(self):
        for flags in (("-O0",), ("-O2",)):
            with self.subTest(flags=flags):
                self.check(100 if flags == ("-O0",) else 5, "clang", *flags)

    def test_valgrind_says_the_same(self):
        support.need("valgrind", "valgrind")
        program, library, total = self.check(2, "gcc", "-O1")
        done = support.run(["valgrind", "--leak-check=full", "--run-libc-freeres=no",
                            "--run-cxx-freeres=no", program, library, "2"], timeout=self.timeout)
        lost = dict(re.findall(r"(definitely|indirectly) lost: [\d,]+ bytes in ([\d,]+) blocks",
                               done.stderr))
        bytes_lost = dict(re.findall(r"(definitely|indirectly) lost: ([\d,]+) bytes", done.stderr))
        for word, kind in (("definitely", "definite"), ("indirectly", "indirect")):
            self.assertEqual(int(lost[word].replace(",", "")), total[kind]["blocks"], kind)
            self.assertEqual(int(bytes_lost[word].replace(",", "")), total[kind]["bytes"], kind)


# Loses 3 blocks of 100 bytes, each with one of 50 that it leads to, and keeps 10 of 1000; takes a
# snapshot at a call, loses 2 blocks of 7 bytes, frees all that it kept; with an argument it goes on
# making and freeing blocks for ever.
PHASES = r"""
#include <stdlib.h>
#include <unistd.h>
#include <seep/seep.h>
void *volatile kept[10];
__attribute__((noinline)) void lose(void)
{
    void **first = malloc(100);
    *first = malloc(50);
    __asm__ volatile("" : : "r"(first) : "memory");
}
__attribute__((noinline)) void lose_late(void)
{
    void *p = malloc(7);
    __asm__ volatile("" : : "r"(p) : "memory");
}
__attribute__((noinline)) void scrub(void)
{
    volatile char room[65536];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
}
int main(int argc, char **argv)
{
    for (int i = 0; i < 10; i++)
        kept[i] = malloc(1000);
    for (int i = 0; i < 3; i++)
        lose();
    scrub();
    seep_mark("before");
    seep_snapshot();
    seep_mark("after");
    for (int i = 0; i < 2; i++)
        lose_late();
    scrub();
    for (int i = 0; i < 10; i++)
        free(kept[i]);
    while (argc > 1)
        free(malloc(rand() % 1000));
    return 0;
}
"""


class Moments(support.TestCase):
    """Graphs of other moments than the end, and what becomes of them."""

    def program(self):
        return self.build(self.write("phases.c", PHASES), flags=("-O1", "-g"))

    def words(self, *command):
        return " ".join(support.run([support.SEEP, *command], check=0).stdout.split())

    def assert_at_call(self, trace, *options):
        result = support.report("leaks", trace, "--by=function", *options)["result"]
        self.assertEqual(result["graph"]["trigger"], "call")
        self.assertEqual([(s["name"], s["blocks"], s["bytes"], s["indirect"]["blocks"],
                           s["indirect"]["bytes"]) for s in result["sites"]],
                         [("lose", 3, 300, 3, 150)])
        self.assertEqual(result["definite"], {"blocks": 3, "bytes": 300})
        self.assertEqual(result["word"], "definitely lost")
        self.assertGreaterEqual(result["total"]["reachable"]["blocks"], 10)
        return result

    def test_the_moment_is_that_of_the_snapshot(self):
        done = self.record([self.program()])
        self.assert_at_call(done.trace)
        snapshot, = done.info["snapshots"]
        self.assertIsNone(snapshot["missing"])
        self.assertGreaterEqual(snapshot["blocks"], 16)
        # what is live at the end is another thing
        live = done.leaks("--show=live", "--by=function")
        self.assertIsNone(live["graph"])
        self.assertIsNone(live["definite"])
        self.assertEqual(sorted((s["name"], s["blocks"]) for s in live["sites"]
                                if s["name"].startswith("lose")), [("lose", 6), ("lose_late", 2)])

    def test_the_last_graph_counts(self):
        done = self.record([self.program()], options=["--snapshot=exit"])
        result = done.leaks("--by=function")
        self.assertEqual(result["graph"]["trigger"], "exit")
        self.assertEqual({s["name"]: s["blocks"] for s in result["sites"]},
                         {"lose": 3, "lose_late": 2})
        self.assertEqual(len(done.info["snapshots"]), 2)
        # of a window, its last one
        self.assert_at_call(done.trace, "--to=after")
        nothing = done.leaks("--to=before")
        self.assertIsNone(nothing["graph"])
        self.assertIn("no snapshot was taken", nothing["no_graph"])

    def test_windows_keep_graphs_and_several_processes_do_not(self):
        done = self.record([self.program()])
        window = self.path("window.seep")
        support.run([support.SEEP, "cut", "--from=#5", "-o", window, done.trace], check=0)
        result = support.report("leaks", window)["result"]
        self.assertEqual(result["graph"]["trigger"], "call")
        support.run([support.SEEP, "cut", "--to=before", "-f", "-o", window, done.trace], check=0)
        self.assertIsNone(support.report("leaks", window)["result"]["graph"])
        other, merged = self.path("other.seep"), self.path("merged.seep")
        self.record([self.program()], trace="other.seep")
        support.run([support.SEEP, "merge", "-o", merged, done.trace, other], check=0)
        result = support.report("leaks", merged)["result"]
        self.assertIsNone(result["graph"])
        self.assertIn("several processes", result["no_graph"])

    def test_a_packer_that_goes_on_after_another_was_killed(self):
        trace = self.path("out.seep")
        command = [support.SEEP, "run", "-o", trace, "--spool-size=1M", "--set=TAIL_MAX=16k", "--",
                   self.program(), "on"]
        with subprocess.Popen(command, env=support.environment(), stderr=subprocess.DEVNULL) as run:
            packed = self.path("*.spool/packed")
            deadline = time.monotonic() + self.timeout
            while not glob.glob(packed) and time.monotonic() < deadline:
                time.sleep(0.01)
            spool = os.path.dirname(glob.glob(packed)[0])
            pid = int(os.path.basename(spool).split(".")[1])
            run.send_signal(signal.SIGSTOP)  # else it would pack the rest when the program is gone
            os.kill(pid, signal.SIGKILL)
            run.kill()
        while support.run([support.SEEP, "pack", "-o", trace, spool]).returncode != 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        self.assert_at_call(trace)
        self.assertFalse(os.path.exists(spool))

    def test_words(self):
        done = self.record([self.program()])
        text = self.words("leaks", "--by=function", done.trace)
        self.assertRegex(text, r"^300 B in 3 blocks are definitely lost, and with them 150 B in 3 "
                               r"blocks that nothing else leads to, from one function: lose \(")
        self.assertRegex(text, r"still reachable; --show=all lists all")
        text = self.words("leaks", "--show=all", "--by=function", done.trace)
        self.assertRegex(text, r"definitely lost, 3 lost, and with them 3 that nothing else")
        self.assertRegex(text, r"still reachable, malloc")
        done = self.record([self.build(self.write("empty.c", "int main(void) { return 0; }"))],
                           options=["--snapshot=exit"], trace="empty.seep")
        text = support.run([support.SEEP, "leaks", done.trace], check=0).stdout
        self.assertRegex(text, r"^Nothing is definitely lost\.")
        trace = self.record([self.program()], options=["--snapshot=never"]).trace
        wrong = support.run([support.SEEP, "leaks", "--show=all,none", trace])
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("--show=all,none", wrong.stderr)

    def test_without_a_graph(self):
        done = self.record([self.build(self.write("leaky.c", PHASES.replace("seep_snapshot();", "")))])
        result = done.leaks()
        self.assertIsNone(result["graph"])
        self.assertEqual(result["no_graph"], "no snapshot was taken")
        self.assertEqual(result["word"], "live at exit")
        text = support.run([support.SEEP, "leaks", done.trace], check=0).stdout
        self.assertIn("seep run --snapshot=exit", " ".join(text.split()))
        self.assertEqual(done.info["snapshots"], [])


FORKS = r"""
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
void *volatile kept[100];
__attribute__((noinline)) void lose(size_t bytes)
{
    void *p = malloc(bytes);
    __asm__ volatile("" : : "r"(p) : "memory");
}
__attribute__((noinline)) void scrub(void)
{
    volatile char room[65536];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
}
int main(void)
{
    for (int i = 0; i < 100; i++)
        kept[i] = malloc(10);
    lose(111);
    scrub();
    if (fork() == 0) {
        lose(222);
        kept[3] = malloc(5);
        scrub();
        exit(0);
    }
    wait(NULL);
    return 0;
}
"""


class Forks(support.TestCase):
    def test_a_child_answers_for_what_it_made(self):
        done = self.record([self.build(self.write("forks.c", FORKS))], options=["--snapshot=exit"])
        child, = done.children()

        def definite(trace, *options):
            result = support.report("leaks", trace, "--by=function", *options)["result"]
            return sorted((s["name"], s["blocks"], s["bytes"]) for s in result["sites"])

        self.assertEqual(definite(done.trace), [("lose", 1, 111)])
        self.assertEqual(definite(child), [("lose", 1, 222)])
        # what it has from its parent: lost there, and lost by what it did
        self.assertEqual(definite(child, "--inherited"), [("lose", 1, 111), ("main", 1, 10)])
        text = " ".join(support.run([support.SEEP, "leaks", child], check=0).stdout.split())
        self.assertIn("Of 227 B in 2 blocks live at exit, 5 B in 1 block is still reachable", text)


# By LeakSanitizer's functions, as in programs that are annotated for it.
ON_PURPOSE = r"""
#include <stdlib.h>
__attribute__((weak)) void __lsan_disable(void);
__attribute__((weak)) void __lsan_enable(void);
__attribute__((weak)) void __lsan_ignore_object(const void *);
__attribute__((noinline)) void lose(size_t bytes)
{
    void **p = malloc(bytes);
    *p = malloc(bytes + 1);
    __asm__ volatile("" : : "r"(p) : "memory");
}
__attribute__((noinline)) void ignore(size_t bytes)
{
    void **p = malloc(bytes);
    *p = malloc(bytes + 1);
    __lsan_ignore_object((char *)p + 3);
}
__attribute__((noinline)) void scrub(void)
{
    volatile char room[65536];
    for (size_t i = 0; i < sizeof room; i++)
        room[i] = 0;
}
int main(void)
{
    lose(10);
    __lsan_disable();
    lose(20);
    __lsan_disable();
    lose(30);
    __lsan_enable();
    lose(40);
    __lsan_enable();
    lose(60);
    ignore(50);
    scrub();
    return 0;
}
"""


class OnPurpose(support.TestCase):
    def test_what_is_on_purpose_is_no_leak(self):
        program = self.build(self.write("purpose.c", ON_PURPOSE))
        done = self.record([program], options=["--snapshot=exit"])
        sites = done.leaks("--show=all", "--top=all")["sites"]
        self.assertEqual(sorted((s["bytes"], s["kind"], s["indirect"]["bytes"], s["ignored_blocks"])
                                for s in sites),
                         [(10, "definite", 11, 0)] +
                         [(size, "reachable", 0, 1) for size in (20, 21, 30, 31, 40, 41, 50, 51)] +
                         [(60, "definite", 61, 0)])


# What keeps what: a table of 4 chains through a variable; a list through one of C++ objects; a
# block that two variables hold; a thread's stack.
KEEPERS = r"""
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
struct Shape { virtual ~Shape() {} virtual int sides() { return 0; } Shape *next = nullptr; };
struct Square : Shape { int sides() override { return 4; } char room[100]; };
struct Chain { Chain *next; char room[992]; };
struct Table { Chain *chains[4]; };
Table *g_table;
namespace app { Shape *shapes; }
void *first_owner, *second_owner;
__attribute__((noinline)) Chain *chain_new(Chain *next)
{
    Chain *c = static_cast<Chain *>(malloc(sizeof *c));
    c->next = next;
    return c;
}
__attribute__((noinline)) Table *table_new()
{
    Table *t = static_cast<Table *>(malloc(sizeof *t));
    for (Chain *&chain : t->chains) {
        chain = nullptr;
        for (int i = 0; i < 25; i++)
            chain = chain_new(chain);
    }
    return t;
}
__attribute__((noinline)) void shapes_add() { Shape *s = new Square; s->next = app::shapes; app::shapes = s; }
__attribute__((noinline)) void *owned_new() { return malloc(5000); }
static void *stay(void *ready)
{
    void *volatile local = malloc(3000);
    char go = (char)(local != nullptr);
    if (write(*static_cast<int *>(ready), &go, 1) == 1)
        for (;;)
            pause();
    return local;
}
int main()
{
    pthread_t thread;
    int ready[2];
    char go;
    g_table = table_new();
    for (int i = 0; i < 10; i++)
        shapes_add();
    first_owner = second_owner = owned_new();
    if (pipe(ready) != 0 || pthread_create(&thread, nullptr, stay, &ready[1]) != 0 ||
        read(ready[0], &go, 1) != 1)
        return 1;
    pthread_setname_np(thread, "stayer");
    _exit(0);
}
"""


def plain(name):
    """A function's name without its parameters."""
    return name.split("(")[0]


class Keepers(support.TestCase):
    """seep heap: who keeps memory alive."""

    def setUp(self):
        super().setUp()
        program = self.build(self.write("keepers.cpp", KEEPERS), flags=("-O1", "-g"))
        self.trace = self.record([program], options=["--snapshot=exit"]).trace

    def heap(self, *options):
        return support.report("heap", self.trace, "--top=all", *options)["result"]

    def test_who(self):
        result = self.heap()
        keepers = {plain(k["name"]): k for k in result["keepers"]}
        table = keepers["g_table"]
        self.assertEqual((table["kind"], table["blocks"], table["bytes"]),
                         ("variable", 101, 32 + 100 * 1000))
        self.assertEqual((os.path.basename(table["file"]), table["line"]), ("keepers.cpp", 9))
        self.assertEqual([(plain(s["name"]), s["blocks"]) for s in table["through"]],
                         [("table_new", 101), ("chain_new", 100)])
        self.assertEqual((keepers["app::shapes"]["blocks"], keepers["app::shapes"]["bytes"]),
                         (10, 10 * 120))
        shared = keepers["owned_new"]
        self.assertEqual((shared["kind"], shared["blocks"], shared["bytes"]), ("shared", 1, 5000))
        for owner in ("first_owner", "second_owner"):
            self.assertNotIn(owner, keepers)
        stack, = [k for k in result["keepers"] if k["kind"] == "stack" and k["bytes"] >= 3000]
        self.assertRegex(stack["name"], r"stack of thread 2")
        self.assertEqual(sum(k["bytes"] for k in result["keepers"]), result["total"]["bytes"])
        self.assertEqual(sum(k["blocks"] for k in result["keepers"]), result["total"]["blocks"])

    def test_sites_and_classes(self):
        result = self.heap()
        sites = {plain(s["name"]): s for s in result["sites"]}
        self.assertEqual((sites["table_new"]["bytes"], sites["table_new"]["retained_bytes"]),
                         (32, 32 + 100 * 1000))
        self.assertEqual((sites["chain_new"]["blocks"], sites["chain_new"]["retained_bytes"]),
                         (100, 100 * 1000))
        self.assertEqual(plain(sites["chain_new"]["frames"][0]["function"]), "chain_new")
        classes = {c["name"]: c for c in result["classes"]}
        self.assertEqual((classes["Square"]["blocks"], classes["Square"]["retained_bytes"]),
                         (10, 10 * 120))

    def test_paths(self):
        path = self.heap("--path=chain_new")["path"]
        self.assertFalse(path["lost"] or path["interior"])
        self.assertEqual([plain(s["name"]) for s in path["steps"]], ["g_table", "table_new", "chain_new"])
        block = path["steps"][2]
        self.assertEqual(block["bytes"], 1000)
        inside = hex(int(block["address"], 16) + 500)
        self.assertEqual(self.heap(f"--path={inside}")["path"]["steps"], path["steps"])
        path = self.heap("--path=^shapes_add(")["path"]
        self.assertEqual(path["steps"][1]["class"], "Square")
        text = support.run([support.SEEP, "heap", "--path=chain_new", self.trace], check=0).stdout
        self.assertRegex(" ".join(text.split()),
                         r"g_table \(keepers\.cpp:9\) → table_new\(\) \(keepers\.cpp:\d+\) .* → "
                         r"chain_new\(Chain\*\) \(keepers\.cpp:\d+\)")
        for target in ("0x10", "no_such_function"):
            done = support.run([support.SEEP, "heap", f"--path={target}", self.trace])
            self.assertEqual((done.returncode, done.stdout), (2, ""))

    def test_names_of_a_stripped_program(self):
        program, debug = self.path("keepers"), self.path("keepers.debug")
        for command in (["objcopy", "--only-keep-debug", program, debug], ["strip", program],
                        ["objcopy", f"--add-gnu-debuglink={debug}", program]):
            support.run(command, check=0)
        keepers = {k["name"]: k for k in self.heap()["keepers"]}
        self.assertEqual((keepers["g_table"]["bytes"], keepers["g_table"]["line"]),
                         (32 + 100 * 1000, 9))
        os.unlink(debug)
        names = [k["name"] for k in self.heap()["keepers"]]
        self.assertIn("data of keepers", names)
        self.assertNotIn("g_table", names)

    def test_words(self):
        text = support.run([support.SEEP, "heap", self.trace], check=0).stdout
        self.assertRegex(text, r"live at exit; g_table \(keepers\.cpp:9\)\s+keeps \d")
        self.assertRegex(text, r"owned_new\(\) \(keepers\.cpp:\d+\), held by several")
        self.assertRegex(text, r"objects of\n.*Square")
        plain = self.record(["true"], trace="plain.seep").trace
        text = support.run([support.SEEP, "heap", plain], check=0).stdout
        self.assertRegex(text, r"^There is no heap graph: no snapshot was taken\. seep run")


if __name__ == "__main__":
    support.main()
