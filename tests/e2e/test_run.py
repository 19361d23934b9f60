# SPDX-License-Identifier: MIT
"""`seep run` stands between a program and its caller without either noticing; what it says and
leaves behind."""

import concurrent.futures
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
import unittest

import support

PYTHON = sys.executable

# A shell with one job, for terminals: starts the command in a process group of its own, in the
# foreground; says how the job stops and ends, and continues it.
SHELL = r"""
import os, signal, sys, time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])

def states():
    found = ""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", errors="replace") as line:
                fields = line.read().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[2]) == job:
            found += fields[0]
    return found

while True:
    _, status = os.waitpid(job, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        deadline = time.monotonic() + 60
        while set(states()) != {"T"} and time.monotonic() < deadline:
            time.sleep(0.01)
        print(f"[stopped by {os.WSTOPSIG(status)}, states {states()}]", flush=True)
        os.tcsetpgrp(0, job)
        os.killpg(job, signal.SIGCONT)
    else:
        ended = f"killed by {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else \
            f"exited with {os.WEXITSTATUS(status)}"
        print(f"[{ended}]", flush=True)
        break
"""


class Run(support.TestCase):
    def seep(self, *args, options=("-q",)):
        return [support.SEEP, "run", "-f", *options, "-o", self.path("out.seep"), "--", *args]

    def both(self, args, **more):
        """Runs a command natively and under seep; returns both results, as bytes."""
        results = []
        for command in (list(args), self.seep(*args)):
            results.append(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                          timeout=support.TIMEOUT, env=support.environment(),
                                          check=False, **more))
        return results

    def assert_same(self, args, **more):
        native, recorded = self.both(args, **more)
        self.assertEqual(recorded.stdout, native.stdout)
        self.assertEqual(recorded.stderr, native.stderr)
        self.assertEqual(recorded.returncode, native.returncode)
        return recorded


class Streams(Run):
    def test_bytes_pass_through(self):
        data = os.urandom(1 << 20)
        done = self.assert_same(["cat"], input=data)
        self.assertEqual(done.stdout, data)

    def test_standard_error_is_the_programs(self):
        self.assert_same(["sh", "-c", "echo out; echo err >&2; exit 3"])

    def test_environment_and_arguments(self):
        done = self.assert_same([PYTHON, "-c", "import sys; print(sys.argv[1:])",
                                 "-f", "--", "", "a b", "--output=x", "\n"])
        self.assertIn(b"--output=x", done.stdout)
        native, recorded = self.both(["env"])
        ours = {line for line in recorded.stdout.splitlines()
                if not line.startswith((b"SEEP_", b"LD_PRELOAD="))}
        self.assertEqual(ours, set(native.stdout.splitlines()))

    def test_descriptors_are_those_of_a_native_run(self):
        # besides the recorder's, which stand high
        code = "import os; print([n for n in map(int, os.listdir('/proc/self/fd')) if n < 900])"
        self.assert_same([PYTHON, "-c", code])
        self.assert_same([PYTHON, "-c", code], pass_fds=(), stdin=subprocess.DEVNULL)

    def test_closed_standard_streams(self):
        script = "exec 0<&- 1>&- 2>&-; exec \"$@\""
        probe = [PYTHON, "-c", "import os, sys\n"
                 "open(sys.argv[1], 'w').write(str([os.path.exists(f'/proc/self/fd/{n}')"
                 " for n in range(3)]))"]
        said = []
        for command in (probe, self.seep(*probe)):
            said_in = self.path(f"said{len(said)}")
            support.run(["sh", "-c", script, "sh", *command, said_in], check=0)
            with open(said_in, encoding="utf-8") as text:
                said.append(text.read())
        self.assertEqual(said[0], said[1])
        support.run([support.SEEP, "info", self.path("out.seep")], check=0)

    def test_process_group_session_and_parentage(self):
        code = "import os; print(os.getpgrp(), os.getsid(0), os.getppid())"
        process = subprocess.Popen(self.seep(PYTHON, "-c", code), stdout=subprocess.PIPE)
        out, _ = process.communicate(timeout=support.TIMEOUT)
        self.assertEqual(out.split(), [b"%d" % os.getpgrp(), b"%d" % os.getsid(0),
                                       b"%d" % process.pid])

    def test_signal_dispositions_and_mask(self):
        def odd():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGRTMIN])
        # not SigQ: it counts the pending signals of all the user's processes
        done = self.assert_same(["grep", "^Sig[^Q]", "/proc/self/status"], preexec_fn=odd)
        self.assertIn(b"SigIgn", done.stdout)
        self.assertNotIn(b"SigIgn:\t0000000000000000", done.stdout)

    def test_limits(self):
        self.assert_same(["sh", "-c", "ulimit -a"])


