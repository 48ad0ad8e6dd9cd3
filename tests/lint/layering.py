#!/usr/bin/env python3
# layering.py - checks that includes go one way, pure folders stay pure, and every file says what it is.
"""usage: layering.py ROOT

Prints one line a violation, FILE:LINE: RULE, and exits 1 if there was one.
"""

import os
import re
import sys

# Each room with the rooms and files it may include from ("a/" is a folder, anything else one file).
MAY_INCLUDE = {
    "base/": ["base/"],
    "base/async/": ["base/error.hpp", "base/unique_fd.hpp", "base/async/"],
    "base/wire/": ["base/error.hpp", "base/utf8.hpp", "base/wire/"],
    "base/json/": ["base/error.hpp", "base/utf8.hpp", "base/json/"],
    "vmspec/": ["base/error.hpp", "base/text.hpp", "base/utf8.hpp", "base/json/", "base/wire/", "vmspec/"],
    "network/plan/": ["base/error.hpp", "vmspec/", "network/plan/"],
    "network/": ["base/", "vmspec/", "network/"],
    "guest/": ["base/", "guest/"],
    "launcher/": ["base/", "vmspec/", "network/", "launcher/"],
    **{f"launcher/{room}/": ["base/", "vmspec/", "network/", f"launcher/{room}/", *(f"launcher/{other}/" for other in below)]
       for room, below in {
           "state": [],
           "report": [],
           "cli": ["state"],
           "terminal": [],
           "host": ["state"],
           "image": ["host", "state"],
           "sandbox": ["host", "state"],
           "nix": ["image", "sandbox", "host", "state"],
           "workspace": ["report", "host", "state"],
           "hypervisor": ["host", "state"],
           "machine": ["hypervisor", "host", "state"],
           "claim": ["machine", "hypervisor", "host", "state"],
           "gateway": ["sandbox", "host", "state"],
           "supervisor": ["claim", "machine", "hypervisor", "gateway", "workspace", "sandbox", "report", "host", "state"],
           "client": ["terminal", "report", "host", "state"],
           "run": ["claim", "client", "terminal", "cli", "nix", "image", "sandbox", "workspace", "report", "host", "state"],
           "map": ["run", "client", "terminal", "cli", "host", "state"],
           "pool": ["run", "claim", "machine", "hypervisor", "host", "state"],
           "verbs": ["map", "run", "claim", "client", "terminal", "cli", "nix", "image", "sandbox", "workspace", "machine", "report",
                     "host", "state"],
       }.items()},
    "tests/": ["base/", "vmspec/", "network/", "guest/", "launcher/", "tests/"],
}

# Folders of pure functions (and the headers they may see), and what would let the world in.
PURE = ("vmspec/", "network/plan/", "base/json/", "base/wire/", "base/error.hpp", "base/text.", "base/utf8.")
IMPURE_HEADERS = re.compile(
    r"(unistd\.h|fcntl\.h|sys/.*|net/.*|netinet/.*|arpa/.*|linux/.*|netlink/.*|nftables/.*|filesystem|fstream|chrono|"
    r"random|ctime|thread|spdlog/.*|boost/asio.*)$"
)

LONGEST_FILE = 500
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    """The longest matching room of a file, or None."""
    rooms = [room for room in MAY_INCLUDE if path.startswith(room)]
    return max(rooms, key=len) if rooms else None


def source_files(root):
    """Sources below the rooms, relative to the root."""
    for top in sorted({room.split("/")[0] for room in MAY_INCLUDE}):
        for folder, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(names):
                if name.endswith((".cpp", ".hpp", ".c", ".py")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def check_include(path, bracket, name):
    """The rule that this include breaks, or None."""
    room = room_of(path)
    if bracket == "<":
        if path.startswith(PURE) and IMPURE_HEADERS.match(name):
            return f"<{name}> touches the system; {path} must be pure"
        return None
    if "/" not in name:
        return f'"{name}" must be written from the top: "{os.path.dirname(path)}/{name}"'
    if not any(name.startswith(there) if there.endswith("/") else name == there for there in MAY_INCLUDE[room]):
        return f'"{name}": {room} may include from {", ".join(MAY_INCLUDE[room])} only'
    return None


def check_file(root, path):
    """Yields (line number, broken rule)."""
    with open(os.path.join(root, path), encoding="utf-8") as file:
        lines = file.read().splitlines()
    mark = "#" if path.endswith(".py") else "//"
    title = f"{mark} {os.path.basename(path)} - "
    first = next((line for line in lines if not line.startswith("#!")), "")
    if not first.startswith(title) or len(first) < len(title) + 10:
        yield 1, f'the first line must be "{title}..." with the one job of the file'
    if path.endswith(".hpp") and "#pragma once" not in lines:
        yield 1, "#pragma once is missing"
    if len(lines) > LONGEST_FILE:
        yield LONGEST_FILE, f"{len(lines)} lines; a file has one noun and at most {LONGEST_FILE}"
    if path.endswith(".py"):
        return
    for number, line in enumerate(lines, 1):
        if path.endswith(".hpp") and line.startswith("using namespace "):
            yield number, "a header puts nobody else's names into its reader's scope"
        match = INCLUDE.match(line)
        rule = check_include(path, match.group(1), match.group(2)) if match else None
        if rule:
            yield number, rule


def main(root):
    files = list(source_files(root))
    violations = [(path, line, rule) for path in files for line, rule in check_file(root, path)]
    for path, line, rule in violations:
        print(f"{path}:{line}: {rule}")
    if not files:
        print(f"{root} has no source files")
        return 1
    print(f"{len(files)} files, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
