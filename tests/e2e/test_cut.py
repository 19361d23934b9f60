# SPDX-License-Identifier: MIT
"""seep cut: a window is what the trace says of it, to every command."""

import json
import os
import signal
import stat
import subprocess
import unittest

import support

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")

# 200 blocks, each freed 100 blocks later, over 20 us steps; marks around the middle.
SCRIPT = "fact 4 /b/x\nfact 7 h\nthread 1 7 main\nroot 1\nnode 2 1 0x1000\nnode 3 1 0x2000\n" + "".join(
    (f"mark {20000 * i} {'middle' if i == 150 else 'late'}\n" if i in (150, 250) else "") +
    (f"alloc b{i} {20000 * i} 1 {2 + i % 2} {0x10000 + 64 * i} {i + 1} {i + 8} malloc\n"
     if i < 200 else "") +
    (f"free b{i - 100} {20000 * i + 5000} 1\n" if i >= 100 else "") for i in range(300))


def without_times(value):
    """The tree without what the window stores a little differently: when something was."""
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if not k.endswith("_ns")}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def times(value):
    if isinstance(value, dict):
        return [v for k in value for v in ([value[k]] if k.endswith("_ns") else times(value[k]))]
    return [t for v in value for t in times(v)] if isinstance(value, list) else []


class Cutting(support.TestCase):
    """Cuts windows out of traces and compares them."""

    def cut(self, trace, *options, check=0, output="window.seep", force=True):
        path = self.path(output)
        done = support.run([support.SEEP, "cut", trace, *(["-f"] if force else []), "-o", path,
                            *options], check=check)
        self.assertEqual([n for n in os.listdir(self.tmp) if n.startswith(".")], [])
        return path if check == 0 else done

    def made(self, script=SCRIPT):
        return self.make_trace(script)

    def assert_same(self, one, other, within_ns=2000):
        if isinstance(one, list):
            self.assertEqual(len(one), len(other))
            for a, b in zip(one, other):
                self.assert_same(a, b, within_ns)
            return
        self.assertEqual(without_times(one), without_times(other))
        for a, b in zip(times(one), times(other), strict=True):
            self.assertAlmostEqual(a, b, delta=within_ns)

    def assert_window(self, trace, *window, pools=False):
        """What leaks and dump say of the window of the trace, they say of the window."""
        cut = self.cut(trace, *window)
        everything = support.EVERYTHING
        kinds = [(), ("--pool",)] if pools else [()]
        for kind in kinds:
            whole = support.report("leaks", trace, *everything, *kind, *window)
            self.assert_same(whole, support.report("leaks", cut, *everything, *kind))
        end = [w for w in window if w.startswith("--to")]
        whole = support.report("leaks", trace, *everything, *end)["result"]
        all_of_it = support.report("leaks", cut, *everything, "--from=0s")["result"]
        self.assertEqual(whole["total"]["blocks"], all_of_it["total"]["blocks"])
        self.assertEqual([(s["blocks"], s["bytes"], s["usable_bytes"], s["frames"])
                          for s in whole["sites"]],
                         [(s["blocks"], s["bytes"], s["usable_bytes"], s["frames"])
                          for s in all_of_it["sites"]])
        self.assert_same(self.events(trace, *window), self.events(cut))
        return cut

    def events(self, trace, *window):
        lines = support.run([support.SEEP, "dump", "--format=json", "--stacks", *window, trace],
                            check=0).stdout.splitlines()
        events = [json.loads(line) for line in lines]
        for event in events:
            event.pop("stack", None)  # stacks have numbers of the window's own
        return [e for e in events if e["op"] != "inherited"]


