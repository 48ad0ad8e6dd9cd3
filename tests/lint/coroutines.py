#!/usr/bin/env python3
# coroutines.py - checks that no coroutine is left without an owner, and none holds what may be gone before it.
"""usage: coroutines.py ROOT

Outside base/async, tests/fuzz included, nobody writes asio::detached, and nobody gives co_spawn a lambda that captures by
reference or captures `this`: a task is spawned into a TaskGroup whose owner joins it (CONTRIBUTING.md, Coroutines). Prints
FILE:LINE: RULE and exits 1 if there was one.
"""

import os
import re
import sys

from source_text import code_of, cpp_files, line_of

FOLDERS = ("base", "guest", "launcher", "network", "tests/fuzz", "vmspec")
EXEMPT = "base/async/"

DETACHED = re.compile(r"\basio\s*::\s*detached\b|^\s*#\s*include\s*<boost/asio/detached\.hpp>", re.MULTILINE)
SPAWN = re.compile(r"\bco_spawn\s*\(")
# A lambda's captures are what stands between brackets before its parameters, its body, or `mutable`.
CAPTURES = re.compile(r"(?<![\w\])])\[([^\[\]]*)\]\s*(?=[({]|mutable\b|->)")
BY_REFERENCE = re.compile(r"&|\bthis\b")


def arguments_end(code, start):
    """The position of the parenthesis that closes the call whose arguments start here."""
    depth = 1
    for position in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[position], 0)
        if depth == 0:
            return position
    return len(code)


def violations_in(text):
    """Yields (line number, broken rule)."""
    code = code_of(text)
    for match in DETACHED.finditer(code):
        yield line_of(code, match.end()), "a detached coroutine has no owner; spawn it into a TaskGroup"
    for spawn in SPAWN.finditer(code):
        arguments = code[spawn.end():arguments_end(code, spawn.end())]
        for lambda_ in CAPTURES.finditer(arguments):
            if BY_REFERENCE.search(lambda_.group(1)):
                yield (line_of(code, spawn.end() + lambda_.start()),
                       f"[{lambda_.group(1)}]: a spawned coroutine takes what it needs by value, as parameters")


def main(root):
    files = [path for path in cpp_files(root, *FOLDERS) if not path.startswith(EXEMPT)]
    found = 0
    for path in files:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            for line, rule in violations_in(file.read()):
                print(f"{path}:{line}: {rule}")
                found += 1
    if not files:
        print(f"{root} has no source files")
        return 1
    print(f"{len(files)} files, {found} violations")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
