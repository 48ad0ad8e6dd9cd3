#!/usr/bin/env python3
# rules_test.py - coroutines.py, case_names.py, named_files.py and compile_alone.py find what they are there for.
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Rules(unittest.TestCase):
    def setUp(self):
        self.root = self.enterContext(tempfile.TemporaryDirectory())

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        return full

    def check(self, checker, *arguments):
        done = subprocess.run([sys.executable, os.path.join(HERE, checker), self.root, *arguments], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def test_coroutines_without_an_owner(self):
        for text in ("co_spawn(io, work(), boost::asio::detached);", "co_spawn(io, work(), asio :: detached);",
                     "#include <boost/asio/detached.hpp>",
                     "co_spawn(io, [&]() -> awaitable<void> { co_return; }, token);",
                     "co_spawn(io,\n  [copy, &links = links_]() -> awaitable<void> { co_return; }, token);",
                     "co_spawn(io, work(), [this](std::exception_ptr) {});",
                     "co_spawn(io, [=, this] { return work(); }, token);"):
            with self.subTest(text=text):
                self.write("launcher/a.cpp", text + "\n")
                code, said = self.check("coroutines.py")
                self.assertEqual(code, 1, said)
                self.assertRegex(said, r"launcher/a\.cpp:[12]: ")

    def test_coroutines_with_one(self):
        self.write("launcher/a.cpp", "\n".join((
            "// asio::detached and co_spawn(io, [&] { }) are banned", 'auto text = "asio::detached";',
            "group.spawn(work(io, links));", "co_spawn(io, [copy] { return work(copy); }, token);",
            "std::sort(a.begin(), a.end(), [&](int x, int y) { return key[x] < key[y]; });",
            "co_spawn(io, work(table[index & mask]), token);", "")))
        self.write("base/async/group.cpp", "co_spawn(io, [&] { return work(); }, asio::detached);\n")
        self.assertEqual(self.check("coroutines.py")[0], 0)

    def test_files_that_moved(self):
        self.write("launcher/client/client.hpp", "#include <boost/gone.hpp>  // gone\n")
        for path, named in (("docs/a.md", "see ../launcher/client/client.hpp, client/client.hpp and a.md"),
                            ("launcher/client/b.cpp", "int x;  // client.hpp has it"), ("base/text.py", 'x = "gone.py"')):
            self.write(path, named + "\n")
        code, said = self.check("named_files.py")
        self.assertEqual(code, 0, said)
        for path, named in (("docs/a.md", "supervisor/client.hpp has it"), ("launcher/b.cpp", "int x;  // gone.cpp"),
                            ("tests/c.py", "x = 1  \x23 gone_test.py")):
            self.write(path, "\n" + named + "\n")
            code, said = self.check("named_files.py")
            self.assertEqual(code, 1, said)
            self.assertIn(f"{path}:2: ", said)

    def test_names_that_no_filter_can_ask_for(self):
        self.write("tests/unit/base/sources.cmake", "set(UNIT_SOURCES_base a_test.cpp)\n")
        for name in ("one; two", "one, two", 'one" \n   "; two'):
            with self.subTest(name=name):
                self.write("tests/unit/base/a_test.cpp", f'\nTEST_CASE("{name}") {{\n}}\n')
                code, said = self.check("case_names.py")
                self.assertEqual(code, 1, said)
                self.assertIn("tests/unit/base/a_test.cpp:2: ", said)
        self.write("tests/unit/base/a_test.cpp", 'TEST_CASE("one and two") {\n  call("a, b; c");\n}\n')
        self.assertEqual(self.check("case_names.py")[0], 0)

    def test_cases_that_never_run(self):
        self.write("tests/unit/base/sources.cmake", "set(UNIT_SOURCES_base a_test.cpp support.cpp)\n")
        self.write("tests/unit/base/a_test.cpp", 'TEST_CASE("one") {}\n')
        self.write("tests/unit/base/forgotten_test.cpp", 'TEST_CASE("two") {}\n')
        self.write("tests/unit/base/support.cpp", 'TEST_CASE("three") {}\n')
        code, said = self.check("case_names.py")
        self.assertEqual(code, 1, said)
        self.assertIn("forgotten_test.cpp:1: no sources.cmake names this file", said)
        self.assertIn("support.cpp:1: test cases are in files called NAME_test.cpp", said)

    @unittest.skipUnless(shutil.which("g++"), "g++ is not installed")
    def test_a_source_that_lives_on_its_neighbours(self):
        self.write("base/a.cpp", "#include <string>\nstd::string a() { return {}; }\n")
        self.write("base/b.cpp", "#include <string>\nstd::string b() { return {}; }\n")
        self.write("base/c.cpp", "std::string c() { return {}; }\n")
        unity = self.write("build/base/CMakeFiles/x.dir/Unity/unity_0_cxx.cxx", "".join(
            f'#include "{self.root}/base/{name}.cpp"\n' for name in "abc"))
        self.write("build/compile_commands.json", json.dumps([
            {"directory": f"{self.root}/build", "file": unity, "command": f"g++ -std=c++20 -o base/x.dir/u.o -c {unity}"}]))
        code, said = self.check("compile_alone.py", f"{self.root}/build")
        self.assertEqual(code, 1, said)
        self.assertIn("base/c.cpp does not compile by itself", said)
        self.assertIn("2 files, 2 of them read, 1 that do not", said)
        self.write("base/c.cpp", "#include <string>\nstd::string c() { return {}; }\n")
        code, said = self.check("compile_alone.py", f"{self.root}/build")
        self.assertEqual((code, "2 files, 1 of them read, 0 that do not" in said), (0, True), said)


if __name__ == "__main__":
    unittest.main()
