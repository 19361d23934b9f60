# SPDX-License-Identifier: MIT
"""seep compare: replays against what was recorded and what programs really need."""

import ctypes
import json
import os
import re
import signal
import subprocess
import time
import unittest

import allocators
import support

CHURN = os.path.join(support.WORKLOADS, "churn.c")
# HWCAP2_FSGSBASE of AT_HWCAP2: a thread may set its own thread pointer
GUISES = ctypes.CDLL(None).getauxval(26) & 2
ORDER = os.path.join(support.ROOT, "tests", "e2e", "programs", "order.c")

# Threads that take turns by a pipe, so that their order is known; sizes that nothing else asks for.
TURNS = r"""
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static int pipes[3][2];
static void *given[300];
static void *run(void *arg)
{
    int self = (int)(long)arg, other = (self + 1) % 3;
    for (int i = self; i < 300; i += 3) {
        char c;
        if (read(pipes[self][0], &c, 1) != 1)
            abort();
        given[i] = malloc(100000 + (size_t)i);
        if (i % 4 == 1)
            given[i] = realloc(given[i], 200000 + (size_t)i);
        if (i > 10)
            free(given[i - 10]); /* another thread's */
        if (write(pipes[other][1], &c, 1) != 1)
            abort();
    }
    return NULL;
}
int main(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        if (pipe(pipes[i]))
            return 1;
    for (long i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, run, (void *)i);
    if (write(pipes[0][1], "x", 1) != 1)
        return 1;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
"""


def compare(trace, *options, **env):
    done = support.run([support.SEEP, "compare", "--format=json", trace, *options], check=0,
                       env=support.environment(**env))
    return json.loads(done.stdout)["result"]


class Compare(support.TestCase):
    def churn(self, *arguments, env=None):
        return self.record([self.build(CHURN), *arguments], env=env or support.environment())


