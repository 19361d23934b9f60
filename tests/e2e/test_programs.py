# SPDX-License-Identifier: MIT
"""Programs of the distribution, at work, with the allocators of the distribution: each does what it
does without the recorder, and its trace is complete.

Every program with its own allocator, and with one other; SEEP_SUITE=1 (./dev suite) runs all
programs with all allocators.
"""

import os
import re
import signal
import socket
import subprocess
import time

from allocators import ALLOCATORS, allocator
from test_workloads import make_repository
import support

SUITE = os.environ.get("SEEP_SUITE") == "1"


class Program:
    """A program at work: does(run) starts it through run(*command), and returns what it said."""

    def __init__(self, tmp, start):
        self.tmp = tmp
        self.start = start  # start(command, **options) -> Popen

    def path(self, name):
        return os.path.join(self.tmp, name)

    def plainly(self, *command, **options):
        run = self.start(command, stdin=subprocess.DEVNULL, **options)
        out = run.communicate(timeout=support.TIMEOUT)[0]
        return run.returncode, out

    def python(self):
        return self.plainly(support.need("python3", "python3"), "-S",
                            os.path.join(support.WORKLOADS, "python_json.py"), "200")

    def perl(self):
        return self.plainly(support.need("perl", "perl"), "-e",
                            "my %h; $h{$_ % 977} .= \"v$_\" for 1..40000; "
                            "print length(join ',', map {\"$_$h{$_}\"} sort keys %h), \"\\n\"")

    def node(self):
        return self.plainly(support.need("node", "nodejs"), "-e",
                            "const a = []; for (let i = 0; i < 1e5; i++) a.push({i, s: 'x' + i});"
                            "console.log(a.length, Buffer.alloc(1e6).length)")

    def sqlite(self):
        return self.plainly(support.need("sqlite3", "sqlite3"), ":memory:",
                            "with recursive n(i) as (select 1 union all select i + 1 from n where "
                            "i < 20000) select count(*), sum(length(hex(i))) from n; "
                            "create table t(a, b); insert into t select i, 'x' || i from "
                            "(with recursive n(i) as (select 1 union all select i + 1 from n where "
                            "i < 5000) select i from n); create index u on t(b); "
                            "select count(distinct b) from t;")

    def git(self):
        git, folder = support.need("git", "git"), self.path("repository")
        if not os.path.exists(folder):
            make_repository(folder)
        return self.plainly(git, "--no-pager", "log", "--stat", cwd=folder)

    def bash(self):
        return self.plainly("/bin/bash", "-c",
                            "declare -A a; for i in {1..3000}; do a[k$i]=$((i * i)); done; "
                            "for i in 1 2 3; do x=$(echo $i | tr 1-3 a-c); printf '%s ' $x; done; "
                            "/usr/bin/sort <<<$'b\\na'; (exit 3); echo $? ${#a[@]} ${a[k77]}")

    def gdb(self):
        sample = os.path.join(support.BUILD, "samples", "leak")
        status, out = self.plainly(support.need("gdb", "gdb"), "-batch", "-nx",
                                   "-ex", "info line main", "-ex", "break main", "-ex", "run",
                                   "-ex", "bt", "-ex", "kill", sample)
        return status, re.sub(r"process \d+", "process N", out)

    def clang(self):
        clang = support.need("clang++", "clang")
        made = self.path("made.o")
        status, out = self.plainly(clang, "-std=c++17", "-O1", "-c",
                                   os.path.join(support.WORKLOADS, "small.cpp"), "-o", made)
        with open(made, "rb") as file:
            return status, out, file.read()

    def redis(self):
        server = support.need("redis-server", "redis-server")
        client = [support.need("redis-cli", "redis-tools"), "-s", self.path("redis")]

        def ask(*words, given=None):
            return subprocess.run([*client, *words], input=given, text=True, check=False,
                                  env=support.environment(), stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, timeout=support.TIMEOUT).stdout
        run = self.start([server, "--port", "0", "--unixsocket", self.path("redis"), "--save", "",
                          "--io-threads", "2", "--dir", self.tmp, "--logfile", "/dev/null"],
                         stdin=subprocess.DEVNULL)
        told = []
        try:
            wait_until(lambda: ask("ping") == "PONG\n")
            lines = "".join(f"set k{i} {'v' * (i % 300)}\n" for i in range(5000))
            told.append(ask(given=lines).count("OK"))
            told.append(ask("bgsave"))
            wait_until(lambda: "rdb_bgsave_in_progress:0" in ask("info", "persistence"))
            told.append("rdb_last_bgsave_status:ok" in ask("info", "persistence"))
            told.append(ask("eval", "local n = 0; for i = 0, 4999 do n = n + "
                            "redis.call('strlen', 'k' .. i) end; return n", "0"))
            ask("shutdown", "nosave")
            run.communicate(timeout=support.TIMEOUT)
        finally:
            run.kill()
        return run.returncode, told

    def nginx(self):
        nginx = support.need("nginx", "nginx-light")
        for folder in ("logs", "html"):
            os.makedirs(self.path(folder), exist_ok=True)
        with open(self.path("html/page"), "w", encoding="ascii") as page:
            page.write("page\n" * 4000)
        with open(self.path("nginx.conf"), "w", encoding="ascii") as conf:
            conf.write(f"""
                daemon off; master_process on; worker_processes 2; pid {self.tmp}/pid;
                user root;
                error_log {self.tmp}/logs/error; events {{ worker_connections 64; }}
                http {{ access_log {self.tmp}/logs/access; gzip on; gzip_types *; root {self.tmp}/html;
                    client_body_temp_path {self.tmp}/t1; proxy_temp_path {self.tmp}/t2;
                    fastcgi_temp_path {self.tmp}/t3; uwsgi_temp_path {self.tmp}/t4;
                    scgi_temp_path {self.tmp}/t5;
                    server {{ listen unix:{self.tmp}/nginx; }} }}""")
        run = self.start([nginx, "-p", self.tmp, "-c", self.path("nginx.conf")],
                         stdin=subprocess.DEVNULL)
        sizes = set()
        try:
            wait_until(lambda: answer(self.path("nginx")))
            for request in range(200):
                sizes.add(answer(self.path("nginx")))
                if request == 100:
                    with open(self.path("pid"), encoding="ascii") as pid:
                        os.kill(int(pid.read()), signal.SIGHUP)
            with open(self.path("pid"), encoding="ascii") as pid:
                os.kill(int(pid.read()), signal.SIGQUIT)
            run.communicate(timeout=support.TIMEOUT)
        finally:
            run.kill()
            for name in ("nginx", "pid"):
                if os.path.exists(self.path(name)):
                    os.unlink(self.path(name))
        return run.returncode, sizes


