#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads meson's testlog.json, names what failed, and closes with "N passed, N failed".

With a second one, of tests that failed and were run again: that counts for them, and what passes in
it is named too. --failed: only prints the names of what failed, a line each.

A cmocka or unittest program counts with each of its test cases. A program that died, timed out or
otherwise failed without a failing case counts as one failure more.
"""

import json
import re
import sys


def cases(text):
    """(passed, failed, skipped) of one program's output; None if it reports no cases."""
    cmocka = re.findall(r"^\[ *(OK|FAILED|SKIPPED) *\] +(?!\d+ test)\S+", text, re.M)
    if "[==========]" in text:
        # cmocka repeats the names of failed and skipped cases in its closing list
        ok = sum(1 for word in cmocka if word == "OK")
        failed = set(re.findall(r"^\[ *FAILED *\] +(?!\d+ test)(\S+)", text, re.M))
        skipped = set(re.findall(r"^\[ *SKIPPED *\] +(?!\d+ test)(\S+)", text, re.M))
        return ok, len(failed), len(skipped)

    ran = re.search(r"^Ran (\d+) tests? in ", text, re.M)
    if ran:
        def count(word):
            found = re.search(rf"\b{word}=(\d+)", text[ran.end():])
            return int(found[1]) if found else 0
        failed = count("failures") + count("errors") + count("unexpected successes")
        skipped = count("skipped")
        return max(int(ran[1]) - failed - skipped, 0), failed, skipped
    return None


def is_bad(test):
    return test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")


def read(path):
    with open(path, encoding="utf-8") as log:
        return {test["name"]: test for test in map(json.loads, log)}


def main():
    passed = failed = skipped = 0
    broken, notes, tests, again = [], [], {}, {}
    only_names = sys.argv[1] == "--failed"
    try:
        tests, *more = [read(path) for path in sys.argv[1 + only_names:]]
        again = more[0] if more else {}
    except OSError as error:
        print(f"summary: {error}", file=sys.stderr)
        failed = 1
    if only_names:
        for name, test in tests.items():
            if is_bad(test):
                print(name.rpartition(" / ")[2])
        return 0

    mended = [f"  {name}" for name, test in again.items()
              if is_bad(tests[name]) and not is_bad(test)]
    for test in (tests | again).values():
        text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
        result = test["result"]
        bad = is_bad(test)
        counts = cases(text)
        if counts is None:
            counts = (result in ("OK", "EXPECTEDFAIL"), bad, result == "SKIP")
        elif bad and counts[1] == 0:
            counts = (counts[0], 1, counts[2])
        passed += counts[0]
        failed += counts[1]
        skipped += counts[2]
        if bad:
            broken.append(f"  {test['name']}: {result}")
        for reason in re.findall(r"skipped ['\"](.*)['\"]$", text, re.M):
            notes.append(f"  {test['name']}: {reason}")

    if notes:
        print("Skipped:", *notes, sep="\n")
    if mended:
        print("Failed beside the others, passed alone:", *mended, sep="\n")
    if broken:
        print("Failed:", *broken, sep="\n")
    closing = f"{passed} passed, {failed} failed"
    if skipped:
        closing += f", {skipped} skipped"
    print(closing)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
