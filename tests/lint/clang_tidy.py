#!/usr/bin/env python3
# clang_tidy.py - clang-tidy 14 over every source of the build, several at a time and only what has changed.
"""usage: clang_tidy.py SOURCE_DIR BUILD_DIR [FOLDER...]

clang-tidy spends nearly all its time on the headers of libraries, so the sources of one CMake target in one folder are
checked as one translation unit. Files that do not compile beside the others (one name twice in anonymous namespaces)
are set apart and checked by themselves, which takes longer. Units that were clean are remembered in BUILD_DIR/tidy by
the content of all our files in them. With FOLDERs, only sources below them.

Exit code 77 when clang-tidy-14 is missing.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

TIDY = "clang-tidy-14"
FILES_PER_UNIT = 12
COMPILE_ERROR = re.compile(r"^([^:\n]+):\d+:\d+: error: .*\[clang-diagnostic-error", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
# Options of the compiler that clang 14 does not know, that are not about the language, or that name one file.
DROPPED = re.compile(r"-W|-fsanitize|-fno-sanitize|-M[DPG]?$|-g|-O")
DROPPED_WITH_VALUE = {"-o", "-c", "-MF", "-MT", "-MQ"}


class Sources:
    """Our files and what they include of ours, read once."""

    def __init__(self, root):
        self.root = root
        self.known = {}

    def read(self, path):
        """(digest, included paths) of a file relative to the root; None when it is not ours."""
        if path not in self.known:
            try:
                with open(os.path.join(self.root, path), "rb") as file:
                    content = file.read()
                self.known[path] = hashlib.sha256(content).hexdigest(), INCLUDE.findall(content.decode())
            except FileNotFoundError:
                self.known[path] = None
        return self.known[path]

    def closure(self, paths):
        """Every file of ours that these include, with its digest, sorted."""
        found, waiting = {}, list(paths)
        while waiting:
            path = waiting.pop()
            entry = None if path in found else self.read(path)
            if entry:
                found[path] = entry[0]
                waiting.extend(entry[1])
        return sorted(found.items())


def options_of(command):
    """What of a compile command clang-tidy needs, and the CMake target's directory."""
    options, target, arguments = [], "", iter(shlex.split(command))
    if os.path.basename(next(arguments)) == "ccache":
        next(arguments)
    for argument in arguments:
        if argument in DROPPED_WITH_VALUE:
            value = next(arguments)
            if argument == "-o":
                target = value.split(".dir/")[0]
        elif not DROPPED.match(argument):
            options.append(argument)
    return options, target


def sources_of(entry, root):
    """The sources of ours behind an entry of compile_commands.json: one, or those of a unity file of CMake's."""
    path = os.path.join(entry["directory"], entry["file"])
    if "/Unity/unity_" not in path:
        return [os.path.relpath(path, root)]
    with open(path, encoding="utf-8") as file:
        return [os.path.relpath(included, root) for included in INCLUDE.findall(file.read())]


def units_of(root, build, folders):
    """Lists of (files relative to the root, options) that are checked together."""
    groups, seen = {}, set()
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    for entry in commands:
        options, target = options_of(entry["command"])
        for path in sources_of(entry, root):
            if path in seen or path.startswith(("../", "build")) or not path.startswith(tuple(folders or [""])):
                continue
            seen.add(path)  # agentvm-guest is compiled from sources of libraries
            groups.setdefault((target, os.path.dirname(path), tuple(options)), []).append(path)
    for (_, _, options), paths in sorted(groups.items()):
        paths.sort()
        for at in range(0, len(paths), FILES_PER_UNIT):
            yield paths[at : at + FILES_PER_UNIT], options


def run_tidy(root, unit_dir, key, paths, options):
    """clang-tidy's complaints about these files as one unit; "" when there are none."""
    unit = os.path.join(unit_dir, key + ".cpp")
    with open(unit, "w", encoding="utf-8") as file:
        file.writelines(f'#include "{os.path.join(root, path)}"\n' for path in paths)
    done = subprocess.run(
        # The unit itself is the one place where a .cpp file is rightly included.
        [TIDY, "--quiet", f"--config-file={root}/.clang-tidy", "--checks=-bugprone-suspicious-include", unit, "--",
         *options, "-Wno-everything"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    os.unlink(unit)
    if done.returncode == 0:
        return ""
    return done.stdout or done.stderr


def check(root, unit_dir, sources, version, paths, options):
    """Checks a unit, or finds it remembered as clean; returns complaints."""
    closure = sources.closure(paths)
    key = hashlib.sha256(json.dumps([version, paths, options, closure]).encode()).hexdigest()
    remembered = os.path.join(unit_dir, key + ".clean")
    if os.path.exists(remembered):
        return ""
    complaints = run_tidy(root, unit_dir, key, paths, options)
    blamed = {os.path.relpath(path, root) for path in COMPILE_ERROR.findall(complaints)}
    if blamed and len(paths) > 1:
        apart = [path for path in paths if path in blamed] or paths
        print(f"apart from the others, as they do not compile together: {' '.join(apart)}", flush=True)
        units = [[path for path in paths if path not in apart]] + [[path] for path in apart]
        return "".join(check(root, unit_dir, sources, version, unit, options) for unit in units if unit)
    if not complaints:
        with open(remembered, "w", encoding="utf-8"):
            pass
    return complaints


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    if not shutil.which(TIDY):
        print(f"{TIDY} is not here (./dev setup installs it)")
        return 77
    root, build, folders = os.path.realpath(arguments[0]), os.path.realpath(arguments[1]), arguments[2:]
    unit_dir = os.path.join(build, "tidy")
    os.makedirs(unit_dir, exist_ok=True)
    sources = Sources(root)
    version = subprocess.run([TIDY, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    version += sources.read(".clang-tidy")[0]
    units = list(units_of(root, build, folders))
    # The largest first, so that no processor waits for another at the end.
    units.sort(key=lambda unit: -len(unit[0]))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = pool.map(lambda unit: check(root, unit_dir, sources, version, *unit), units)
        complaints = [text for text in results if text]
    print("\n".join(complaints), end="")
    print(f"{sum(len(paths) for paths, _ in units)} files in {len(units)} units, {len(complaints)} with complaints")
    return 1 if complaints or not units else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