def wait_until(holds):
    deadline = time.monotonic() + support.TIMEOUT
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain")
        time.sleep(0.05)


def answer(path):
    """Bytes of the answer to one request; 0 where nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(support.TIMEOUT)
        try:
            connection.connect(path)
            connection.sendall(b"GET /page HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
            got = b""
            while piece := connection.recv(65536):
                got += piece
        except OSError:
            return 0
    return len(got.partition(b"\r\n\r\n")[2])


class Programs(support.TestCase):
    def once(self, name, prefix=(), **variables):
        """What the program says and how it ends, and what was said on standard error beside."""
        log = self.path("stderr")
        with open(log, "w", encoding="utf-8") as errors:
            def start(command, **options):
                return subprocess.Popen([*prefix, *command], stdout=subprocess.PIPE, text=True,
                                        stderr=errors, env=support.environment(**variables),
                                        **options)
            result = getattr(Program(self.tmp, start), name)()
        with open(log, encoding="utf-8", errors="replace") as errors:
            return result, errors.read()

    def served(self, recording, wanted):
        info = recording.info
        for counter in ("lost_events", "unknown_frees"):
            self.assertEqual(info[counter], 0, counter)
        self.assertGreater(info["events"], 500)
        self.assertEqual(info["allocator"], wanted)
        self.assertRegex(info["allocator_version"], r"\d+\.\d+")
        self.assertEqual(info["completeness"]["unseen"], [])
        for child in recording.children():
            self.assertEqual(support.Recording(child).info["lost_events"], 0, child)

    def both(self, name, other=None):
        """Alone and recorded: with the program's own allocator, or another preloaded, by seep run and
        by a preload; and behind the other in the list, which is refused with a word."""
        others = {"LD_PRELOAD": allocator(other)} if other else {}
        wanted = other or ("jemalloc" if name == "redis" else "glibc")
        alone, _ = self.once(name, **others)
        trace = self.path("out.seep")
        result, said = self.once(name, (support.SEEP, "run", "-f", "-q", "-o", trace, "--"), **others)
        self.assertEqual(result, alone, said)
        self.served(support.Recording(trace), wanted)
        if not other:
            return
        result, said = self.once(name, SEEP_OUT=self.path("first.seep"),
                                 LD_PRELOAD=f"{support.LIBSEEP} {allocator(other)}")
        self.assertEqual(result, alone, said)
        self.served(support.Recording(self.path("first.spool")), other)
        result, said = self.once(name, SEEP_OUT=self.path("behind.seep"),
                                 LD_PRELOAD=f"{allocator(other)}:{support.LIBSEEP}")
        self.assertEqual(result, alone, said)
        self.assertIn("libseep.so must come first in LD_PRELOAD", said)
        self.assertFalse(os.path.exists(self.path("behind.spool")))


def add(name, other, number):
    if other and not SUITE and number % len(ALLOCATORS) != sorted(ALLOCATORS).index(other):
        return

    def test(self):
        self.both(name, other)
    setattr(Programs, f"test_{name}_with_{other}" if other else f"test_{name}", test)


for place, program in enumerate(sorted(n for n in vars(Program) if not n.startswith("_") and
                                       n not in ("path", "plainly"))):
    for served_by in (None, *ALLOCATORS):
        add(program, served_by, place)


if __name__ == "__main__":
    support.main()
