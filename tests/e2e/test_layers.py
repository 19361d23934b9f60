# SPDX-License-Identifier: MIT
"""The borders between the parts: who may include whom, and what libseep.so takes and gives."""

import glob
import importlib
import os
import re
import unittest

import support

# Layer: layers whose headers it may include. docs/architecture.md says why.
ANALYZER = {
    "util": {"util"},
    "trace": {"trace", "util", "seep"},
    "model": {"model", "trace", "util", "seep"},
    "analysis": {"analysis", "model", "trace", "util", "seep"},
    "report": {"report", "util"},
    "replay": {"replay", "model", "trace", "util", "seep"},
    "run": {"run", "trace", "util", "seep"},
    "page": {"page", "analysis", "report", "model", "trace", "util", "seep"},
    "cmd": {"cmd", "page", "analysis", "report", "replay", "run", "model", "trace", "util", "seep"},
    ".": {"cmd", "util"},
}
# Single headers beyond that.
EXCEPTIONS = {
    ("report", "analysis/result.h"),  # the tree a report prints; it knows no analysis
    ("report", "web_flame.h"),  # made of web/ when building
    ("page", "web_page.h"),
    ("replay", "analysis/result.h"),  # the tree that a comparison yields
}

# What libseep.so may take from libc: nothing that allocates, locks, prints or exits, in the path of
# an allocation.
IMPORTS = {
    # looked up once, at the start, or once per form of operator new
    "dladdr", "dladdr1", "dlopen", "dlclose", "gnu_get_libc_version", "pthread_key_create",
    "_r_debug",
    # once, where a snapshot is wanted at exit
    "__cxa_atexit", "__cxa_at_quick_exit",
    # in place of fork, where that is not looked up yet
    "__fork",
    # once per thread: its end is to be known
    "pthread_setspecific",
    # operator new found memory out in a program without a C++ runtime to throw
    "abort",
    "__errno_location", "__libc_single_threaded", "_dl_find_object", "dlerror", "dlsym",
    "dlvsym", "environ", "__environ", "getauxval", "memchr", "memcmp", "memcpy", "memmove", "memset",
    "strchr", "strcmp", "strlen", "strncmp", "program_invocation_name",
    "__cxa_finalize", "__gmon_start__", "_ITM_deregisterTMCloneTable",
    "_ITM_registerTMCloneTable",
}

# What it may give: the functions it interposes, and the annotations of seep.h.
EXPORTS = re.compile(r"""^(
    malloc | free | calloc | realloc | reallocarray | memalign | posix_memalign | aligned_alloc
  | valloc | pvalloc | cfree | free_sized | free_aligned_sized | malloc_usable_size
  | mallocx | rallocx | xallocx | dallocx | sdallocx | sallocx | nallocx
  | _Zn[wa]m\w* | _Zd[la]Pv\w*
  | prctl | syscall  # to see a sandbox come: preload/sandbox.h
  | fork | _Fork
  | mmap | mmap64 | munmap | mremap  # to know the program's own mappings: preload/map_calls.h
  | _exit | _Exit  # to take a snapshot before: preload/exit.c
  | __lsan_\w+     # what annotated programs tell LeakSanitizer: preload/lsan.h
  | seep_recorder_\w+
)$""", re.X)


def read(path):
    with open(path, encoding="utf-8") as source:
        return source.read()


def sources(*folders):
    found = []
    for folder in folders:
        for suffix in ("c", "h"):
            found += glob.glob(os.path.join(support.ROOT, folder, "**", f"*.{suffix}"),
                               recursive=True)
    return sorted(found)


def includes(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', read(path), re.M)


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"", " ", text, flags=re.S)


def symbols(path, which):
    lines = support.run(["nm", "-D", which, path], check=0).stdout.splitlines()
    return [line.split()[-2:] for line in lines]


class Includes(unittest.TestCase):
    def test_public_headers_include_only_each_other(self):
        for path in sources("include"):
            for name in includes(path):
                self.assertTrue(name.startswith("seep/"), f"{path} includes {name}")

    def test_recorder_includes_only_itself_and_include(self):
        files = sources("preload")
        self.assertTrue(files)
        for path in files:
            for name in includes(path):
                beside = os.path.exists(os.path.join(support.ROOT, "preload", name))
                self.assertTrue(beside or name.startswith("seep/"), f"{path} includes {name}")

    def test_replayer_includes_only_itself_and_its_script(self):
        files = sources("replayer")
        self.assertTrue(files)
        for path in files:
            for name in includes(path):
                beside = os.path.exists(os.path.join(support.ROOT, "replayer", name))
                self.assertTrue(beside or name == "seep/replay_script.h", f"{path} includes {name}")

    def test_analyzer_layers(self):
        root = os.path.join(support.ROOT, "analyzer")
        files = sources("analyzer")
        self.assertTrue(files)
        wrong = []
        for path in files:
            relative = os.path.relpath(path, root)
            layer = os.path.dirname(relative) or "."
            for name in includes(path):
                beside = os.path.exists(os.path.join(root, layer, name))
                target = layer if beside and "/" not in name else (os.path.dirname(name) or ".")
                allowed = (target == layer or target in ANALYZER[layer]
                           or (layer, name) in EXCEPTIONS
                           or (layer == "cmd" and name == "cli.h"))
                if not allowed:
                    wrong.append(f"{relative} includes {name}")
        self.assertEqual(wrong, [])

    def test_only_trace_and_recorder_know_bytes(self):
        for path in sources("analyzer", "preload"):
            if "seep/trace_codec.h" in includes(path):
                self.assertRegex(path, r"/analyzer/trace/|/preload/")

    def test_headers_stand_alone(self):
        for path in sorted(glob.glob(os.path.join(support.INCLUDE, "seep", "*.h"))):
            for language, standard in (("c", "-std=c11"), ("c++", "-std=c++17")):
                if language == "c++" and os.path.basename(path) != "seep.h":
                    continue  # the formats are for C; the annotations for everybody
                support.run(["gcc", "-x", language, standard, "-Wall", "-Wextra", "-Werror",
                             "-fsyntax-only", "-I", support.INCLUDE, path], check=0)


