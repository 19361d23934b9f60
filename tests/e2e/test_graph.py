# SPDX-License-Identifier: MIT
"""Heap graph snapshots as the recorder takes them: what is in them, when they are taken, and that
programs do not notice. Row 32 of docs/hazards.md."""

import glob
import re
import signal

from graph_file import GraphFile
from hazards import Fix, TestCase, hazard
import support
from test_workloads import make_repository

STOP = "preload/graph_stop.c"
GRAPH = "preload/graph.c"


class Graphs(TestCase):
    def exits(self, args, snapshot="exit", check=0, **more):
        """Runs `args` with the recorder preloaded; returns the Recording and its graphs."""
        env = support.environment(SEEP_SNAPSHOT=snapshot, **more.pop("environment", {}))
        done = self.preload(args, env=env, check=check, **more)
        return done, self.graphs(done.trace)

    def graphs(self, spool):
        found = [GraphFile(path) for path in sorted(glob.glob(glob.escape(spool) + "/graph.*"))]
        for number, graph in enumerate(found, 1):
            self.assertEqual((graph.magic, graph.number), (b"SEEPGRF\n", number))
        return found

    def rows(self, done):
        """What the trace tells of snapshots: list of dicts, in order."""
        return [event for event in done.dump() if event["op"] == "graph"]

    def assert_sound(self, graph):
        self.assertEqual((graph.complete, graph.behind_end), (1, 0))
        self.assertEqual(graph.words, sum(len(r.words) for r in graph.regions))
        end = 0
        heaps = [(r.start, r.start + r.bytes) for r in graph.regions if r.kind == "heap"]
        for region in graph.regions:
            if region.kind != "registers":
                self.assertGreaterEqual(region.start, end)
                end = region.start + region.bytes
            for place, _ in region.words:
                self.assertTrue(region.start <= place < region.start + region.bytes)
        self.assertTrue(heaps)


class Truth(Graphs):
    def truth(self, done):
        """What graph_truth.c prints: {place: address}, and nothing twice."""
        pairs = [line.split() for line in done.stdout.splitlines()]
        self.assertEqual(pairs[-1], ["last", "0"])
        places = {place: int(address, 16) for place, address in pairs}
        self.assertEqual(len(places), len(pairs))
        return places

    def library(self):
        return self.program("graph_library", name="library.so", flags=("-shared", "-fPIC"))

    # In which region the pointer to each block is, and what thread's that is: 1 is main.
    EXPECTED = {
        "stack": "stack", "data": "data", "bss": "data", "tls": "tls", "library": "data",
        "specific": "tls", "heap": "heap", "mapped": "heap", "shared": "heap",
        "registered": "registered", "given-back": "heap", "registers": "registers",
        "thread": "stack", "thread-tls": "tls", "alternate": "alternate",
        "below-alternate": "whole stack", "stack-in-block": "stack",
        "interior": "data", "registered-block": "data",
    }

    def test_pointers_are_found_where_they_are(self):
        for flags in (("-O0",), ("-O2",), ("-O1", "-no-pie")):
            with self.subTest(flags=flags):
                program = self.program("graph_truth", flags=flags)
                done, (graph,) = self.exits([program, self.library()], stem="".join(flags))
                self.assert_sound(graph)
                places = self.truth(done)
                for place, kind in self.EXPECTED.items():
                    self.assertIn(kind, [k for k, _, _ in graph.places(places[place])], place)
                # neither in the recorder's own memory nor where the stack was
                self.assertEqual(graph.places(places["hidden"]), [])
                self.assertEqual({k for k, _, _ in graph.places(places["freed"])} - {"heap"},
                                 set())

    def test_each_thread_has_its_own(self):
        done, (graph,) = self.exits([self.program("graph_truth"), self.library()])
        places = self.truth(done)
        main = graph.places(places["stack"])[0][2]
        self.assertEqual(main, 1)
        found = {place: {t for k, _, t in graph.places(places[place]) if k == kind}
                 for place, kind in (("thread", "stack"), ("thread-tls", "tls"),
                                     ("registers", "registers"), ("alternate", "alternate"))}
        self.assertEqual(found["thread"], found["thread-tls"])
        self.assertEqual(len(set.union(*found.values())), 3)
        self.assertNotIn(0, set.union(*found.values()))

    def test_memory_that_was_never_touched_costs_nothing(self):
        program = self.build(self.write("vast.c", r"""
            #include <stdio.h>
            #include <stdlib.h>
            #include <sys/mman.h>
            int main(void)
            {
                char *vast = mmap(NULL, 1L << 40, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                *(void **)(vast + (1L << 39)) = malloc(100);
                printf("%lx %lx\n", (long)vast + (1L << 39), *(long *)(vast + (1L << 39)));
                return vast == MAP_FAILED;
            }
            """))
        done, (graph,) = self.exits([program])
        self.assert_sound(graph)
        place, address = (int(word, 16) for word in done.stdout.split())
        self.assertIn(("heap", place, 0), graph.places(address))
        self.assertLess(graph.scanned_bytes, 64 << 20)