class Statuses(Run):
    def test_every_exit_status(self):
        def status_of(number):
            command = [support.SEEP, "run", "-q", "-o", self.path(f"{number}.seep"), "--",
                       "sh", "-c", f"exit {number}"]
            return support.run(command).returncode
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(status_of, range(256))), list(range(256)))

    def test_signals_kill_seep_as_they_kill_the_program(self):
        for name in ("SIGKILL", "SIGSEGV", "SIGTERM", "SIGINT", "SIGABRT", "SIGHUP", "SIGQUIT",
                     "SIGPIPE", "SIGUSR1", "SIGBUS", "SIGRTMIN"):
            with self.subTest(name):
                number = getattr(signal, name)
                done = support.run(self.seep("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"))
                self.assertEqual(done.returncode, -number)

    def test_a_killed_program_leaves_no_core_of_seep(self):
        support.run(["sh", "-c", "ulimit -c unlimited; exec \"$@\"", "sh",
                     *self.seep("sh", "-c", "ulimit -c 0; kill -SEGV $$")], cwd=self.tmp)
        self.assertEqual([n for n in os.listdir(self.tmp) if "core" in n], [])

    def test_children_reaped_elsewhere(self):
        """With SIGCHLD ignored, the kernel would throw the program's status away."""
        done = subprocess.run(
            self.seep("sh", "-c", "exit 9"), timeout=support.TIMEOUT, check=False,
            preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(done.returncode, 9)


class Signals(Run):
    """What is sent to seep's process."""

    # COUNTER SECONDS SIGNAL...: notes signals until as many have come as it is told, and for a while
    # after that, in which none may come again.
    COUNTER = r"""
import os, signal, sys, time
seen = []
def note(number, frame):
    seen.append(number)
wanted = [int(a) for a in sys.argv[2:]]
for number in wanted:
    signal.signal(number, note)
print("ready", flush=True)
deadline = time.monotonic() + 120
while time.monotonic() < deadline and len(seen) < len(wanted):
    time.sleep(0.02)
time.sleep(float(sys.argv[1]))
print(sorted(seen), flush=True)
"""

    def start(self, *args, **more):
        process = subprocess.Popen(self.seep(*args), stdout=subprocess.PIPE, text=True,
                                   env=support.environment(), **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def test_termination_is_passed_on(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1):
            process = self.start("sh", "-c", "echo ready; while :; do sleep 0.05; done")
            process.send_signal(number)
            self.assertEqual(process.wait(support.TIMEOUT), -number)

    def test_each_signal_arrives_once(self):
        numbers = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1,
                   signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH, signal.SIGRTMIN + 3,
                   signal.SIGCONT]
        process = self.start(PYTHON, "-c", self.COUNTER, "0.5", *map(str, map(int, numbers)))
        for number in numbers:
            process.send_signal(number)
        told = json.loads(process.stdout.readline())
        self.assertEqual(told, sorted(map(int, numbers)))
        self.assertEqual(process.wait(support.TIMEOUT), 0)

    def test_queued_values_are_kept(self):
        source = self.write("queue.c", r"""
            #include <signal.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <unistd.h>
            int main(int argc, char **argv)
            {
                if (argc > 1) {
                    for (int i = 1; i <= 5; i++)
                        if (sigqueue(atoi(argv[1]), SIGRTMIN, (union sigval){.sival_int = i * 7}))
                            return 1;
                    return 0;
                }
                sigset_t set;
                siginfo_t info;
                sigemptyset(&set);
                sigaddset(&set, SIGRTMIN);
                sigprocmask(SIG_BLOCK, &set, NULL);
                puts("ready");
                fflush(stdout);
                for (int i = 0; i < 5; i++)
                    if (sigwaitinfo(&set, &info) == SIGRTMIN)
                        printf("%d ", info.si_value.sival_int);
                return 0;
            }""")
        program = self.build(source)
        process = self.start(program)
        support.run([program, str(process.pid)], check=0)
        self.assertEqual(process.stdout.read(), "7 14 21 28 35 ")

    def test_signals_of_the_program_to_its_parent_do_not_come_back(self):
        code = ("import os, signal, time\n"
                "signal.signal(signal.SIGUSR1, lambda *_: print('came back', flush=True))\n"
                "os.kill(os.getppid(), signal.SIGUSR1)\n"
                "time.sleep(0.3)\n")
        done = support.run(self.seep(PYTHON, "-c", code), check=0)
        self.assertEqual(done.stdout, "")

    def test_alarm_set_before(self):
        """`timeout` of old: an alarm survives execve(), but not the fork in between."""
        code = "import os, signal, sys; signal.alarm(1); os.execv(sys.argv[1], sys.argv[1:])"
        done = support.run([PYTHON, "-c", code, *self.seep("sleep", "20")])
        self.assertEqual(done.returncode, -signal.SIGALRM)

    def test_stopping_the_program_does_not_hang_without_a_terminal(self):
        """Continued by its own pid, the program goes on, and so do we."""
        code = ("import os, signal, time\n"
                "child = os.fork()\n"
                "if child == 0:\n"
                "    while open(f'/proc/{os.getppid()}/stat').read().rpartition(') ')[2][0] != 'T':\n"
                "        time.sleep(0.01)\n"
                "    time.sleep(0.2)\n"
                "    os.kill(os.getppid(), signal.SIGCONT)\n"
                "    os._exit(0)\n"
                "os.kill(os.getpid(), signal.SIGSTOP)\n"
                "os.wait()\n"
                "print('on', flush=True)\n")
        done = support.run(self.seep(PYTHON, "-c", code), start_new_session=True, check=0)
        self.assertEqual(done.stdout, "on\n")


class Terminal(Run):
    def setUp(self):
        super().setUp()
        self.shell = self.write("shell.py", SHELL)

    def start(self, *args):
        """Starts the command under the little shell in a new terminal."""
        pid, self.terminal = pty.fork()
        if pid == 0:
            try:
                os.environ.clear()
                os.environ.update(support.environment(TERM="xterm"))
                os.execv(PYTHON, [PYTHON, self.shell, *args])
            finally:
                os._exit(127)
        self.addCleanup(os.close, self.terminal)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        self.said = ""

    def expect(self, pattern):
        """Reads until the pattern has come; what stood before it is dropped."""
        deadline = time.monotonic() + 120
        while True:
            found = re.search(pattern, self.said)
            if found:
                self.said = self.said[found.end():]
                return found
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.terminal], [], [], max(0, left))
            if not ready:
                self.fail(f"{pattern!r} did not come: {self.said!r}")
            try:
                self.said += os.read(self.terminal, 4096).decode(errors="replace")
            except OSError:
                self.fail(f"the terminal was closed before {pattern!r}: {self.said!r}")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def test_the_program_has_the_terminal(self):
        code = ("import os, sys\n"
                "print([os.isatty(n) for n in range(3)], os.tcgetpgrp(0) == os.getpgrp(),"
                " open('/dev/tty').isatty())\n"
                "print('read', input())\n")
        self.start(*self.seep(PYTHON, "-c", code))
        self.expect(r"\[True, True, True\] True True")
        self.type("a line\n")
        self.expect("read a line")
        self.expect(r"\[exited with 0\]")

    def test_ctrl_c(self):
        self.start(*self.seep("sh", "-c", "echo ready; while :; do sleep 0.05; done"))
        self.expect("ready")
        self.type("\x03")
        self.expect(r"\[killed by 2\]")

    def test_ctrl_c_is_seen_once_and_may_be_survived(self):
        self.start(*self.seep(PYTHON, "-c", Signals.COUNTER, "0.5", "2", "3"))
        self.expect("ready")
        self.type("\x03")
        time.sleep(0.3)
        self.type("\x1c")
        self.expect(r"\[2, 3\]")
        self.expect(r"\[exited with 0\]")

    def test_ctrl_z(self):
        self.start(*self.seep("sh", "-c", "echo ready; read line; echo got $line; exit 5"))
        self.expect("ready")
        self.type("\x1a")
        states = self.expect(r"\[stopped by 20, states (\w+)\]")[1]
        self.assertEqual(set(states), {"T"})
        self.assertGreaterEqual(len(states), 2)
        self.type("more\n")
        self.expect("got more")
        self.expect(r"\[exited with 5\]")

    def test_a_program_that_stops_itself(self):
        self.start(*self.seep("sh", "-c", "kill -STOP $$; echo went on; kill -TSTP $$; exit 6"))
        self.assertEqual(set(self.expect(r"\[stopped by 19, states (\w+)\]")[1]), {"T"})
        self.expect("went on")
        self.expect(r"\[stopped by 20, states TT\]")
        self.expect(r"\[exited with 6\]")

    def test_a_changed_window_size_is_told_once(self):
        self.start(*self.seep(PYTHON, "-c", Signals.COUNTER, "0.5", str(int(signal.SIGWINCH))))
        self.expect("ready")
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
        self.expect(r"\[28\]")


