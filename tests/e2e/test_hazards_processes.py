# SPDX-License-Identifier: MIT
"""Hazards of processes that make others: docs/hazards.md."""

import glob
import os
import random
import re
import subprocess

from hazards import Fix, TestCase, hazard
import support

# Children of the handler that forks; SEEP_TEST_FORKS=2000 for the long form.
FORKS = os.environ.get("SEEP_TEST_FORKS", "100")
KNOWN = subprocess.CompletedProcess([], 0)


class Processes(TestCase):
    def child(self, path):
        recording = support.Recording(path, KNOWN)
        self.assert_complete(recording)
        return recording

    def assert_inherited(self, stdout, trace_of):
        """The children's traces hold what each of them (programs/inherit.c) found in its memory."""
        lines = re.findall(r"(\d+) held (\d+) (\d+) free (\d+) (\d+) moving (\d+)", stdout)
        self.assertEqual(len(lines), 6, stdout)
        for pid, held, held_bytes, ended, ended_bytes, moving in (map(int, line) for line in lines):
            child = self.child(trace_of(pid))
            events = [e for e in child.dump() if 1000 <= e.get("size", 0) < 2024]
            inherited = [e["size"] for e in events if e["op"] == "alloc" and e.get("inherited")]
            freed = [e["size"] for e in events if e["op"] == "free"]
            self.assertLessEqual(held - moving, len(inherited))
            self.assertLessEqual(len(inherited), held + moving)
            self.assertAlmostEqual(sum(inherited), held_bytes, delta=2024 * moving)
            self.assertEqual((len(freed), sum(freed)), (ended, ended_bytes))
            told = child.leaks()
            self.assertEqual(told["matched"]["blocks"], 1)
            self.assertEqual(told["inherited"]["blocks"], child.info["inherited_blocks"])
            self.assertEqual(told["inherited"]["held_blocks"], told["inherited"]["blocks"] - ended)
            sites = child.sites("--inherited")
            self.assertEqual(sum(s.blocks for s in sites), told["inherited"]["held_blocks"])
            self.assertTrue(any(s.starts_with(["busy"]) for s in sites), [str(s) for s in sites])

    @hazard(6, Fix("analyzer/trace/handout.c", "p->position <= c->words[p->lane]",
                   "p->stamp <= c->last_stamp"))
    def test_child_knows_what_it_inherited(self):
        done = self.record([self.program("inherit")])
        self.assert_complete(done)
        stem = done.trace[:-len(".seep")]
        self.assert_inherited(done.stdout, lambda pid: f"{stem}.{pid}.0.inherit.seep")
        pids = re.findall(r"^(\d+) held", done.stdout, re.M)
        parents = {}
        for pid in pids:
            told = self.child(f"{stem}.{pid}.0.inherit.seep").info["process"]
            parents[pid] = told["parent_trace"]
            self.assertEqual(told["fork_parent_pid"], told["parent_pid"])
            self.assertGreater(told["fork_ns"], 0)
        self.assertEqual(parents[pids[2]], f"out.{pids[1]}.0.inherit.seep")
        self.assertEqual([parents[pids[i]] for i in (0, 1, 3, 4, 5)], ["out.seep"] * 5)

    @hazard(6, Fix("analyzer/cmd/pack.c", "pack_ancestors(spool, trace, family);", ""))
    def test_child_of_a_bare_preload_is_packed_first(self):
        done = self.preload([self.program("inherit")])
        spools = sorted(glob.glob(self.path("*.spool")), key=len, reverse=True)
        self.assertEqual(len(spools), 7)
        support.run([self.seep_path, "pack", *spools], check=0)
        self.assertEqual(glob.glob(self.path("*.spool")), [])
        self.assert_inherited(done.stdout, lambda pid: self.path(f"out.{pid}.0.inherit.seep"))

    def test_child_whose_parent_is_not_there(self):
        done = self.preload([self.program("inherit")])
        pid = re.match(r"\d+", done.stdout)[0]
        support.run(["rm", "-r", self.path("out.spool")], check=0)
        child = support.Recording(self.path(f"out.{pid}.0.inherit.spool"), KNOWN)
        self.assertEqual(child.info["inherited_blocks"], 0)
        self.assertGreater(child.info["inherited_frees"], 10)
        self.assertEqual(child.info["unknown_frees"], 0)

    @hazard(6, Fix("preload/fork.c", "rec_forked(stamp, inside);", "rec_forked(stamp, false);",
                   fails="wrong"))
    def test_handler_forks_out_of_a_hook(self):
        bump = self.build(os.path.join(support.ROOT, "tests/e2e/programs/bump.c"), "bump.so",
                          flags=("-O1", "-shared", "-fPIC"))
        for how in ("fork", "_Fork"):
            done = self.record([self.program("fork_in_handler"), how, FORKS], f"{how}.seep",
                               env=support.environment(LD_PRELOAD=bump))
            self.assertEqual(done.stdout, f"children {FORKS} wrong 0\n")
            self.assert_complete(done)
            children = done.children()
            self.assertEqual(len(children), int(FORKS))
            for path in random.Random(support.SEED).sample(children, 20):
                self.assertGreater(self.child(path).info["inherited_blocks"], 40)

    @hazard(6, Fix("preload/fork.c", "real = __fork;", "return -1;", fails="refused [1-9]"))
    def test_handler_forks_out_of_the_first_allocation(self):
        done = self.record([self.program("fork_early"), "handler"])
        self.assertRegex(done.stdout, r"^children \d{2,} refused 0 wrong 0\n$")

    @hazard(6, Fix("preload/fork.c", "rec_real_forked();", "", fails="wrong [1-9]"))
    def test_thread_forks_during_the_first_allocation(self):
        done = self.record([self.program("fork_early"), "thread"])
        self.assertRegex(done.stdout, r"^children \d{2,} refused 0 wrong 0\n$")

    @hazard(6)
    def test_two_hundred_forks_of_a_busy_program(self):
        done = self.record([self.program("fork_busy")])
        self.assertEqual(done.stdout, "200 of 200\n")
        self.assert_complete(done)
        self.assertEqual(len(done.children()), 250)  # a fourth executed something, too

    def test_forks_from_threads(self):
        # Fails when a child writes into its parent's tail, or waits for a lock of the parent's.
        done = self.record([self.program("forks")])
        self.assertEqual(done.stdout, "wrong 0\n")
        self.assert_complete(done)
        self.assertEqual(done.blocks()[0][44], 0)
        children = done.children()
        self.assertEqual(len(children), 40)
        for path in random.Random(support.SEED).sample(children, 5):
            child = support.Recording(path, subprocess.CompletedProcess([], 0))
            self.assertEqual(child.info["lost_events"], 0)
            made = child.blocks()[0]
            self.assertEqual((made[44], made[45]), (100, 1))