class Moments(Graphs):
    def ends(self, body, name="ends", declarations="", **more):
        """A program that leaves a pointer in its data and then does `body`."""
        program = self.build(self.write(name + ".c", r"""
            #define _GNU_SOURCE
            #include <pthread.h>
            #include <signal.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <sys/syscall.h>
            #include <sys/wait.h>
            #include <unistd.h>
            #include "seep/seep.h"
            static void *volatile kept;
            """ + declarations + r"""
            int main(void)
            {
                kept = malloc(100);
                printf("%p\n", kept);
                fflush(stdout);
                """ + body + r"""
            }
            """), name)
        return self.exits([program], stem=name, **more)

    def test_all_ways_to_end(self):
        thread = "static void *ends(void *unused) { (void)unused; exit(7); }"
        last = "static void *ends(void *unused) { (void)unused; usleep(50000); return NULL; }"
        start = "pthread_t t; pthread_create(&t, NULL, ends, NULL); "
        ways = {
            "return": ("return 7;", "", 7),
            "exit": ("exit(7);", "", 7),
            "_exit": ("_exit(7);", "", 7),
            "_Exit": ("_Exit(7);", "", 7),
            "quick_exit": ("quick_exit(7);", "", 7),
            "exit_group": ("syscall(SYS_exit_group, 7);", "", 7),
            "thread": (start + "for (;;) pause();", thread, 7),
            "last_thread": (start + "pthread_exit(NULL);", last, 0),
        }
        for name, (body, declarations, status) in ways.items():
            with self.subTest(way=name):
                done, graphs = self.ends(body, name, declarations, check=status)
                self.assertEqual(len(graphs), 1, name)
                self.assert_sound(graphs[0])
                self.assertIn("data",
                              [k for k, _, _ in graphs[0].places(int(done.stdout, 16))])
                (row,) = self.rows(done)
                self.assertEqual((row["snapshot"], row["trigger"], row["missed_threads"]),
                                 (1, "exit", 0))

    def test_other_ends_have_none(self):
        for name, body, status in (("abort", "abort();", -signal.SIGABRT),
                                   ("killed", "raise(SIGKILL);", -signal.SIGKILL)):
            done, graphs = self.ends(body, name, check=status)
            self.assertEqual(graphs, [])

    def test_after_all_destructors(self):
        library = self.build(self.write("late.c", r"""
            #include <stdlib.h>
            static void *volatile block;
            __attribute__((constructor)) static void begin(void) { block = malloc(1234); }
            __attribute__((destructor)) static void end(void) { free(block); }
            """), "late.so", flags=("-shared", "-fPIC"))
        program = self.build(self.write("early.cpp", r"""
            #include <cstdlib>
            struct keeper { void *p = malloc(2345); ~keeper() { free(p); } } one;
            static void *last;
            static void end(void) { free(last); }
            int main() { last = malloc(3456); atexit(end); }
            """), "early", flags=("-O1", "-Wl,--no-as-needed", library))
        done, _ = self.exits([program])
        events = done.dump()
        (at,) = [i for i, event in enumerate(events) if event["op"] == "graph"]
        ended = [event["size"] for event in events[:at] if event["op"] == "free"]
        for size in (1234, 2345, 3456):
            self.assertIn(size, ended)

    def test_output_is_flushed_and_pipes_end(self):
        done, graphs = self.ends('printf("rest without a newline"); return 0;', environment={})
        self.assertTrue(done.stdout.endswith("rest without a newline"))
        self.assertEqual(len(graphs), 1)

    def test_at_a_call_a_mark_and_a_signal(self):
        body = r"""
            seep_mark("other");
            seep_mark("here");
            seep_snapshot();
            raise(SIGUSR2);
            raise(SIGUSR1);
            seep_mark("here");
            return 0;"""
        done, graphs = self.ends(body, snapshot="mark:here,signal:USR2,signal:10")
        self.assertEqual([row["trigger"] for row in self.rows(done)],
                         ["mark", "call", "signal", "signal", "mark"])
        self.assertEqual(len(graphs), 5)
        for graph in graphs:
            self.assert_sound(graph)
            self.assertIn("data", [k for k, _, _ in graph.places(int(done.stdout, 16))])

    def test_the_programs_own_action_for_the_signal(self):
        done, graphs = self.ends('signal(SIGUSR2, own); raise(SIGUSR2); return 0;',
                                 declarations='static void own(int s) { (void)s; puts("own"); }',
                                 snapshot="signal:USR2")
        self.assertEqual(done.stdout.split()[1:], ["own"])
        self.assertEqual(graphs, [])

    def test_children_have_their_own(self):
        body = r"""
            pid_t pid = fork();
            if (pid == 0) { kept = malloc(200); _exit(3); }
            pid_t other = vfork();
            if (other == 0) _exit(4);
            int a, b;
            waitpid(pid, &a, 0); waitpid(other, &b, 0);
            return WEXITSTATUS(a) * 10 + WEXITSTATUS(b);"""
        done, graphs = self.ends(body, check=34)
        self.assertEqual(len(graphs), 1)
        spools = set(glob.glob(self.path("*.spool"))) - {done.trace}
        self.assertEqual(len(spools), 1)  # the other one is a child in its parent's memory
        (graph,) = self.graphs(spools.pop())
        self.assert_sound(graph)

    def test_under_run(self):
        program = self.program("marks.cpp")
        for options in (("--snapshot=exit",), ("--snapshot=exit", "--snapshot=mark:x")):
            done = self.record([program], options=options)
            (row,) = self.rows(done)
            self.assertEqual(row["trigger"], "exit")
            self.assertEqual(glob.glob(self.path("*.spool")), [])
        self.assertEqual(self.rows(self.record([program])), [])
        for wrong in ("now", "signal:KILL", "signal:32", "signal:NONE", "mark:", "mark:a,b"):
            done = support.run([support.SEEP, "run", "--snapshot=" + wrong, program], check=125)
            self.assertIn("exit, signal:SIGNAL", done.stderr)