class Replays(Compare):
    def test_all_calls_are_replayed(self):
        recording = self.churn("3", "20")
        result = compare(recording.trace, "--with=glibc", "--repeat=1")
        heap = recording.info
        replayed = result["replay"]["calls"]
        self.assertEqual(replayed, heap["allocations"] + heap["frees"] + heap["reallocations"])
        self.assertEqual(result["recorded"]["calls"], replayed)
        [candidate] = result["candidates"]
        self.assertEqual(candidate["failed_calls"], 0)
        for call in ("malloc_ns", "free_ns"):
            self.assertLessEqual(candidate[call]["p50"], candidate[call]["p99"])
        self.assertEqual(len(candidate["rss"]), len(result["times"]))
        # what is taken off is what seep frag finds page by page
        frag = json.loads(support.run([support.SEEP, "frag", "--format=json", recording.trace],
                                      check=0).stdout)["result"]
        self.assertIn(result["recorded"]["recorder_bytes"],
                      [instant["recorder_bytes"] for instant in frag["instants"]])
        # of the tables of the program and of libc, at least, something was read, and no more than they are
        tables = 0
        for line in support.run([support.SEEP, "dump", "--format=json", recording.trace],
                                check=0).stdout.splitlines():
            event = json.loads(line) if '"op":"module"' in line else None
            if event and event["path"].startswith("/"):
                sections = support.run(["readelf", "-SW", event["path"]]).stdout
                tables += sum(int(size, 16) for size in re.findall(
                    r" \.eh_frame(?:_hdr)? +(?:PROGBITS|X86_64_UNWIND) +\w+ \w+ (\w+)", sections))
        self.assertGreater(result["recorded"]["unwind_tables_bytes"], 0)
        self.assertLessEqual(result["recorded"]["unwind_tables_bytes"], tables)

    def test_order_across_threads(self):
        program = self.build(self.write("turns.c", TURNS))
        library = self.path("liborder.so")
        support.run(["gcc", "-O1", "-fno-builtin", "-shared", "-fPIC", ORDER, "-o", library],
                    check=0)
        recording = self.record([program])
        told, numbers = [], {}
        for event in recording.dump():
            if event["op"] in ("alloc", "realloc") and event["size"] >= 100000:
                thread = numbers.setdefault(event["thread"], len(numbers))
                told.append((event["op"][0], thread, event["size"]))
        self.assertEqual(len(told), 375)
        self.assertEqual(len(numbers), 3)
        for free in ((), ("--free-running",)):
            log = self.path("log")
            result = compare(recording.trace, f"--with={library}",
                             f"--set={library}:ORDER_LOG={log}", "--repeat=1", *free)
            with open(log, encoding="ascii") as lines:
                calls = [line.split() for line in lines]
            seen, numbers = [], {}
            for call in calls:
                if call[0] != "f" and int(call[2]) >= 100000:
                    thread = numbers.setdefault(call[1], len(numbers))
                    seen.append((call[0], thread, int(call[2])))
            if free:  # each thread's own order, and all of it
                for thread in range(3):
                    sizes = [size for _, _, size in told if size % 100000 % 3 == thread]
                    self.assertEqual(sizes, [size for _, _, size in seen
                                             if size % 100000 % 3 == thread])
            else:
                self.assertEqual(seen, told)
                if GUISES:  # who runs makes the others' calls: none is woken for each of 300 turns
                    for candidate in result["candidates"]:
                        self.assertLess(candidate["voluntary_switches"], 100)

    def test_a_window_begins_with_what_was_live(self):
        recording = self.churn("2", "20", "10000")
        window = self.path("window.seep")
        support.run([support.SEEP, "cut", "-f", "-o", window, "--from=100ms", "--to=300ms",
                     recording.trace], check=0)
        result = compare(window, "--with=glibc", "--repeat=1")
        self.assertGreater(result["replay"]["calls"], result["recorded"]["calls"])
        self.assertEqual(result["candidates"][0]["failed_calls"], 0)

    def test_system_calls_on_memory(self):
        # 40 blocks that glibc maps one by one, and takes back so; threads that are traced, too
        source = self.write("maps.c", """
            #include <stdlib.h>
            int main(void)
            {
                for (int i = 0; i < 40; i++)
                    free(malloc(1 << 26)); /* beyond the limit of what it learns to keep */
                return 0;
            }""")
        maps = self.record([self.build(source)]).trace
        [candidate] = compare(maps, "--with=glibc", "--repeat=1")["candidates"]
        calls = candidate["memory_calls"]
        if calls is None:
            self.skipTest("needs ptrace")
        self.assertEqual((calls["mmap"], calls["munmap"], calls["madvise"]), (40, 40, 0))
        threads = self.churn("3", "5").trace
        [candidate] = compare(threads, "--with=glibc", "--repeat=1")["candidates"]
        self.assertGreater(candidate["memory_calls"]["mmap"], 2)  # their stacks

    def test_scale(self):
        trace = self.churn("2", "20", "2000").trace
        whole = compare(trace, "--with=glibc", "--repeat=1")
        part = compare(trace, "--with=glibc", "--repeat=1", "--scale=4")
        self.assertAlmostEqual(part["replay"]["calls"] / whole["replay"]["calls"], 0.25, delta=0.02)
        self.assertAlmostEqual(part["candidates"][0]["peak_rss_bytes"]
                               / whole["candidates"][0]["peak_rss_bytes"], 1, delta=0.01)


    def test_what_the_program_has_loaded_anyway(self):
        # a program linked with jemalloc keeps it where another serves it: its replays all load it
        library = allocators.allocator("jemalloc")
        source = self.write("keeps.c", """
            #include <stdlib.h>
            int main(void) { return malloc(4000000) == NULL; }""")
        flags = ("-Wl,--no-as-needed", library)
        own = {}
        for name, flag in (("plain", ()), ("linked", flags)):
            trace = self.record([self.build(source, name, flag)]).trace
            result = compare(trace, "--with=glibc,mimalloc", "--repeat=1")
            own[name] = {c["name"]: c["own_bytes"] for c in result["candidates"]}
            self.assertEqual(list(own[name]), ["glibc", "mimalloc"] if name == "plain"
                             else ["jemalloc", "glibc", "mimalloc"])
            versions = [c["version"].split(".")[0] for c in result["candidates"][-2:]]
            self.assertEqual(versions, ["2", "2"])  # each its own
        for other in ("glibc", "mimalloc"):
            self.assertGreater(own["linked"][other], own["plain"][other] + (256 << 10))

    def test_a_program_that_asks_how_large_its_blocks_are(self):
        # one fills what it gets; one asks, but only in a library that has no part in the heap
        library = self.path("libidle.so")
        idle = self.write("idle.c", """
            #include <malloc.h>
            size_t idle(void *p) { return p ? malloc_usable_size(p) : 0; }""")
        support.run(["gcc", "-shared", "-fPIC", idle, "-o", library], check=0)
        asks = self.write("asks.c", """
            #include <malloc.h>
            #include <string.h>
            int main(void)
            {
                char *p = malloc(4000000);
                memset(p, 1, malloc_usable_size(p));
                return p[4000000] != 1;
            }""")
        plain = self.write("plain.c", """
            #include <stdlib.h>
            size_t idle(void *p);
            int main(void) { return idle(NULL) != 0 || malloc(100000) == NULL; }""")
        asker = self.record([self.build(asks)]).trace
        result = compare(asker, "--with=glibc,mimalloc", "--repeat=1")
        self.assertEqual(result["recorded"]["sizes_asked_by"], "asks")
        self.assertIn("asks how large its blocks really are", result["verdict"]["sentences"][-1])
        # the same allocator gives the same sizes
        result = compare(asker, "--with=glibc", "--repeat=1")
        self.assertNotIn("really are", " ".join(result["verdict"]["sentences"]))
        other = self.record([self.build(plain, flags=("-Wl,--no-as-needed", library))], env=support.environment(
            LD_LIBRARY_PATH=os.path.dirname(library))).trace
        self.assertIsNone(compare(other, "--with=glibc", "--repeat=1")["recorded"]["sizes_asked_by"])


