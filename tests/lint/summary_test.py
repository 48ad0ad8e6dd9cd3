#!/usr/bin/env python3
# summary_test.py - the end of ./dev test names every case that did not run, and fails on those that are not on the list.
import os
import subprocess
import sys
import tempfile
import unittest

SUMMARY = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "summary.py")

RESULT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="Linux" tests="5">
<testcase name="vm.whole" classname="vm.whole" time="1.5" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
<system-out>skipped: setUpClass (__main__.Whole): there is no Nix</system-out></testcase>
<testcase name="vm.part" classname="vm.part" time="2.5" status="run">
<system-out>test_a (__main__.Part.test_a) ... skipped 'no keyrings'
test_b (__main__.Part.test_b)
What it shows. ... skipped "there's no KVM"
test_c (__main__.Part.test_c) ... ok
</system-out></testcase>
<testcase name="unit.one" classname="unit.one" time="0.1" status="run">
<system-out>/src/one_test.cpp:12: MESSAGE: skipped: mounting takes root
</system-out></testcase>
<testcase name="unit.two" classname="unit.two" time="0.1" status="run"><system-out>all good</system-out></testcase>
<testcase name="lint.tool" classname="lint.tool" time="0" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/>
<system-out>a tool is not here
</system-out></testcase>
</testsuite>
"""
ALL = ("vm.whole: setUpClass (__main__.Whole): there is no Nix", "vm.part: test_a (__main__.Part.test_a): no keyrings",
       "vm.part: test_b (__main__.Part.test_b): there's no KVM", "unit.one: mounting takes root", "lint.tool: a tool is not here")


class Summary(unittest.TestCase):
    def summary(self, allowed, *options, result=RESULT):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in (("allowed.txt", allowed), ("results.xml", result)):
                with open(f"{directory}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
            done = subprocess.run([sys.executable, SUMMARY, *options, f"{directory}/allowed.txt", f"{directory}/results.xml"],
                                  check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def test_every_skip_is_told_with_its_reason(self):
        code, said = self.summary("")
        self.assertEqual(code, 0, said)
        for line in ALL:
            self.assertIn(f"  {line}   <- not in ", said)

    def test_a_skip_that_is_not_listed_fails_a_whole_run(self):
        lines = ["# why", "vm.* | there is no Nix | a", "vm.part | no * | b", "unit.one | takes root | c", "lint.tool | not here | d"]
        self.assertEqual(self.summary("\n".join(lines), "--strict")[0], 0)
        for without in range(1, len(lines)):
            code, said = self.summary("\n".join(lines[:without] + lines[without + 1:]), "--strict")
            self.assertEqual(code, 1, said)
            self.assertIn("this is a failure", said)

    def test_seconds_of_each_set(self):
        said = self.summary("", "--took", "build=312")[1]
        self.assertRegex(said, r" 312  building build\n")
        self.assertRegex(said, r"   4  vm in \S+ \(2\)\n")

    def test_a_set_that_left_no_result_fails(self):
        done = subprocess.run([sys.executable, SUMMARY, "--strict", os.devnull, "/nonexistent/results.xml"], check=False,
                              stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1, done.stdout)


if __name__ == "__main__":
    unittest.main()