class Unnoticed(Graphs):
    @hazard(32, Fix(STOP, "registers[REG_RIP] -= 2;", "registers[REG_RAX] = -EINTR;",
                    fails="Interrupted"))
    def test_no_call_is_interrupted(self):
        program = self.program("graph_waits")
        plain = support.run([program], check=0).stdout
        done = self.preload([program])
        self.assertEqual(done.stdout, plain)
        rows = self.rows(done)
        self.assertTrue(rows)
        for row in rows:
            self.assertEqual((row["stopped_threads"], row["missed_threads"]), (12, 0))

    @hazard(32, Fix(GRAPH, "long pid = ours ? fork_quietly() : fork_away(&shared->scanner);",
                    "long pid = sys_call(SYS_clone, SIGCHLD, 0, 0, 0, 0); shared->scanner = pid;",
                    fails="children"))
    def test_no_child_is_seen(self):
        program = self.program("graph_children")
        for arguments in ((), ("ignored",)):
            done = self.preload([program, *arguments], stem="out" + "".join(arguments))
            self.assertEqual(done.stdout, "children 0 signals 0\n")

    @hazard(32, Fix(STOP, "((void (*)(int, siginfo_t *, void *))handler)(signal, info, context);",
                    "(void)context;"))
    def test_threads_change_their_user_meanwhile(self):
        # glibc has the signal for this itself
        program = self.build(self.write("users.c", r"""
            #include <pthread.h>
            #include <unistd.h>
            #include "seep/seep.h"
            static volatile int done;
            static void *waits(void *unused) { while (!done) pause(); return unused; }
            static void *changes(void *unused)
            {
                while (!done)
                    if (setgid(getgid()))
                        _exit(2);
                return unused;
            }
            int main(void)
            {
                pthread_t t;
                for (int i = 0; i < 4; i++)
                    pthread_create(&t, NULL, waits, NULL);
                pthread_create(&t, NULL, changes, NULL);
                for (int i = 0; i < 300; i++)
                    seep_snapshot();
                done = 1;
                pthread_join(t, NULL);
                _exit(0);
            }
            """), flags=("-O1", "-pthread"))
        self.preload([program], check=0)

    def test_threads_that_come_after_a_snapshot(self):
        # the first thread is when glibc takes the signal for itself
        program = self.build(self.write("later.c", r"""
            #include <pthread.h>
            #include <unistd.h>
            #include "seep/seep.h"
            static void *waits(void *unused) { for (;;) pause(); return unused; }
            int main(void)
            {
                pthread_t t;
                for (int i = 0; i < 3; i++) {
                    seep_snapshot();
                    pthread_create(&t, NULL, waits, NULL);
                }
                _exit(setgid(getgid()));
            }
            """), flags=("-O1", "-pthread"))
        done = self.preload([program], check=0)
        self.assertEqual([(row["stopped_threads"], row["missed_threads"])
                          for row in self.rows(done)], [(0, 0), (1, 0), (2, 0)])

    def test_a_thread_that_blocks_even_that_signal(self):
        program = self.build(self.write("deaf.c", r"""
            #define _GNU_SOURCE
            #include <pthread.h>
            #include <signal.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            static volatile int up;
            static void *deaf(void *unused)
            {
                unsigned long all = ~0ul;
                void *volatile here = malloc(40);
                printf("%p\n", here);
                fflush(stdout);
                syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
                up = 1;
                for (;;)
                    pause();
                return unused ? here : NULL;
            }
            int main(void)
            {
                pthread_t t;
                pthread_create(&t, NULL, deaf, NULL);
                while (!up)
                    usleep(1000);
                usleep(20000);
                return 0;
            }
            """), flags=("-O1", "-pthread"))
        done, (graph,) = self.exits([program])
        (row,) = self.rows(done)
        self.assertEqual((row["stopped_threads"], row["missed_threads"]), (0, 1))
        self.assertTrue({"stack", "whole stack"} &
                        {k for k, _, _ in graph.places(int(done.stdout, 16))})

    def test_signals_of_the_program(self):
        # every signal is the program's, and blocked in its threads
        program = self.build(self.write("signals.c", r"""
            #include <pthread.h>
            #include <signal.h>
            #include <stdio.h>
            #include <unistd.h>
            #include "seep/seep.h"
            static volatile int signals;
            static void note(int s) { (void)s; signals++; }
            static void *waits(void *unused) { for (;;) pause(); return unused; }
            int main(void)
            {
                sigset_t all, before;
                pthread_t t;
                for (int s = 1; s <= SIGRTMAX; s++)
                    signal(s, note);
                sigfillset(&all);
                pthread_sigmask(SIG_SETMASK, &all, &before);
                for (int i = 0; i < 16; i++)
                    pthread_create(&t, NULL, waits, NULL);
                for (int i = 0; i < 3; i++)
                    seep_snapshot();
                for (int s = 1; s <= SIGRTMAX; s++) {
                    struct sigaction now;
                    if (s != SIGKILL && s != SIGSTOP && sigaction(s, NULL, &now) == 0 &&
                        now.sa_handler != note)
                        printf("%d has another action\n", s);
                }
                printf("%d signals\n", signals);
                _exit(0 * fflush(stdout));
            }
            """), flags=("-O1", "-pthread"))
        done = self.preload([program], check=0)
        self.assertEqual(done.stdout, "0 signals\n")
        self.assertEqual([(row["stopped_threads"], row["missed_threads"])
                          for row in self.rows(done)], [(16, 0)] * 3)

    def test_two_threads_at_once(self):
        program = self.build(self.write("two.c", r"""
            #include <pthread.h>
            #include "seep/seep.h"
            static void *takes(void *unused)
            {
                for (int i = 0; i < 50; i++)
                    seep_snapshot();
                return unused;
            }
            int main(void)
            {
                pthread_t t[3];
                for (int i = 0; i < 3; i++)
                    pthread_create(&t[i], NULL, takes, NULL);
                for (int i = 0; i < 3; i++)
                    pthread_join(t[i], NULL);
                return 0;
            }
            """), flags=("-O1", "-pthread"))
        done = self.preload([program], check=0)
        rows = self.rows(done)
        self.assertEqual(sorted(row["snapshot"] for row in rows), list(range(1, 151)))


