# SPDX-License-Identifier: MIT
"""seep report: the page in a browser (tests/browser/report.mjs drives it), and the file as such."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

import support

sys.path.insert(0, os.path.join(support.ROOT, "analyzer", "web"))
import bundle  # noqa: E402  how the build fetches what npm has

BROWSER = os.path.join(support.ROOT, "tests", "browser")
SHOTS = os.path.join(support.BUILD, "report-screenshots")

SCENE = support.scene("<img src=x>")


def need_page():
    """Skips where this seep was built without the page."""
    help_text = support.run([support.SEEP, "report", os.devnull], check=2).stderr
    if "built without" in help_text:
        raise unittest.SkipTest("seep was built without the page (npm, or the network, was missing)")


def fetch_driver():
    """Where playwright-core is."""
    work = os.path.join(support.BUILD, "tests", "browser")
    try:
        bundle.fetch(support.need("npm", "npm"), BROWSER, work)
    except (OSError, subprocess.TimeoutExpired) as trouble:
        raise unittest.SkipTest(f"npm did not fetch playwright-core: {trouble}") from trouble
    return work


class Page(support.TestCase):
    def setUp(self):
        super().setUp()
        need_page()

    def report(self, *args, check=0):
        return support.run([support.SEEP, "report", *args], check=check)


class File(Page):
    def test_files(self):
        trace = self.make_trace(SCENE)
        self.assertIn("made.html", self.report(trace).stdout)
        self.assertIn("exists", self.report(trace, check=2).stderr)
        # before anything is read
        self.assertIn("exists", self.report(self.path("none.seep"), "-o", self.path("made.html"),
                                            check=2).stderr)
        self.report(trace, "-f")
        self.assertTrue(self.report(trace, "-o", "-").stdout.startswith("<!DOCTYPE html>"))
        self.report(self.path("none.seep"), check=2)
        self.report(check=2)

    def test_nothing_from_outside(self):
        page = self.report(self.make_trace(SCENE), "-o", "-").stdout
        page = page.replace("http://www.w3.org/2000/svg", "")
        self.assertNotRegex(page, r"https?://|src=[\"']|@import|url\((?!#)")
        self.assertIn("default-src 'none'", page)
        # names from the trace are in compressed sections alone
        self.assertNotIn("<img", page)

    def test_sections(self):
        page = self.report(self.make_trace(SCENE), "-o", "-").stdout
        self.assertEqual(re.findall(r'data-section="(\w+)"', page),
                         ["info", "lives", "growth", "leaks", "sources"])

    def test_what_belongs_to_a_comparison(self):
        done = self.report(self.make_trace(SCENE), "--with=glibc", check=2)
        self.assertIn("--with goes with --compare", done.stderr)


class WithoutNpm(support.TestCase):
    def bundle(self, *args):
        return subprocess.run([sys.executable, os.path.join(support.ROOT, "analyzer", "web", "bundle.py"),
                               *args[:1], self.path("page.h"), self.path("page.d"),
                               os.path.join(support.ROOT, "analyzer", "web"), self.path("work"), "npm"],
                              env={"PATH": self.tmp}, stderr=subprocess.PIPE, text=True, check=False)

    def test_page_is_left_out_with_a_word(self):
        done = self.bundle("--try")
        self.assertEqual(done.returncode, 0)
        self.assertIn("left out of this build: npm is not installed", done.stderr)
        with open(self.path("page.h"), encoding="utf-8") as header:
            self.assertIn('web_page[] =\n    "";', header.read())
        # the next build tries again: it depends on what never exists
        with open(self.path("page.d"), encoding="utf-8") as depfile:
            self.assertFalse(all(map(os.path.exists, depfile.read().split()[1:])))
        self.assertEqual(self.bundle("--need").returncode, 1)


class Names(support.TestCase):
    def test_short_names(self):
        node = support.need("node", "nodejs")
        cases = {
            "main::{lambda()#1}::operator()() const": "main::{lambda#1}::operator()",
            "std::ostream& std::operator<< <char>(std::ostream&, char const*)": "std::ostream& std::operator<<",
            "X<int>::operator->() const": "X::operator->",
            "bool operator<=><int>(X<int> const&)": "bool operator<=>",
            "std::vector<int> make<std::function<bool (int)> >(int)": "make",
            "(anonymous namespace)::f(int)": "{anonymous}::f",
            "<alloc::vec::Vec<T>>::push": "<alloc::vec::Vec<T>>::push",
            "libc.so+0x12": "libc.so+0x12",
        }
        script = ("const { shortName } = await import(process.argv[1]);"
                  "console.log(JSON.stringify(JSON.parse(process.argv[2]).map(shortName)))")
        module = os.path.join(support.ROOT, "analyzer", "web", "parts", "format.js")
        done = support.run([node, "--input-type=module", "-e", script, module, json.dumps([*cases])], check=0)
        self.assertEqual(dict(zip(cases, json.loads(done.stdout))), cases)


class Browser(Page):
    """Everything is looked at in one browser, once."""

    def test_in_a_browser(self):
        node = support.need("node", "nodejs")
        chromium = support.need("chromium", "chromium")
        modules = fetch_driver()
        shutil.rmtree(SHOTS, ignore_errors=True)
        os.makedirs(SHOTS)
        demo = self.path("demo.seep")
        support.run([support.SEEP, "run", "--snapshot=exit", "-o", demo, "--",
                     os.path.join(support.BUILD, "samples", "demo")], check=0)
        cut = self.make_trace(SCENE, "cut.seep")
        with open(cut, "r+b") as trace:
            trace.truncate(os.path.getsize(cut) - 30)
        window, family = self.path("window.seep"), self.path("family.seep")
        support.run([support.SEEP, "cut", demo, "--from=orders served", "-o", window], check=0)
        support.run([support.SEEP, "run", "-o", self.path("shell.seep"), "bash", "-c",
                     "for i in 1 2; do sort /etc/passwd | head -1; done"], check=0)
        support.run([support.SEEP, "merge", *glob.glob(self.path("shell*.seep")), "-o", family],
                    check=0)
        traces = {"demo": demo, "window": window, "family": family, "cut": cut, "made": self.make_trace(SCENE),
                  "empty": self.make_trace("fact 4 /bin/nothing\n", "empty.seep")}
        compare = ["--compare", "--with=glibc", "--set=glibc:MALLOC_MMAP_THRESHOLD_=4096", "--repeat=1"]
        for name, trace in traces.items():
            self.report(trace, "--source-dir", support.ROOT, *(compare if name == "demo" else []))
        settings = self.write("settings.json", json.dumps({
            "browser": chromium, "seep": support.SEEP, "modules": modules, "shots": SHOTS,
            "traces": {name: {"trace": path, "page": path[:-5] + ".html"}
                       for name, path in traces.items()}}))
        done = support.run([node, os.path.join(BROWSER, "report.mjs"), settings], check=0)
        checks = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertGreater(len(checks), 15)
        for check in checks:
            with self.subTest(check["name"]):
                self.assertIsNone(check["error"], check["error"])


if __name__ == "__main__":
    support.main()