class Outputs(Run):
    def names(self):
        return sorted(os.listdir(self.tmp))

    def run_here(self, *args, check=0, **more):
        return support.run([support.SEEP, "run", *args], cwd=self.tmp, check=check, **more)

    def test_default_name(self):
        done = self.run_here("sh", "-c", "echo $$")
        self.assertEqual(self.names(), [f"seep.sh.{done.stdout.strip()}.seep"])

    def test_patterns(self):
        os.mkdir(self.path("d"))
        begin = int(time.time() - 1)  # the clock of whole seconds may be a tick behind
        done = self.run_here("-o", "d/%e-%p-%h-%t-%%.seep", "sh", "-c", "echo $$")
        name, = os.listdir(self.path("d"))
        found = re.fullmatch(r"sh-(\d+)-(.+)-(\d+)-%\.seep", name)
        self.assertIsNotNone(found, name)
        self.assertEqual(found[1], done.stdout.strip())
        self.assertEqual(found[2], os.uname().nodename)
        self.assertTrue(begin <= int(found[3]) <= time.time(), found[3])
        self.assertIn(f"d/{name}", done.stderr)
        self.run_here("-o", "%z", "true", check=125)

    def test_only_the_owner_may_read_it(self):
        support.run(["sh", "-c", "umask 0; exec \"$@\"", "sh", support.SEEP, "run", "-o", "x.seep",
                     "sh", "-c", "ls; ls"], cwd=self.tmp, check=0)
        self.assertGreaterEqual(len(self.names()), 2)
        for name in self.names():
            self.assertEqual(stat.S_IMODE(os.stat(self.path(name)).st_mode), 0o600, name)

    def test_an_existing_file_is_refused_before_the_start(self):
        self.write("x.seep", "precious")
        done = self.run_here("-o", "x.seep", "touch", "started", check=125)
        self.assertIn("x.seep", done.stderr)
        self.assertEqual(self.names(), ["x.seep"])
        self.run_here("-f", "-o", "x.seep", "touch", "started")
        support.run([support.SEEP, "info", self.path("x.seep")], check=0)
        self.assertEqual(self.names(), ["started", "x.seep"])

    def test_an_unwritable_directory_is_refused_before_the_start(self):
        for output in ("no/x.seep", "/proc/x.seep"):
            done = self.run_here("-o", output, "touch", "started", check=125)
            self.assertIn(output, done.stderr)
            self.assertEqual(self.names(), [])

    def test_devices_are_never_replaced(self):
        done = self.run_here("-f", "-o", "/dev/null", "true", check=125)
        self.assertIn("/dev/null", done.stderr)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))

    def test_closing_lines(self):
        done = self.run_here("-o", "x.seep", os.path.join(support.BUILD, "samples", "leak"))
        lines = done.stderr.splitlines()
        self.assertIn(len(lines), (2, 3), done.stderr)
        self.assertIn("x.seep", lines[0])
        info = support.report("info", self.path("x.seep"))["result"]
        self.assertIn(f"{info['events']:,} events", done.stderr)
        self.assertIn(f"{info['live_blocks']:,} blocks live at exit", done.stderr)
        command = lines[-1].partition("next: ")[2]
        self.assertTrue(command)
        told = support.run(["sh", "-c", command], cwd=self.tmp, check=0)
        self.assertIn("session_new", told.stdout)

    def test_names_are_quoted_in_commands(self):
        done = self.run_here("-o", "it's a $(trace).seep", "true")
        command = done.stderr.splitlines()[-1].partition("next: ")[2]
        support.run(["sh", "-c", command], cwd=self.tmp, check=0)

    def test_quiet(self):
        done = self.run_here("-q", "-o", "x.seep", "true")
        self.assertEqual(done.stderr, "")
        self.assertEqual(self.names(), ["x.seep"])

    def test_recorder_options(self):
        self.run_here("--set", "tail-max=16k", "-o", "x.seep", "true")
        info = support.report("info", self.path("x.seep"))["result"]
        self.assertIn("SEEP_TAIL_MAX=16384", info["process"]["options"])
        for bad in ("tail-max", "tail-max=big", "nothing=1", "run-id=x"):
            done = self.run_here("--set", bad, "-o", "y.seep", "touch", "started", check=125)
            self.assertIn(bad, done.stderr)
        self.assertEqual(self.names(), ["x.seep"])

    def test_a_text_without_an_interpreter_is_run_by_the_shell(self):
        path = self.write("script", "echo $0 \"$@\"\n")
        os.chmod(path, 0o755)
        done = self.run_here("-o", "x.seep", "./script", "a b", "c")
        self.assertEqual(done.stdout, "./script a b c\n")

    def test_a_trace_may_be_called_anything(self):
        self.run_here("-o", "trace", "sh", "-c", "ls >/dev/null; exit 0")
        names = self.names()
        self.assertEqual(names[0], "trace")
        self.assertRegex(names[1], r"trace\.\d+\.0\.\w+\.seep")
        support.run([support.SEEP, "info", self.path("trace")], check=0)

    def test_library_already_preloaded(self):
        env = support.environment(LD_PRELOAD="/lib/x86_64-linux-gnu/libm.so.6",
                                  SEEP_OUT="/nowhere/x")
        done = self.run_here("-o", "x.seep", "sh", "-c", "echo $LD_PRELOAD", env=env)
        self.assertEqual(done.stdout.strip(),
                         support.LIBSEEP + ":/lib/x86_64-linux-gnu/libm.so.6")


