# SPDX-License-Identifier: MIT
"""docs/trace-format.md says what include/seep/trace_format.h says: every constant, every field."""

import os
import re
import subprocess
import tempfile
import unittest

import support

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADER = os.path.join(ROOT, "include", "seep", "trace_format.h")
DOCUMENT = os.path.join(ROOT, "docs", "trace-format.md")

CONSTANT = re.compile(r"^\| `(SEEP_\w+)` \| (0x[0-9a-f]+|\d+) \| ")
FIELD = re.compile(r"^\| (\d+) \| (\d+) \| `(\w+)` \| ")
STRUCT = re.compile(r"^### (struct seep_\w+)$")


def read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def document():
    """Constants {name: value} and structs {name: {field: (offset, bytes)}} of the document."""
    constants, structs, current = {}, {}, None
    for line in read(DOCUMENT).splitlines():
        if line.startswith("#"):
            match = STRUCT.match(line)
            current = structs.setdefault(match[1], {}) if match else None
        match = CONSTANT.match(line)
        if match:
            assert match[1] not in constants, f"{match[1]} stands twice"
            constants[match[1]] = int(match[2], 0)
        match = FIELD.match(line)
        if match:
            assert current is not None, line
            current[match[3]] = (int(match[1]), int(match[2]))
    return constants, structs


def ask(expressions):
    """The values of C expressions over the header."""
    lines = "".join(f'    printf("%llu\\n", (unsigned long long)({e}));\n' for e in expressions)
    source = ("#include <seep/trace_format.h>\n#include <stddef.h>\n#include <stdio.h>\n"
              f"int main(void)\n{{\n{lines}    return 0;\n}}\n")
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "ask")
        with open(program + ".c", "w", encoding="utf-8") as out:
            out.write(source)
        subprocess.run([os.environ.get("CC", "cc"), "-I", os.path.join(ROOT, "include"),
                        "-o", program, program + ".c"], check=True)
        answer = subprocess.run([program], check=True, capture_output=True, text=True)
    return [int(line) for line in answer.stdout.split()]


class Document(unittest.TestCase):
    def test_constants(self):
        constants, _ = document()
        names = sorted(constants)
        self.assertGreater(len(names), 150)
        for name, value in zip(names, ask(names)):
            self.assertEqual(constants[name], value, name)

    def test_no_constant_is_left_out(self):
        constants, _ = document()
        header = re.sub(r"/\*.*?\*/", "", read(HEADER), flags=re.S)
        named = set(re.findall(r"\b(SEEP_\w+) = ", header))
        named |= set(re.findall(r"#define (SEEP_\w+_MAX) ", header)) - {"SEEP_TAIL_MAX_BYTES"}
        self.assertGreater(len(named), 150)
        self.assertEqual(named - set(constants), set())

    def test_structs(self):
        _, structs = document()
        header = read(HEADER)
        self.assertEqual(set(re.findall(r"^(struct seep_\w+) \{", header, re.M)), set(structs))
        for name, fields in structs.items():
            body = re.search(re.escape(name) + r" \{(.*?)\n\};", header, re.S)[1]
            declared = re.findall(r"^\s*uint\d+_t (\w+)", body, re.M)
            self.assertEqual(list(fields), declared, name)
            questions = [f"offsetof({name}, {f})" for f in fields]
            questions += [f"sizeof((({name} *)0)->{f})" for f in fields] + [f"sizeof({name})"]
            answers = ask(questions)
            self.assertEqual([o for o, _ in fields.values()], answers[:len(fields)], name)
            self.assertEqual([b for _, b in fields.values()], answers[len(fields):-1], name)
            last = list(fields.values())[-1]
            self.assertEqual(sum(last), answers[-1], name)

    def test_magics_and_versions(self):
        text, header = read(DOCUMENT), read(HEADER)
        for name in ("SEEP_SPOOL_MAGIC", "SEEP_TRACE_MAGIC", "SEEP_TRAILER_MAGIC"):
            magic = re.search(rf'#define {name} "(.*?)"', header)[1]
            self.assertIn(f"`{magic}`", text)
        for name, word in (("SEEP_CHUNK_MAGIC", "0x%x"), ("SEEP_ROWS_MAGIC", "0x%x"),
                           ("SEEP_LANE_LIMIT", "%d `struct seep_lane`"),
                           ("SEEP_TRACE_VERSION", "Version of the trace: %d."),
                           ("SEEP_SPOOL_VERSION", "Version of the spool: %d;"),
                           ("SEEP_ROWS_ALIGN", "multiples of %d bytes")):
            self.assertIn(word % ask([name])[0], text)


if __name__ == "__main__":
    support.main()
