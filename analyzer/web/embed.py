#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a C header of text files: embed.py OUTPUT NAME=FILE..., each `static const char NAME[]`."""

import sys


def literal(text):
    lines = []
    for line in text.splitlines(keepends=True):
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        escaped = escaped.replace("??", "?\\?")  # would begin a trigraph
        lines.append(f'    "{escaped}"')
    return "\n".join(lines) or '    ""'


def main(output, *sources):
    with open(output, "w", encoding="utf-8") as out:
        for source in sources:
            name, path = source.split("=", 1)
            with open(path, encoding="utf-8") as text:
                out.write(f"static const char {name}[] =\n{literal(text.read())};\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