class Processes(Run):
    def run_here(self, *args, check=0, **more):
        return support.run([support.SEEP, "run", "-o", "x.seep", *args], cwd=self.tmp, check=check,
                           **more)

    def info(self, name):
        return support.report("info", self.path(name))["result"]

    def traces(self):
        return sorted(n for n in os.listdir(self.tmp) if n.endswith(".seep"))

    def test_file_is_the_last_image_of_the_process(self):
        self.run_here("env", "X=1", "sh", "-c", "exec ls")
        self.assertEqual(os.path.basename(self.info("x.seep")["process"]["exe"]), "ls")
        others = [os.path.basename(self.info(n)["process"]["exe"])
                  for n in self.traces() if n != "x.seep"]
        self.assertEqual(len(others), 2, others)
        self.assertEqual({self.info(n)["process"]["pid"] for n in self.traces()},
                         {self.info("x.seep")["process"]["pid"]})

    def test_children_have_traces_beside(self):
        done = self.run_here("sh", "-c", "ls >/dev/null; perl -e 1; exit 4", check=4)
        names = {re.fullmatch(r"x\.\d+\.\d+\.(\w+)\.seep", n)[1]
                 for n in self.traces() if n != "x.seep"}
        self.assertLessEqual({"ls", "perl"}, names)
        self.assertIn("child processes", done.stderr)
        self.assertEqual({self.info(n)["process"]["run_id"] for n in self.traces()},
                         {self.info("x.seep")["process"]["run_id"]})

    def test_largest_process_is_named(self):
        done = self.run_here("sh", "-c", "perl -e '$x = \"a\" x 50_000_000'; :")
        child = next(n for n in self.traces() if ".perl." in n)
        self.assertRegex(done.stderr, rf"the largest process, of \S+ MiB resident, is in {re.escape(child)}\n")
        # a child that was waited for is no part of its parent
        self.assertLess(self.info("x.seep")["peak_rss_bytes"], 50_000_000)
        self.assertGreater(self.info(child)["peak_rss_bytes"], 50_000_000)
        self.assertNotIn("largest", self.run_here("-f", "sh", "-c", "ls >/dev/null; :").stderr)

    def test_killed_had_no_time_to_free(self):
        self.run_here("perl", "-e", "kill 9, $$", check=-9)
        out = support.run([support.SEEP, "leaks", self.path("x.seep")], check=0).stdout
        self.assertRegex(out, r"were live when\s+SIGKILL\s+killed\s+it, from")

    def test_trace_that_is_not_there_yet(self):
        for name in ("y.2.0.b.spool", "y.1.0.a.spool", "ya.0.0.a.spool"):
            os.mkdir(self.path(name))
        for name, wanted in (("y.seep", "y.1.0.a.spool, or another"), ("ya.seep", "ya.0.0.a.spool\n")):
            done = support.run([support.SEEP, "leaks", self.path(name)], check=2)
            self.assertIn(f"not there yet; look at {self.path(wanted)}", done.stderr)
        done = support.run([support.SEEP, "leaks", self.path("z.seep")], check=2)
        self.assertIn("No such file", done.stderr)

    # a fork, an executed child and a grandchild, a later image
    FAMILY = ["bash", "-c", "(:); sh -c 'perl -e 1; :'; perl -e 1; exec ls /"]

    def assert_recorded(self, which, expected):
        done = self.run_here(f"--children={which}", *self.FAMILY)
        self.assertEqual(done.stdout, support.run(self.FAMILY, check=0).stdout)
        self.assertEqual(os.path.basename(self.info("x.seep")["process"]["exe"]), "ls")
        names = [n for n in self.traces() if n != "x.seep"]
        self.assertEqual(sorted(n.split(".")[3] for n in names), expected, which)
        for name in self.traces():
            self.assertEqual(self.info(name)["lost_events"], 0)
            os.unlink(self.path(name))

    def test_which_children_are_recorded(self):
        shell = os.path.basename(os.path.realpath(shutil.which("sh")))
        self.assert_recorded("none", ["bash"])  # what the process was before
        self.assert_recorded("pe?l*", ["bash", "perl", "perl"])
        self.assert_recorded(f"nobody,{shell}", ["bash", shell])
        self.assert_recorded("", ["bash"])

    def test_forked_children_are_chosen_by_name(self):
        self.run_here("--children=ba*h", "bash", "-c", "(:); perl -e 1; :")
        self.assertEqual([n.split(".")[3] for n in self.traces() if n != "x.seep"].count("perl"), 0)
        self.assertGreater(len(self.traces()), 1)

    def test_how_it_ended(self):
        self.run_here("sh", "-c", "exit 3", check=3)
        self.assertEqual(self.info("x.seep")["exit"]["status"], 3)
        os.unlink(self.path("x.seep"))
        self.run_here("sh", "-c", "kill -9 $$", check=-9)
        self.assertEqual(self.info("x.seep")["exit"]["signal"], 9)

    @staticmethod
    def daemon(perl):
        """A program that ends once another is at work, which opens nothing of ours and lives on."""
        return ["sh", "-c", f"ls >/dev/null; perl -e 'open(F, \">\", \"begun\"); {perl}' </dev/null "
                            ">/dev/null 2>&1 & until [ -e begun ]; do sleep 0.01; done; exit 0"]

    def test_orphans_are_not_waited_for(self):
        done = self.run_here(*self.daemon('for (1 .. 6000) { last if -e "end"; '
                                          'select(undef, undef, undef, 0.02) }'))
        self.assertIn("still running", done.stderr)
        command = re.search(r"ha(?:s|ve) ended: (.*)", done.stderr)[1]
        spool, = [n for n in os.listdir(self.tmp) if n.endswith(".perl.spool")]
        self.write("end", "")
        self.wait_for_the_end(int(spool.split(".")[1]))
        support.run(["sh", "-c", command], cwd=self.tmp, check=0)
        self.assertEqual([n for n in os.listdir(self.tmp) if n.endswith(".spool")], [])
        self.assertTrue([n for n in self.traces() if n.endswith("perl.seep")])

    def wait_for_the_end(self, pid):
        """Of a process that is not ours, and may stay a zombie."""
        deadline = time.monotonic() + support.TIMEOUT
        state = "R"
        while state not in "ZX":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as line:
                    state = line.read().rpartition(") ")[2][0]
            except (FileNotFoundError, ProcessLookupError):
                state = "X"

    def test_orphans_can_be_waited_for(self):
        done = self.run_here("--wait", *self.daemon('select(undef, undef, undef, 1); '
                                                    'open(F, ">", "ended")'))
        self.assertTrue(os.path.exists(self.path("ended")))
        self.assertNotIn("still running", done.stderr)
        self.assertEqual([n for n in os.listdir(self.tmp) if n.endswith(".spool")], [])
        self.assertTrue([n for n in self.traces() if n.endswith("perl.seep")])

    # waits until as many spools of sort as it is told hold a trace; then those of perl that do
    PACKED = """
        packed() { ls -d x.*.$1.spool/trace 2>/dev/null | wc -l; }
        wait_for() { i=0; until [ "$(packed sort)" -ge $1 ] || [ $i -gt 600 ]; do
                         sleep 0.05; i=$((i+1)); done; }
        perl -e 'my @kept = (1..1000); exit 0 if fork; exit 0'
        sort </dev/null; wait_for 1
        sort </dev/null; wait_for 2
        echo $(packed sort) $(packed perl)
        """

    def test_ended_processes_are_packed_while_others_run(self):
        done = self.run_here("sh", "-c", self.PACKED)
        # one that has forked is for the end: what its children have from it
        self.assertEqual(done.stdout, "2 0\n")
        self.assertEqual([n for n in os.listdir(self.tmp) if n.endswith(".spool")], [])
        ends = [self.info(n) for n in self.traces() if n.split(".")[-2] in ("sort", "perl")]
        self.assertEqual(len(ends), 4)
        for info in ends:
            self.assertEqual((info["lost_events"], info["unknown_frees"]), (0, 0))
        self.assertEqual(len([info for info in ends if info["inherited_blocks"] > 0]), 1)

    def test_orphans_get_the_parent_they_would_have(self):
        code = ("import os, time\n"
                "if os.fork() == 0:\n"
                "    middle = os.getpid()\n"
                "    if os.fork() == 0:\n"
                "        while os.getppid() == middle: time.sleep(0.01)\n"
                "        with open('new', 'w') as new: new.write(str(os.getppid()))\n"
                "        os.rename('new', 'parent')\n"
                "    os._exit(0)\n"
                "os.wait()\n"
                "for _ in range(12000):\n"
                "    if os.path.exists('parent'): break\n"
                "    time.sleep(0.01)\n")
        parents = []
        for command in ([PYTHON, "-c", code], self.seep(PYTHON, "-c", code)):
            support.run(command, cwd=self.tmp, check=0)
            with open(self.path("parent"), encoding="utf-8") as text:
                parents.append(text.read())
            os.unlink(self.path("parent"))
        self.assertEqual(parents[0], parents[1])


