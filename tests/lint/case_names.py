#!/usr/bin/env python3
# case_names.py - checks that every unit test can be named to the runner, and that every file of cases is run by ctest.
"""usage: case_names.py ROOT

doctest's filters take `,` for a separator and CMake takes `;` for one, so a name with either cannot be asked for, and half
of it matches nothing. Prints FILE:LINE: RULE and exits 1 if there was one.
"""

import os
import re
import sys

from source_text import cpp_files, line_of

CASE = re.compile(
    r'^[ \t]*(?:TEST_CASE|TEST_SUITE|SUBCASE|SCENARIO|TEST_CASE_FIXTURE|TEST_CASE_TEMPLATE|TEST_SUITE_BEGIN)'
    r'\(\s*(?:\w[\w:<>]*,\s*)?((?:"(?:[^"\\]|\\.)*"\s*)+)', re.MULTILINE)


def violations_in(path, text, listed):
    """Yields (line number, broken rule)."""
    cases = list(CASE.finditer(text))
    for case in cases:
        name = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', case.group(1)))
        for mark in ";,":
            if mark in name:
                yield line_of(text, case.start(1)), f"the name \"{name}\" has a '{mark}'"
    if cases and not path.endswith("_test.cpp"):
        yield 1, "test cases are in files called NAME_test.cpp, which ctest runs one by one"
    if cases and path not in listed:
        yield 1, "no sources.cmake names this file, so its cases never run"


def listed_sources(root):
    """Every file that a sources.cmake names."""
    listed = set()
    for room in os.scandir(os.path.join(root, "tests/unit")):
        path = os.path.join(room.path, "sources.cmake")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                listed |= {f"tests/unit/{room.name}/{name}" for name in re.findall(r"[\w./-]+\.cpp", file.read())}
    return listed


def main(root):
    files, found = cpp_files(root, "tests/unit"), 0
    listed = listed_sources(root)
    for path in files:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            for line, rule in violations_in(path, file.read(), listed):
                print(f"{path}:{line}: {rule}")
                found += 1
    print(f"{len(files)} files, {found} violations")
    return 1 if found or not files else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