class Windows(Cutting):
    def test_windows_of_a_made_trace(self):
        trace = self.made()
        for window in (("--from=2ms", "--to=4ms"), ("--from=#50", "--to=#250"), ("--from=middle",),
                       ("--to=middle",), ("--from=middle", "--to=late"), ("--from=1s",),
                       ("--from=3000100ns", "--to=3000200ns")):
            self.assert_window(trace, *window)

    def test_records_between_the_last_event_and_the_next(self):
        # what is told only after the window has ended does not make it longer
        script = SCRIPT.replace("mark 3000000 middle", "mark 2990000 middle")
        trace = self.made(script)
        number = 150 + 50  # b0 .. b149 made, b0 .. b49 freed
        cut = self.assert_window(trace, "--from=#50", f"--to=#{number - 1}")
        last = self.events(cut)[-1]["time_ns"]
        told = support.report("leaks", trace, "--from=#50", f"--to=#{number - 1}")["result"]
        self.assertEqual(told["end_ns"], last)
        self.assertLess(last, 2990000)

    def test_info(self):
        cut = self.cut(self.made(), "--from=middle", "--to=late")
        info = support.report("info", cut)["result"]
        # b150 .. b199 are made, b50 .. b149 freed; before, 100 are live
        live = sum(range(51, 151))
        end = sum(range(151, 201))
        peak = max(live + sum(range(151, 151 + k + 1)) - sum(range(51, 51 + k)) for k in range(50))
        self.assertEqual(
            {k: info[k] for k in ("allocations", "frees", "live_blocks", "live_bytes",
                                  "peak_live_bytes", "allocated_bytes")},
            {"allocations": 50, "frees": 100, "live_blocks": 50, "live_bytes": end,
             "peak_live_bytes": peak, "allocated_bytes": end})
        self.assertEqual({k: info["window"][k] for k in ("of", "from", "to", "first_event")},
                         {"of": "made.seep", "from": "middle", "to": "late", "first_event": 200})
        self.assertEqual((info["window"]["from_ns"], info["window"]["to_ns"]), (3000000, 5000000))
        self.assertEqual(info["duration_ns"], 2000000)
        self.assertEqual([m["name"] for m in info["marks"]], ["middle"])
        text = support.run([support.SEEP, "info", cut], check=0).stdout
        self.assertIn("of made.seep, from middle to late (3 ms to 5 ms)", text)
        self.assertIn("live at its end", text)
        self.assertIs(support.report("info", self.path("made.seep"))["result"]["window"], None)

    def test_a_window_of_a_window(self):
        trace = self.made()
        outer = self.cut(trace, "--from=#40", "--to=#390", output="outer.seep")
        for window in (("--from=#100", "--to=#200"), ("--from=middle", "--to=late")):
            inner = self.cut(outer, *window, output="inner.seep")
            whole = support.report("leaks", trace, *support.EVERYTHING, *window)
            self.assert_same(whole, support.report("leaks", inner, *support.EVERYTHING), 3000)
            self.assert_same(self.events(trace, *window), self.events(inner), 3000)
            self.assertEqual(support.report("info", inner)["result"]["window"]["of"], "made.seep")
        # one that is larger is the outer one
        same = self.cut(outer, "--from=0s", "--to=1h", output="inner.seep")
        told = support.report("info", same)["result"]["window"]
        self.assertEqual((told["from"], told["to"], told["first_event"]), ("#40", "#390", 40))
        self.assert_same(self.events(outer), self.events(same), 3000)

    def test_real_programs(self):
        for source, window in (("marks.c", ("--from=loaded", "--to=served")),
                               ("threads.c", ("--from=#100", "--to=#900")),
                               ("realloc.c", ("--from=#5",)), ("fragment.c", ("--to=#1000",))):
            recording = self.record([self.build(source)], options=["--children=none"])
            self.assert_window(recording.trace, *window)

    def test_a_large_trace(self):
        python = support.need("python3", "python3")
        recording = self.record(
            [python, "-c", "x = {}\nfor i in range(200000): x[i % 777] = [str(i)] * (i % 50)"],
            options=["--children=none"])
        last = recording.info["events"]
        for part in (0.01, 0.5, 0.98):
            first = int(last * part)
            self.assert_window(recording.trace, f"--from=#{first}", f"--to=#{first + last // 100}")

    def test_pools(self):
        program = self.build(os.path.join(PROGRAMS, "pool.c"))
        recording = self.record([program], options=["--children=none"], check=None)
        events = recording.info["events"] + recording.info["pools"]["allocations"]
        cut = self.cut(recording.trace, f"--to=#{events // 2}")
        whole = support.report("leaks", recording.trace, "--pool", f"--to=#{events // 2}",
                               *support.EVERYTHING)["result"]
        window = support.report("leaks", cut, "--pool", *support.EVERYTHING)["result"]
        self.assert_same(whole, window)

    def test_what_a_child_inherited(self):
        program = self.build(os.path.join(PROGRAMS, "inherit.c"))
        self.record([program], check=None)
        children = [t for t in support.Recording(self.path("out.seep")).children()
                    if support.report("info", t)["result"]["inherited_blocks"] > 10]
        self.assertTrue(children)
        for child in children:
            count = len(self.events(child))
            window = f"--from=#{count // 2}"
            cut = self.cut(child, window)
            options = (*support.EVERYTHING, "--inherited", window)
            whole = support.report("leaks", child, *options)["result"]
            told = support.report("leaks", cut, *options)["result"]
            self.assertEqual(whole["inherited"]["held_blocks"], told["inherited"]["held_blocks"])
            everything = (*support.EVERYTHING, "--inherited", "--from=0s")
            whole = support.report("leaks", child, *everything)["result"]["sites"]
            told = support.report("leaks", cut, *everything)["result"]["sites"]
            self.assertTrue(whole)
            for one, other in zip(whole, told, strict=True):
                # with the age that the child's parent made it at
                self.assertEqual((one["blocks"], one["bytes"], one["frames"], one["first_ns"]),
                                 (other["blocks"], other["bytes"], other["frames"],
                                  other["first_ns"]))