class Packing(Run):
    """Packing, at the end of the run, may be interrupted."""

    def test_interrupted_and_resumed(self):
        self.interrupt(4000000, "--spool-size=0")

    def test_interrupted_and_resumed_where_it_was_packed_on_the_way(self):
        self.interrupt(12000000)

    def interrupt(self, blocks, *options):
        """A machine may be done with packing before the signal comes: then with more to pack."""
        for _ in range(4):
            said = self.interrupted_run(blocks, *options)
            if "interrupted" in said:
                break
            os.unlink(self.path("x.seep"))
            blocks *= 2
        self.assertIn("interrupted", said)
        self.assertFalse(os.path.exists(self.path("x.seep")))
        command = re.search(r"to go on with the trace: (.*)", said)[1]
        support.run(["sh", "-c", command], cwd=self.tmp, check=0)
        info = support.report("info", self.path("x.seep"))["result"]
        self.assertEqual(info["frees"], blocks)
        self.assertEqual(info["exit"]["status"], 8)
        self.assertEqual([n for n in os.listdir(self.tmp) if n.endswith(".spool")], [])

    def interrupted_run(self, blocks, *options):
        """What `seep run` says when a signal comes once its program has ended."""
        source = self.write("many.c", r"""
            #include <stdlib.h>
            int main(void)
            {
                for (int i = 0; i < BLOCKS; i++)
                    free(malloc((size_t)(i % 1000)));
                return 8;
            }""")
        program = self.build(source, flags=(f"-DBLOCKS={blocks}",))
        process = subprocess.Popen(
            [support.SEEP, "run", *options, "-o", "x.seep", program], cwd=self.tmp, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=support.environment())
        spools = []
        while not spools:
            spools = [n for n in os.listdir(self.tmp) if n.endswith(".spool")]
            time.sleep(0.02)
        pid = int(spools[0].split(".")[1])
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=support.TIMEOUT)
        self.assertEqual(process.returncode, 8)  # the program's own
        return said