class Predictions(Compare):
    def really(self, program, arguments, **env):
        """Peak RSS of the program alone, the kernel's word."""
        run = subprocess.Popen([program, *arguments], env=support.environment(**env),
                               stdout=subprocess.DEVNULL)
        peak = 0
        while run.poll() is None:
            try:
                with open(f"/proc/{run.pid}/status", encoding="ascii") as status:
                    found = re.search(r"VmHWM:\s+(\d+)", status.read())
            except OSError:
                found = None
            peak = max(peak, int(found[1]) * 1024 if found else 0)
            try:
                run.wait(0.02)
            except subprocess.TimeoutExpired:
                pass
        return peak

    def test_peak_is_near_the_real_one(self):
        # One thread, so that what is resident does not depend on how threads happen to run. Its
        # real runs lie within 1 % of each other. It is so small that the recorder's share counts:
        # predictions have been 10 % too high.
        arguments = ["1", "60"]
        library = allocators.allocator("jemalloc")
        program = self.build(CHURN)
        recording = self.record([program, *arguments])
        result = compare(recording.trace, "--with=jemalloc", "--set=glibc:MALLOC_MMAP_THRESHOLD_=4096",
                         "--repeat=1")
        # it grows fast: what is resident changes while mappings are looked at
        self.assertLess(abs(result["self_check"]["peak_miss_percent"]), 20, result["self_check"])
        real = {("glibc", ""): {}, ("jemalloc", ""): {"LD_PRELOAD": library},
                ("glibc", "MALLOC_MMAP_THRESHOLD_=4096"): {"MALLOC_MMAP_THRESHOLD_": "4096"}}
        self.assertEqual([(c["name"], c["settings"]) for c in result["candidates"]],
                         [("glibc", ""), ("jemalloc", ""),
                          ("glibc", "MALLOC_MMAP_THRESHOLD_=4096")])
        peaks = {}
        for candidate in result["candidates"]:
            key = candidate["name"], candidate["settings"]
            peaks[key] = self.really(program, arguments, **real[key])
            self.assertAlmostEqual(candidate["peak_rss_bytes"] / peaks[key], 1, delta=0.2,
                                   msg=f"{key}: {candidate['peak_rss_bytes']}, really {peaks[key]}")
        # the margin is smaller than what there is to be told
        self.assertGreater(max(peaks.values()) / min(peaks.values()), 1.4, peaks)


