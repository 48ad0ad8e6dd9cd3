#!/usr/bin/env python3
# compile_alone.py - every source compiles without its neighbours: nothing it needs comes to it from another file of its batch.
"""usage: compile_alone.py SOURCE_DIR BUILD_DIR [FOLDER...]

The presets build several sources as one (CMAKE_UNITY_BUILD), where an include that one file forgot may come from the file
before it; a plain `cmake -S . -B build` then fails. So each source is read by the compiler alone. Three things make this
cheap. It stops where the file ends, before templates are instantiated: what a file forgot is missed while it is read. The
heaviest headers are precompiled, and a file is given only those that it, or a header of ours that it includes, names.
And a file that was good is remembered in BUILD_DIR/alone by the content of all our files in it.
"""

import collections
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

from clang_tidy import Sources, options_of, sources_of

END = "the whole file was read"
# What takes most of the time to read, in the order in which it is included, with about the seconds that it takes.
HEAVY = {"boost/asio/awaitable.hpp": 1.5, "boost/asio/co_spawn.hpp": 0.5, "boost/asio/io_context.hpp": 0.3,
         "boost/asio/steady_timer.hpp": 0.4, "boost/asio/posix/stream_descriptor.hpp": 0.5, "nlohmann/json.hpp": 1.0,
         "fmt/format.h": 0.6, "spdlog/spdlog.h": 0.8, "doctest/doctest.h": 0.2, "filesystem": 0.4, "map": 0.1, "string": 0.3,
         "vector": 0.1}
MOST_SETS = 6
SYSTEM_INCLUDE = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.MULTILINE)
DEFINES_FIRST = re.compile(r"\A(?:\s*//[^\n]*\n|\s*\n|#include[^\n]*\n)*#define", re.MULTILINE)


class Reader:
    """The compiler over single files."""

    def __init__(self, root, directory):
        self.root, self.directory = root, directory
        self.sources = Sources(root)
        self.named = {}
        self.sets = {}

    def text(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def own_files(self, path):
        return [name for name, _ in self.sources.closure([path])]

    def heavy_of(self, path):
        """The heavy headers that the file or a header of ours in it names; none when a macro comes before them."""
        if DEFINES_FIRST.match(self.text(path)):
            return frozenset()
        found = set()
        for name in self.own_files(path):
            if name not in self.named:
                self.named[name] = set(SYSTEM_INCLUDE.findall(self.text(name))) & set(HEAVY)
            found |= self.named[name]
        return frozenset(found)

    def precompile(self, compiler, options, headers):
        """Makes a set; its header's path, or None when it cannot be made."""
        name = hashlib.sha256(json.dumps([compiler, options, sorted(headers)]).encode()).hexdigest()[:16]
        path = os.path.join(self.directory, name + ".hpp")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"#include <{header}>\n" for header in HEAVY if header in headers)
        done = subprocess.run([compiler, *options, "-w", "-x", "c++-header", path, "-o", path + ".gch"], check=False,
                              stderr=subprocess.DEVNULL)
        return path if done.returncode == 0 else None

    def choose_sets(self, jobs):
        """Precompiles what many files share, the files' own options aside; remembers which file may use which."""
        chosen = worthwhile(collections.Counter(self.heavy_of(path) for path, _, _ in jobs))
        compiler, options = jobs[0][1], common_options(jobs)
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            paths = pool.map(lambda headers: self.precompile(compiler, options, headers), chosen)
            self.sets = {headers: path for headers, path in zip(chosen, paths) if path}

    def precompiled_for(self, path):
        own = self.heavy_of(path)
        fitting = [headers for headers in self.sets if headers <= own]
        return [f'#include "{self.sets[max(fitting, key=weight)]}"\n'] if fitting else []

    def complaint(self, path, compiler, options):
        """What the compiler says about the file alone; "" when it came to the end of it."""
        unit = os.path.join(self.directory, hashlib.sha256(path.encode()).hexdigest()[:16] + ".cpp")
        with open(unit, "w", encoding="utf-8") as file:
            file.writelines(self.precompiled_for(path))
            file.write(f'#include "{os.path.join(self.root, path)}"\nstatic_assert(false, "{END}");\n')
        done = subprocess.run([compiler, *options, "-w", "-fsyntax-only", "-Wfatal-errors", unit], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        os.unlink(unit)
        return "" if END in done.stdout.split("\n", 1)[0] else done.stdout

    def key(self, path, compiler, options):
        return hashlib.sha256(json.dumps([path, compiler, options, self.sources.closure([path])]).encode()).hexdigest()

    def remembered(self, job):
        return os.path.join(self.directory, self.key(*job) + ".good")


def weight(headers):
    return sum(HEAVY[header] for header in headers)


def worthwhile(wanted):
    """The sets that save most, one after the other, for {what a file names: number of such files}."""
    candidates = {one & other for one in wanted for other in wanted} - {frozenset()}
    chosen = []
    while len(chosen) < MOST_SETS:
        def saved(headers):
            # A set is made once, which takes as long as reading it twice.
            total = -2 * weight(headers)
            for own, count in wanted.items():
                if headers <= own:
                    before = max((weight(other) for other in chosen if other <= own), default=0)
                    total += count * max(0, weight(headers) - before)
            return total
        best = max(sorted(candidates, key=sorted), key=saved, default=None)
        if best is None or saved(best) <= 0:
            break
        chosen.append(best)
    return chosen


def common_options(jobs):
    """The options that every job has: those of one target alone cannot matter to a header of the system."""
    shared = set(jobs[0][2])
    for _, _, options in jobs:
        shared &= set(options)
    return [option for option in jobs[0][2] if option in shared]


def jobs_of(root, build, folders):
    """(path, compiler, options) of every source that is compiled behind another one."""
    seen = set()
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    for entry in commands:
        words = shlex.split(entry["command"])
        compiler = words[1] if os.path.basename(words[0]) == "ccache" else words[0]
        options = [word for word in options_of(entry["command"])[0] if word != entry["file"]]
        paths = sources_of(entry, root)
        for path in paths[1:]:  # the first of a batch has nobody before it
            if path in seen or path.startswith(("../", "build")) or not path.startswith(tuple(folders or [""])):
                continue
            seen.add(path)
            yield path, compiler, options


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    root, build, folders = os.path.realpath(arguments[0]), os.path.realpath(arguments[1]), arguments[2:]
    directory = os.path.join(build, "alone")
    os.makedirs(directory, exist_ok=True)
    jobs = sorted(jobs_of(root, build, folders))
    reader = Reader(root, directory)
    waiting = [job for job in jobs if not os.path.exists(reader.remembered(job))]
    if waiting:
        reader.choose_sets(waiting)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for job, complaint in zip(waiting, pool.map(lambda job: reader.complaint(*job), waiting)):
            if complaint:
                bad += 1
                print(f"{job[0]} does not compile by itself:\n{complaint}", flush=True)
                continue
            with open(reader.remembered(job), "w", encoding="utf-8"):
                pass
    for path in reader.sets.values():
        os.unlink(path + ".gch")
        os.unlink(path)
    print(f"{len(jobs)} files, {len(waiting)} of them read, {bad} that do not compile alone")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