class Limits(Graphs):
    def test_a_filter_that_forbids_forks(self):
        program = self.build(self.write("filter.c", r"""
            #include <errno.h>
            #include <linux/filter.h>
            #include <linux/seccomp.h>
            #include <stddef.h>
            #include <sys/prctl.h>
            #include <sys/syscall.h>
            #include "seep/seep.h"
            int main(void)
            {
                struct sock_filter code[] = {
                    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                };
                struct sock_fprog filter = {sizeof code / sizeof code[0], code};
                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
                    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
                    return 1;
                seep_snapshot();
                return 0;
            }
            """))
        done, graphs = self.exits([program])
        self.assertEqual(graphs, [])
        self.assertEqual([(row["trigger"], row["missing"]) for row in self.rows(done)],
                         [("call", "the program is in a sandbox"),
                          ("exit", "the program is in a sandbox")])

    def test_a_spool_that_is_gone(self):
        program = self.build(self.write("gone.c", r"""
            #include <fcntl.h>
            #include <stdlib.h>
            #include <unistd.h>
            int main(int argc, char **argv)
            {
                (void)argc;
                free(malloc(10));
                if (rename(argv[1], argv[2]))
                    return 1;
                for (int fd = 3; fd < 1024; fd++)
                    close(fd);
                return 0;
            }
            """))
        env = support.environment(SEEP_SNAPSHOT="exit")
        self.preload([program, self.path("out.spool"), self.path("moved.spool")], env=env)
        done = support.Recording(self.path("moved.spool"))
        self.assertEqual([row["missing"] for row in self.rows(done)],
                         ["its file could not be written"])


