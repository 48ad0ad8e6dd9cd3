#!/usr/bin/env python3
# summary.py - the end of ./dev test: what each set cost, and every case that did not run, with its reason.
"""usage: summary.py [--strict] [--took DIRECTORY=SECONDS]... ALLOWED RESULT...

RESULTs are what `ctest --output-junit` writes. ALLOWED has one skip a line that is expected, TEST | REASON | WHY: a test
of ctest and a piece of the reason that it gives, as patterns (* stands for anything). With --strict, a skip that is not
on that list is a failure (exit code 1).
"""

import argparse
import collections
import fnmatch
import os
import re
import sys
import xml.etree.ElementTree

# What harness.py says, and doctest's MESSAGE("skipped: ...") with its place before it.
SAID = re.compile(r"^(?:\S+:\d+: MESSAGE: |\S+\(\d+\): MESSAGE: )?skipped: (.+)$", re.MULTILINE)
# What unittest says with verbosity 2; with a docstring the name is on the line before.
UNITTEST = re.compile(r"^(?:(\w+) \(([\w.]+)\)(?:\n[^\n]*)?) \.\.\. skipped (['\"])(.*)\3$", re.MULTILINE)


def skips_of(status, output):
    """The reasons in one test's output, each with its case where that is known."""
    found = list(dict.fromkeys(SAID.findall(output)))
    if not found:
        found = [f"{case} ({where}): {reason}" for case, where, _, reason in UNITTEST.findall(output)]
    if not found and status == "notrun":
        found = [next((line for line in reversed(output.splitlines()) if line.strip()), "it gives no reason").strip()]
    return found


def results_in(path):
    """(name, seconds, status, output) of each test that ctest ran."""
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        output = case.find("system-out")
        yield (case.get("name", ""), float(case.get("time") or 0), case.get("status", ""),
               (output.text or "") if output is not None else "")


def allowed_in(path):
    """(test pattern, reason pattern) of each line."""
    with open(path, encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    for line in lines:
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 3 or not all(parts):
            sys.exit(f"{path}: this line is not TEST | REASON | WHY: {line}")
        yield parts[0], f"*{parts[1]}*"


def sets_in(build, results):
    """The sets of one build directory with their number of tests and their seconds, in order of appearance."""
    sets = collections.OrderedDict()
    for name, seconds, _, _ in results:
        label = name.split(".")[0] + ("" if build == "build" else f" in {build}")
        count, total = sets.get(label, (0, 0.0))
        sets[label] = count + 1, total + seconds
    return sets


def main(arguments):
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--took", action="append", default=[])
    parser.add_argument("allowed")
    parser.add_argument("results", nargs="*")
    given = parser.parse_args(arguments)
    allowed = list(allowed_in(given.allowed))
    print("\nseconds (of tests that ran side by side, each its own):")
    for took in given.took:
        directory, _, seconds = took.partition("=")
        print(f"  {float(seconds):7.0f}  building {directory}")
    skipped, unexpected, missing = [], 0, 0
    for path in given.results:
        if not os.path.exists(path):
            missing += 1
            continue
        build, results = os.path.basename(os.path.dirname(os.path.abspath(path))), list(results_in(path))
        for label, (count, seconds) in sets_in(build, results).items():
            print(f"  {seconds:7.0f}  {label} ({count})")
        for name, _, status, output in results:
            for reason in skips_of(status, output):
                fine = any(fnmatch.fnmatchcase(name, test) and fnmatch.fnmatchcase(reason, words) for test, words in allowed)
                unexpected += not fine
                skipped.append(f"  {name}: {reason}{'' if fine else '   <- not in ' + given.allowed}")
    print("\n".join(["skipped:", *skipped] if skipped else ["nothing was skipped"]))
    if missing:
        print(f"{missing} of the sets did not run")
    if unexpected and given.strict:
        print(f"{unexpected} cases did not run and are not in {given.allowed}: this is a failure")
    return 1 if given.strict and (unexpected or missing) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