class Behaviour(unittest.TestCase):
    def test_analyses_and_below_never_print(self):
        printing = re.compile(r"\b(v?printf|v?fprintf|puts|fputs|putchar|putc|fputc|perror)\s*\(|"
                              r"\bstd(out|err)\b")
        for layer in ("util", "trace", "model", "analysis"):
            for path in sources(f"analyzer/{layer}"):
                if os.path.basename(path) == "mem.c":  # its one line when memory is out
                    continue
                found = printing.search(without_comments(read(path)))
                self.assertIsNone(found, f"{path}: {found and found[0]}")

    def test_only_main_exits(self):
        for path in sources("analyzer"):
            if os.path.basename(path) in ("main.c", "mem.c"):
                continue
            found = re.search(r"\b(exit|_exit|quick_exit|abort)\s*\(", without_comments(read(path)))
            # a forked child has nowhere to return to
            if found and "fork" in without_comments(read(path)) and found[1] == "_exit":
                continue
            self.assertIsNone(found, f"{path}: {found and found[0]}")

    def test_recorder_never_exits_or_prints_through_libc(self):
        banned = re.compile(r"\b(exit|_exit|abort|assert|printf|fprintf|snprintf|perror|fopen|"
                            r"pthread_mutex_lock|strdup|getenv|setenv|setlocale)\s*\(")
        for path in sources("preload"):
            text = without_comments(read(path))
            if os.path.basename(path) == "hooks_cxx.c":  # see IMPORTS
                text = text.replace("abort()", "", 1)
            text = text.replace("HOOK void _exit(int status)", "")  # stands in front of it
            found = banned.search(text)
            self.assertIsNone(found, f"{path}: {found and found[0]}")


class Library(unittest.TestCase):
    def test_imports_are_on_the_list(self):
        taken = {name.split("@")[0] for _, name in symbols(support.LIBSEEP, "--undefined-only")}
        self.assertEqual(sorted(taken - IMPORTS), [])

    def test_exports_only_what_it_interposes(self):
        given = [name.split("@")[0] for _, name in symbols(support.LIBSEEP, "--defined-only")]
        self.assertIn("malloc", given)
        self.assertEqual([name for name in given if not EXPORTS.match(name)], [])

    def test_needs_libc_only(self):
        lines = support.run(["readelf", "-d", support.LIBSEEP], check=0).stdout
        needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", lines))
        self.assertLessEqual(needed, {"libc.so.6", "ld-linux-x86-64.so.2"})


class Hazards(unittest.TestCase):
    def test_every_row_names_tests_that_exist(self):
        tests = "".join(read(path) for path in glob.glob(os.path.join(
            support.ROOT, "tests", "e2e", "test_*.py")))
        rows = re.findall(r"^\| (\d+) \|.*\| ([^|]*) \|$",
                          read(os.path.join(support.ROOT, "docs", "hazards.md")), re.M)
        self.assertEqual({int(number) for number, _ in rows}, set(range(1, 33)))
        for number, names in rows:
            named = re.findall(r"test_\w+(?!\w*\.py)", names)
            self.assertTrue(named, f"row {number}")
            for name in named:
                self.assertTrue(f"def {name}" in tests or os.path.exists(os.path.join(
                    support.ROOT, "tests", "e2e", name + ".py")), f"row {number}: {name}")

    def test_every_fix_is_where_a_test_takes_it_out(self):
        for path in sorted(glob.glob(os.path.join(support.ROOT, "tests", "e2e", "test_*.py"))):
            name = os.path.splitext(os.path.basename(path))[0]
            if "@hazard(" not in read(path):
                continue
            for case in vars(importlib.import_module(name)).values():
                for body in vars(case).values() if isinstance(case, type) else ():
                    for fix in getattr(body, "fixes", ()):
                        for source, old, _ in fix.changes:
                            count = read(os.path.join(support.ROOT, source)).count(old)
                            self.assertEqual(count, 1, f"{body.__name__}: {source}: {old}")


if __name__ == "__main__":
    support.main()