class Annotations(Graphs):
    def test_interface_of_lsan(self):
        program = self.build(self.write("annotated.c", r"""
            #include <sanitizer/lsan_interface.h>
            #include <stdio.h>
            #include <stdlib.h>
            #pragma weak __lsan_ignore_object
            #pragma weak __lsan_disable
            #pragma weak __lsan_enable
            #pragma weak __lsan_do_recoverable_leak_check
            int main(void)
            {
                void *p = malloc(10);
                if (!__lsan_ignore_object)
                    return 3;
                __lsan_ignore_object(p);
                __lsan_disable();
                __lsan_disable();
                __lsan_enable();
                void *q = malloc(20);
                __lsan_enable();
                __lsan_enable(); /* once too often */
                return __lsan_do_recoverable_leak_check() + (p == q);
            }
            """))
        self.assertEqual(support.run([program]).returncode, 3)
        done, graphs = self.exits([program], snapshot="never")
        self.assertEqual(len(graphs), 1)
        told = [(event["op"], event.get("on")) for event in done.dump()
                if event["op"].startswith("ignore")]
        self.assertEqual(len(told), 3, told)

    def test_suppressions_of_the_program(self):
        text = "leak:one\nleak:two\n" + "# comment\n" * 1000
        source = self.write("suppressed.c", r"""
            const char *__lsan_default_suppressions(void)
            {
                return "%s";
            }
            int main(void) { return 0; }
            """ % text.replace("\n", "\\n"))
        for name, expected in (("plain", text), ("stripped", "")):
            program = self.build(source, name, flags=("-s",) if name == "stripped" else ())
            done, _ = self.exits([program], stem="of-" + name)
            told = "".join(event["text"] for event in done.dump() if event["op"] == "suppressions")
            self.assertEqual(told, expected)


