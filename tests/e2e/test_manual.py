# SPDX-License-Identifier: MIT
"""Manual pages and shell completion against what the commands say of themselves."""

import glob
import os
import re
import shutil
import unittest

import support

MAN = os.path.join(support.ROOT, "docs", "man")
OPTIONS_HEADER = os.path.join(support.INCLUDE, "seep", "recorder_options.h")
SET_BY_SEEP_RUN = {"SPOOL_LIMIT", "WHEN_FULL", "RUN_ID", "FILTERS", "MAIN_PID", "MAIN_NAMESPACE"}  # not for people


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def help_of(*command):
    return support.run([support.SEEP, *command, "--help"], check=0).stdout


def commands():
    """Name and summary of each command in `seep --help`."""
    return dict(re.findall(r"^  ([a-z]+) +(\S.*)$", help_of(), re.M))


def options_of_help(command):
    """{"--top": ("-n", "N"), ...}"""
    found = re.findall(r"^ {2,6}(?:(-\w), )?(--[a-z-]+)(?:=(\S+))?(?:$| )", help_of(command), re.M)
    return {long: (short or None, value or None) for short, long, value in found}


def plain(roff):
    """Text of a line of roff without fonts and escapes."""
    return re.sub(r"\\f[A-Z]", "", roff).replace("\\-", "-")


def options_of_page(path):
    """The same from a manual page: the tags of .TP paragraphs that begin with an option."""
    options = {}
    for tag in re.findall(r"^\.TP\n(.*)$", read(path), re.M):
        found = re.fullmatch(r"(?:(-\w), )?(--[a-z-]+)(?:=(\S+))?", plain(tag))
        if found:
            options[found[2]] = (found[1], found[3])
    return options


class Pages(unittest.TestCase):
    def test_each_command_has_a_page_with_its_options(self):
        self.assertGreater(len(commands()), 1)
        for command in commands():
            if command == "help":
                continue  # described in seep.1
            page = os.path.join(MAN, f"seep-{command}.1")
            self.assertEqual(options_of_page(page), options_of_help(command), page)

    def test_summaries(self):
        page = plain(read(os.path.join(MAN, "seep.1")))
        for command, summary in commands().items():
            self.assertIn(f'.BR {command} " - {summary}"', page)
            if command != "help":
                own = plain(read(os.path.join(MAN, f"seep-{command}.1")))
                self.assertIn(f"\nseep-{command} - {summary}\n", own)

    def test_environment_of_the_recorder(self):
        table = re.findall(r"^ *X\((\w+),", read(OPTIONS_HEADER), re.M)
        page = read(os.path.join(MAN, "seep-run.1"))
        told = re.findall(r"^\.B SEEP_(\w+)$", page, re.M)
        self.assertEqual(sorted(told), sorted(set(table) - SET_BY_SEEP_RUN))

    def test_pages_are_sound(self):
        if not shutil.which("man"):
            self.skipTest("needs man (Debian package man-db)")
        pages = glob.glob(os.path.join(MAN, "*.1"))
        self.assertTrue(pages)
        for page in pages:
            done = support.run(["man", "-l", "--warnings", "-E", "UTF-8", page], check=0,
                               env=support.environment(MANWIDTH="80", MAN_KEEP_STDERR="1"))
            self.assertEqual(done.stderr, "", page)
            self.assertIn("SEE ALSO", done.stdout)

    def test_references_lead_somewhere(self):
        for page in glob.glob(os.path.join(MAN, "*.1")):
            for name in re.findall(r"\b(seep(?:-[a-z]+)?)\b *\(1\)", plain(read(page))):
                self.assertTrue(os.path.exists(os.path.join(MAN, f"{name}.1")), f"{page}: {name}")


class Completion(unittest.TestCase):
    def complete(self, *words):
        script = ('source <("$1" help --completion=bash); shift; COMP_WORDS=("$@"); '
                  'COMP_CWORD=$(($# - 1)); _seep; printf "%s\\n" "${COMPREPLY[@]}"')
        done = support.run(["bash", "-uc", script, "bash", support.SEEP, "seep", *words], check=0)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_commands(self):
        self.assertEqual(self.complete("le"), ["leaks"])
        self.assertIn("info", self.complete(""))
        self.assertEqual(self.complete("help", "le"), ["leaks"])

    def test_options(self):
        self.assertEqual(sorted(self.complete("leaks", "--to")), ["--to=", "--top="])
        self.assertEqual(self.complete("leaks", "--show-b"), ["--show-builtin"])
        self.assertEqual(self.complete("pack", "--top"), [])

    def test_choices(self):
        self.assertEqual(self.complete("leaks", "--by", "=", "f"), ["function"])
        self.assertEqual(self.complete("leaks", "--by", "="),
                         ["stack", "function", "module", "source"])
        self.assertEqual(self.complete("info", "--format", "j"), ["json"])

    def test_files_are_left_to_bash(self):
        self.assertEqual(self.complete("leaks", ""), [])
        self.assertEqual(self.complete("leaks", "--top", "5", "x"), [])
        self.assertEqual(self.complete("pack", "--output", "="), [])


if __name__ == "__main__":
    support.main()