class Ways(TestCase):
    """Of starting another process (programs/starts.c)."""

    def start(self, how, executed=False, forked=False, shared=False):
        """Whether a child executes the program, is a fork, or shares the parent's memory."""
        done = self.record([self.program("starts"), how], f"{how}.seep")
        self.assertEqual(done.stdout, "done\n", how)
        self.assert_complete(done)
        made, ended = done.blocks()
        self.assertEqual([made[77], made[78], ended[77], ended[78]], [1000] * 4, how)
        self.assertEqual((made[79], ended[79]), (20, 5) if shared else (0, 0), how)
        found = [support.Recording(path, KNOWN) for path in done.children()]
        for child in found:
            self.assert_complete(child)
        counts = [tuple(side[size] for size in (91, 79) for side in child.blocks())
                  for child in found if child.info["process"]["exe"].endswith("/starts")]
        self.assertEqual(counts, [(10, 4, 0, 0)] * executed + [(0, 0, 20, 5)] * forked, how)

    @hazard(7)
    def test_ways_to_execute_in_a_child(self):
        self.start("vfork-exec", executed=True)
        self.start("spawn", executed=True)
        self.start("system", executed=True)
        self.start("popen", executed=True)

    @hazard(7)
    def test_children_that_share_the_parents_memory(self):
        self.start("vfork-exit", shared=True)
        self.start("clone-vm", shared=True)

    @hazard(7, Fix("preload/recorder.c",
                   "!sys_failed(sys_call(SYS_madvise, page, PAGE_BYTES, MADV_WIPEONFORK)) &&", ""))
    def test_fork_by_a_system_call(self):
        self.start("clone-raw", forked=True)

    @hazard(7)
    def test_exec_in_a_thread(self):
        done = self.record([self.program("starts"), "thread-exec"])
        self.assertEqual(done.stdout, "")
        self.assertEqual((done.blocks()[0][91], done.blocks()[1][91]), (10, 4))
        before, = (support.Recording(path, KNOWN) for path in done.children())
        self.assert_complete(before)
        self.assertEqual((before.blocks()[0][77], before.blocks()[1][77]), (1000, 1000))

    @hazard(7)
    def test_daemon(self):
        done = self.record([self.program("starts"), "daemon"], options=("--wait",))
        self.assertEqual(done.stdout, "done\n")
        self.assertEqual(done.blocks()[0][77], 1000)
        daemon, = (support.Recording(path, KNOWN) for path in done.children())
        self.assert_complete(daemon)
        self.assertEqual((daemon.blocks()[0][79], daemon.blocks()[1][79]), (20, 5))

    @hazard(7)
    def test_env(self):
        program = self.program("starts")
        done = self.record(["env", "X=1", program, "made"])
        self.assertEqual(done.blocks()[0][91], 10)
        # Without its environment a program is not recorded: what was before is all there is.
        done = self.record(["env", "-i", program, "made"], "bare.seep")
        self.assertEqual(os.path.basename(done.info["process"]["exe"]), "env")
        self.assertEqual(done.children(), [])

    @hazard(7, Fix("preload/recorder.c", "if (plain || !is_packed(path, stem)) {", "{"))
    def test_pids_and_names_that_come_again(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        runs = []
        for _ in range(2):
            done = self.record(
                ["unshare", "--pid", "--fork", "--mount-proc", "perl", "-e",
                 "for (1, 2) { open(F, '>/proc/sys/kernel/ns_last_pid'); print F 6; close F;"
                 " $p = fork; if (!$p) { @a = (1 .. 999); exit 0; }"
                 " print \"$p\\n\"; waitpid $p, 0; }"])
            self.assertEqual(done.stdout, "7\n7\n", "the pid could not be had again")
            runs.append(done.info["process"]["run_id"])
        found = [support.Recording(path, KNOWN).info["process"] for path in done.children()]
        self.assertEqual(sorted(p["run_id"] for p in found if p["pid"] == 7),
                         sorted(runs * 2))

    @hazard(7, Fix("analyzer/run/spools.c", """spool->pid == pid &&
            spool->pid_namespace == s->pid_namespace)""", "spool->pid == pid)", again=[
                ("analyzer/run/spools.c", """ ||
            other->pid_namespace != spool->pid_namespace)""", ")")]))
    def test_pid_of_the_program_in_another_namespace(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        done = self.record(
            ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
             "echo $((SEEP_MAIN_PID - 1)) >/proc/sys/kernel/ns_last_pid; "
             "perl -e 'print \"$$\\n\"'; echo $SEEP_MAIN_PID; perl -e 1"])
        inside, outside = done.stdout.split()
        self.assertEqual(inside, outside, "the pid could not be had again: nothing was tested")
        self.assertEqual(os.path.basename(done.info["process"]["exe"]), "unshare")
        self.assertEqual(done.info["process"]["pid"], int(outside))
        names = [os.path.basename(path).split(".")[1:4] for path in done.children()]
        self.assertIn([inside, "1", "perl"], names)  # 0 is the program
        self.assertEqual([name[2] for name in names].count("perl"), 2)


if __name__ == "__main__":
    support.main()
