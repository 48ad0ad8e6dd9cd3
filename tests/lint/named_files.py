#!/usr/bin/env python3
# named_files.py - every source file that a comment or a document names is there.
"""usage: named_files.py ROOT

A file is named by its path from the root, from the folder of what names it, or by its end ("machine.hpp",
"machine/machine.hpp"). Files move, and the sentences about them stay behind. Prints FILE:LINE: NAME and exits 1 if there
was one.
"""

import os
import re
import sys

FOLDERS = ("base", "docs", "guest", "launcher", "network", "nixos-module", "templates", "tests", "vmspec")
NAME = re.compile(r"[\w./-]*\w\.(?:cpp|hpp|py)\b")
COMMENT = {".cpp": "//", ".hpp": "//", ".py": "#", ".cmake": "#", ".txt": "#", ".nix": "#"}
PATTERNS = {"name.cpp", "NAME_fuzz.cpp"}  # of file names in general


def files_of(root):
    found = [name for name in os.listdir(root) if os.path.isfile(os.path.join(root, name))]
    for folder in FOLDERS:
        for where, _, names in os.walk(os.path.join(root, folder)):
            found += [os.path.relpath(os.path.join(where, name), root) for name in names]
    return sorted(found)


def prose_of(path, line):
    """What of a line people read: all of a document's, a source's comment; None where nothing is."""
    kind = os.path.splitext(path)[1]
    if kind == ".md":
        return line
    if kind not in COMMENT or "#include" in line or line.startswith("#!"):
        return None
    _, mark, comment = line.partition(COMMENT[kind])
    return comment if mark else None


def is_there(name, path, files, ends):
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    return name in PATTERNS or beside in files or name.removeprefix("./") in ends


def main(root):
    files = set(files_of(root))
    ends = {"/".join(path.split("/")[at:]) for path in files for at in range(path.count("/") + 1)}
    found = 0
    for path in sorted(files):
        try:
            with open(os.path.join(root, path), encoding="utf-8") as file:
                lines = file.readlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            for name in NAME.findall(prose_of(path, line) or ""):
                if not is_there(name, path, files, ends):
                    print(f"{path}:{number}: {name} is not there")
                    found += 1
    if not files:
        print(f"{root} has no files")
        return 1
    print(f"{len(files)} files, {found} names of files that are not there")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