class Refused(Cutting):
    def test_usage(self):
        trace = self.made()
        for args in ([trace, "--from=1ms"], ["-o", self.path("w"), "--from=1ms"],
                     [trace, "-o", self.path("w")], [trace, trace, "-o", self.path("w"), "--to=1s"],
                     [trace, "-o", self.path("w"), "--from=4ms", "--to=1ms"]):
            done = support.run([support.SEEP, "cut", *args], check=2)
            self.assertIn("seep cut: ", done.stderr)
            self.assertFalse(os.path.exists(self.path("w")))
        self.assertIn("marks: middle, late", self.cut(trace, "--from=early", check=2).stderr)

    def test_nothing_is_overwritten(self):
        trace = self.made()
        path = self.write("window.seep", "precious")
        done = self.cut(trace, "--to=1ms", force=False, check=2)
        self.assertIn("window.seep: exists already", done.stderr)
        with open(path, encoding="utf-8") as text:
            self.assertEqual(text.read(), "precious")
        self.cut(trace, "--to=1ms")
        self.assertEqual(support.report("info", path)["result"]["window"]["of"], "made.seep")
        os.remove(path)
        os.mkfifo(path)
        done = self.cut(trace, "--to=1ms", check=2)
        self.assertIn("window.seep: is no regular file", done.stderr)
        self.assertTrue(stat.S_ISFIFO(os.stat(path).st_mode))

    def test_bad_input(self):
        for content, word in (("nothing of ours", "not a trace"), ("", "empty")):
            done = self.cut(self.write("bad.seep", content), "--to=1ms", check=2)
            self.assertIn("bad.seep: ", done.stderr)
            self.assertIn(word, done.stderr)
        self.assertIn("No such file", self.cut(self.path("none"), "--to=1ms", check=2).stderr)
        done = self.cut(self.made(), "--to=1ms", output="none/window.seep", check=2)
        self.assertIn("none/window.seep: No such file", done.stderr)

    def test_a_window_behind_the_end(self):
        made = self.made()
        for moment, said in (("1000s", True), ("#1000000000", True), ("0s", False)):
            done = support.run([support.SEEP, "cut", made, f"--from={moment}", "-f", "-o",
                                self.path("window.seep")], check=0)
            self.assertEqual("the trace ends at" in done.stderr, said, moment)

    def test_a_cut_off_trace(self):
        trace = self.made()
        os.truncate(trace, os.path.getsize(trace) - 200)
        self.assertTrue(support.report("info", trace)["completeness"]["truncated"])
        whole = self.cut(trace, "--from=#10")
        self.assertTrue(support.report("info", whole)["completeness"]["truncated"])
        told, wanted = self.events(whole), self.events(trace, "--from=#10")
        self.assertEqual([e["op"] for e in told], [e["op"] for e in wanted])
        self.assertEqual([e["lost_events"] for e in told if e["op"] == "gap"], [390])  # of 400

    def test_interrupted(self):
        python = support.need("python3", "python3")
        recording = self.record([python, "-c", "for i in range(1500000): bytes(600)"],
                                options=["--children=none"])
        process = subprocess.Popen([support.SEEP, "cut", recording.trace, "--from=#1", "-o",
                                    self.path("window.seep")], env=support.environment(),
                                   stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while not [n for n in os.listdir(self.tmp) if n.startswith(".seep")]:
            if process.poll() is not None:
                break
        process.send_signal(signal.SIGTERM)
        status = process.wait()
        self.assertEqual([n for n in os.listdir(self.tmp) if n.startswith(".seep")], [])
        self.assertIn(status, (0, -signal.SIGTERM))
        if os.path.exists(self.path("window.seep")):  # it was done before the signal came
            self.assertTrue(support.report("info", self.path("window.seep"))["completeness"]["complete"])
        else:
            self.assertEqual(status, -signal.SIGTERM)


if __name__ == "__main__":
    support.main()