class RealPrograms(Graphs):
    """Run as without seep: the same output and exit status."""

    def same(self, *args, status=0, package=None, without=r"$^"):
        support.need(args[0], package or args[0])
        plain = support.run(args, check=status)
        done = self.record(args, options=("-q", "--snapshot=exit"), check=status)
        self.assertEqual(re.sub(without, "", done.stdout), re.sub(without, "", plain.stdout))
        self.assertEqual(re.sub(without, "", done.stderr), re.sub(without, "", plain.stderr))
        (row,) = self.rows(done)
        self.assertEqual((row["trigger"], row["missed_threads"]), ("exit", 0))

    def test_python(self):
        self.same("python3", "-c", "import json, threading, time\n"
                  "for i in range(5): threading.Thread(target=time.sleep, args=(9,), daemon=True)"
                  ".start()\nprint(json.dumps(list(range(9))))")

    def test_perl(self):
        self.same("perl", "-e", "my %h = map { $_ => 1 } 1..9999; print scalar keys %h; exit 7",
                  status=7)

    def test_sqlite(self):
        self.same("sqlite3", ":memory:", "create table t(a); insert into t values(1),(2); "
                  "select sum(a) from t;")

    def test_git(self):
        support.need("git", "git")
        make_repository(self.path("repository"))
        self.same("git", "-C", self.path("repository"), "log", "--oneline", "-20")

    def test_bash(self):
        self.same("bash", "-c", "for i in 1 2 3; do (echo $i | cat); done; exit 5", status=5)

    def test_node(self):
        self.same("node", "-e", "setTimeout(() => console.log([1, 2].map(x => x * 2)), 20)",
                  package="nodejs")

    def test_gdb(self):
        program = self.program("marks.cpp")
        self.same("gdb", "-batch", "-ex", "break main", "-ex", "run", "-ex", "bt", "-ex", "kill",
                  program, without=r"process \d+")

    def test_redis(self):
        support.need("redis-server", "redis-server")
        socket = self.path("socket")
        script = (f"redis-server --port 0 --unixsocket {socket} --save '' > /dev/null & p=$!\n"
                  f"while ! redis-cli -s {socket} ping > /dev/null 2>&1; do sleep 0.05; done\n"
                  f"redis-cli -s {socket} set a b; redis-cli -s {socket} get a\n"
                  f"redis-cli -s {socket} shutdown nosave; wait $p; echo $?")
        self.same("sh", "-c", script, package="dash")
        rows = [self.rows(support.Recording(trace)) for trace in glob.glob(self.path("*redis*"))]
        self.assertTrue(all(rows), rows)


if __name__ == "__main__":
    support.main()