class Memory(Run):
    """The picture of the process's memory, taken from outside."""

    # grows by 4 MiB after each look that is taken at it, however busy the machine; to be told where
    # looks are noted down
    GROW = r"""
import glob, os, sys, time
def noted():
    return sum(os.path.getsize(name) for name in glob.glob(sys.argv[1] + '/*.spool/snapshots'))
blocks = []
for i in range(16):
    blocks.append(b'x' * (4 << 20))
    before, deadline = noted(), time.monotonic() + 10
    while noted() == before and time.monotonic() < deadline:
        time.sleep(0.01)
with open('/proc/self/status') as status:
    print([int(line.split()[1]) * 1024 for line in status if line.startswith('VmHWM')][0])
"""

    def test_growth_is_seen(self):
        recording = self.record([PYTHON, "-c", self.GROW, self.tmp])
        peak = int(recording.stdout)
        records = recording.dump()
        memory = [r for r in records if r["op"] == "memory"]
        self.assertGreater(len(memory), 10)
        # some at the start, and where memory grows; then one in 100 ms at most
        self.assertLess(len(memory), 60 + recording.info["duration_ns"] / 1e8)
        rss = [r["rss_bytes"] for r in memory]
        self.assertGreater(max(rss) - min(rss), 50 << 20)
        for step in (16, 32, 48):  # MiB: seen on the way, not only at both ends
            self.assertTrue([r for r in rss if abs(r - min(rss) - (step << 20)) < 8 << 20], rss)
        # the peak is the kernel's
        self.assertLess(abs(recording.info["peak_rss_bytes"] - peak), 1 << 20)
        mappings = [r for r in records if r["op"] == "mappings"]
        self.assertGreater(len(mappings), 3)
        self.assertGreater(max(r["resident_bytes"] for r in mappings), 30 << 20)
        self.assertEqual([r["wait_status"] for r in records if r["op"] == "exit"], [0])
        times = [r["time_ns"] for r in records if r["op"] in ("memory", "mappings", "exit")]
        self.assertEqual(times, sorted(times))

    def test_a_long_look_costs_little(self):
        """256 MiB that change all the time, 3 s: at most 1 % of a core and what is allowed at once.
        """
        code = ("import time, mmap\n"
                "m = mmap.mmap(-1, 256 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
                "end = time.monotonic() + 3\n"
                "while time.monotonic() < end:\n"
                "    for at in range(0, 256 << 20, 4096): m[at] = 1\n"
                "    m.madvise(mmap.MADV_DONTNEED)\n"
                "    time.sleep(0.1)\n")
        source = self.write("usage.py",
                            "import resource, subprocess, sys\n"
                            "p = subprocess.Popen(sys.argv[1:])\n"
                            "while True:\n"
                            "    with open(f'/proc/{p.pid}/stat') as line:\n"
                            "        fields = line.read().rpartition(') ')[2].split()\n"
                            "    if p.poll() is not None: break\n"
                            "    used = int(fields[11]) + int(fields[12])\n"
                            "    import time; time.sleep(0.05)\n"
                            "print(used)\n")
        done = support.run([PYTHON, source, *self.seep(PYTHON, "-c", code)], check=0)
        used = int(done.stdout.split()[-1]) / os.sysconf("SC_CLK_TCK")
        # packing the small trace and starting up is in there too
        self.assertLess(used, 0.35)


if __name__ == "__main__":
    support.main()