class Refusals(Compare):
    def test_a_heap_that_does_not_fit(self):
        script = "root 1\nnode 2 1 0x401000\n" + "".join(
            f"alloc b{i} {1000 + i} 1 2 {0x100000000000 + (i << 41)} {1 << 40} {1 << 40} malloc\n"
            for i in range(16))
        trace = self.make_trace(script, "huge.seep")
        done = support.run([support.SEEP, "compare", trace], check=2)
        self.assertRegex(done.stderr, r"needs about 20 TiB, and .* available; --scale=\d+ ")
        scale = re.search(r"--scale=(\d+)", done.stderr)[1]
        self.assertGreaterEqual(int(scale), 16)

    def test_a_heap_that_limits_do_not_allow(self):
        script = "root 1\nnode 2 1 0x401000\n" + "".join(
            f"alloc b{i} {1000 + i} 1 2 {0x100000000000 + (i << 24)} {1 << 23} {1 << 23} malloc\n"
            for i in range(40))
        trace = self.make_trace(script)
        limited = ["prlimit", f"--as={400 << 20}", support.SEEP, "compare", "--with=glibc",
                   "--repeat=1", trace]
        done = support.run(limited, check=2)
        self.assertIn("needs about 464 MiB, and 400 MiB are available; --scale=2 ", done.stderr)
        support.run(limited + ["--scale=2"], check=0)

    def test_a_library_that_the_trace_names(self):
        # in no directory of the system: run only where the user names it, too
        library = self.path("liborder.so")
        support.run(["gcc", "-O1", "-fno-builtin", "-shared", "-fPIC", ORDER, "-o", library],
                    check=0)
        trace = self.record([os.path.join(support.BUILD, "samples", "leak")],
                            env=support.environment(LD_PRELOAD=library)).trace
        result = compare(trace, "--with=glibc", "--repeat=1")
        self.assertIsNone(result["self_check"])
        self.assertIn(f"--with={library} has it loaded", result["self_missing"])
        self.assertEqual([c["library"] for c in result["candidates"]], [None])
        result = compare(trace, f"--with={library}", "--repeat=1")
        self.assertEqual(result["self_check"]["name"], os.path.basename(library))
        self.assertEqual([(c["library"], c["recorded"]) for c in result["candidates"]],
                         [(library, True)])

    def test_interrupted(self):
        # a signal that reaches seep alone, not the group: the replay goes with it
        source = self.write("rest.c", """
            #include <stdlib.h>
            #include <unistd.h>
            int main(void)
            {
                free(malloc(100));
                usleep(300000);
                return 0;
            }""")
        trace = self.record([self.build(source)]).trace
        tmp = self.path("tmp")
        os.mkdir(tmp)
        for counted in (True, False):  # the first one is traced
            with subprocess.Popen([support.SEEP, "compare", "--with=glibc", "--repeat=100", trace],
                                  env=support.environment(TMPDIR=tmp), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True) as seep:
                replay = self.child_of(seep, lambda words: (b"counted" in words) == counted)
                if not counted:
                    os.kill(replay, signal.SIGSTOP)  # who waits for it to end waits in vain
                seep.send_signal(signal.SIGINT)
                self.assertEqual(seep.wait(support.TIMEOUT), -signal.SIGINT)
                self.assertEqual(seep.stderr.read(), "")
            self.wait_for_end(replay)
        self.assertEqual(os.listdir(tmp), [])

    def child_of(self, parent, wanted):
        """The pid of a seep-replay that `parent` has started, with arguments that are wanted."""
        while parent.poll() is None:
            with open(f"/proc/{parent.pid}/task/{parent.pid}/children", encoding="ascii") as text:
                children = text.read().split()
            for child in children:
                try:
                    with open(f"/proc/{child}/cmdline", "rb") as command:
                        words = command.read().split(b"\0")
                except OSError:
                    continue
                if words[0].endswith(b"seep-replay") and wanted(words):
                    return int(child)
            time.sleep(0.005)
        self.fail("it ended: " + parent.stderr.read())

    def wait_for_end(self, pid):
        end = time.monotonic() + support.TIMEOUT
        while time.monotonic() < end:
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                    if stat.read().rsplit(")", 1)[1].split()[0] in "ZX":
                        return
            except OSError:
                return
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)
        self.fail("the replay outlives seep")

    def test_no_such_allocator(self):
        trace = self.record([os.path.join(support.BUILD, "samples", "leak")]).trace
        for options, words in (
                (["--with=nosuch"], "nosuch: no allocator of that name is known; there are glibc"),
                (["--with=/nowhere/lib.so"], "/nowhere/lib.so: there is no such library"),
                (["--set=jemalloc"], "not NAME:VARIABLE=VALUE"),
                (["--speed=0"], "out of range")):
            done = support.run([support.SEEP, "compare", trace, *options], check=2)
            self.assertIn(words, done.stderr)
        # a library that leaves malloc alone
        empty = self.write("empty.c", "int nothing;\n")
        library = self.path("libempty.so")
        support.run(["gcc", "-shared", "-fPIC", empty, "-o", library], check=0)
        done = support.run([support.SEEP, "compare", trace, f"--with={library}"], check=2)
        self.assertIn("does not serve malloc", done.stderr)

    def test_a_missing_one_is_named_with_its_package(self):
        library = os.path.realpath(allocators.allocator("mimalloc"))
        trace = self.record([os.path.join(support.BUILD, "samples", "leak")]).trace
        hidden = ["unshare", "-rm", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"', library]
        if support.run(hidden + ["true"]).returncode != 0:
            self.skipTest("needs to make a mount namespace")
        done = support.run(hidden + [support.SEEP, "compare", trace, "--with=mimalloc"], check=2)
        self.assertIn("libmimalloc.so.2 is not installed (Debian package libmimalloc2.0)",
                      done.stderr)


if __name__ == "__main__":
    support.main()
