#!/usr/bin/env python3
# layering_test.py - the layering check finds what it is there for: a tree with one mistake of each kind.
import os
import subprocess
import sys
import tempfile
import unittest

CHECKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layering.py")


def header(path, *lines):
    return "\n".join([f"// {os.path.basename(path)} - a file of the test.", "#pragma once", *lines]) + "\n"


class Layering(unittest.TestCase):
    def check(self, files):
        """Runs the checker over a tree of {path: text}; returns (exit code, output)."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            done = subprocess.run([sys.executable, CHECKER, root], stdout=subprocess.PIPE, text=True, check=False)
            return done.returncode, done.stdout

    def refused(self, path, include):
        code, output = self.check({path: header(path, f"#include {include}")})
        self.assertEqual(code, 1, f"{path} may include {include}")
        self.assertIn(f"{path}:3: ", output)

    def accepted(self, path, include):
        code, output = self.check({path: header(path, f"#include {include}")})
        self.assertEqual(code, 0, output)

    def test_includes_against_the_direction(self):
        self.refused("base/a.hpp", '"vmspec/profile/profile.hpp"')
        self.refused("vmspec/a.hpp", '"network/plan/address.hpp"')
        self.refused("vmspec/a.hpp", '"base/file.hpp"')
        self.refused("network/plan/a.hpp", '"network/apply/links.hpp"')
        self.refused("network/plan/a.hpp", '"base/file.hpp"')
        self.refused("network/apply/a.hpp", '"launcher/state/roots.hpp"')
        self.refused("guest/a.hpp", '"vmspec/profile/profile.hpp"')
        self.refused("launcher/verbs/a.hpp", '"guest/pty.hpp"')
        self.refused("launcher/verbs/a.hpp", '"tests/unit/helper.hpp"')
        self.refused("launcher/cli/a.hpp", '"launcher/supervisor/life.hpp"')
        self.refused("launcher/machine/a.hpp", '"launcher/supervisor/life.hpp"')
        self.refused("launcher/client/a.hpp", '"launcher/run/plan.hpp"')
        self.refused("launcher/gateway/mcp/a.hpp", '"launcher/machine/reaper.hpp"')
        self.refused("base/wire/a.hpp", '"base/link/link.hpp"')
        self.refused("base/async/a.hpp", '"base/link/link.hpp"')

    def test_includes_along_the_direction(self):
        self.accepted("vmspec/a.hpp", '"base/error.hpp"')
        self.accepted("launcher/verbs/a.hpp", '"base/wire/guest.hpp"')
        self.accepted("launcher/verbs/a.hpp", '"network/plan/address.hpp"')
        self.accepted("tests/unit/a.hpp", '"launcher/supervisor/life.hpp"')
        self.accepted("base/a.hpp", "<unistd.h>")

    def test_pure_folders_see_no_system(self):
        for name in ("unistd.h", "fcntl.h", "sys/stat.h", "net/if.h", "linux/if_tun.h", "netlink/netlink.h",
                     "nftables/libnftables.h", "filesystem", "fstream", "chrono", "random", "spdlog/spdlog.h", "boost/asio/io_context.hpp"):
            self.refused("vmspec/a.hpp", f"<{name}>")
            self.refused("network/plan/a.hpp", f"<{name}>")

    def test_names_of_others_in_a_header(self):
        code, output = self.check({"base/a.hpp": header("base/a.hpp", "using namespace std;")})
        self.assertEqual(code, 1, output)
        self.assertIn("base/a.hpp:3: ", output)

    def test_an_include_without_its_folder(self):
        self.refused("base/a.hpp", '"error.hpp"')

    def test_the_first_line_names_the_file(self):
        code, output = self.check({"base/a.cpp": "// b.cpp - the name of another file.\n"})
        self.assertEqual(code, 1)
        self.assertIn("base/a.cpp:1: ", output)

    def test_a_file_that_is_too_long(self):
        code, output = self.check({"base/a.cpp": "// a.cpp - a file of the test.\n" + "\n" * 500})
        self.assertEqual(code, 1)
        self.assertIn("501 lines", output)

    def test_an_empty_tree_is_not_a_clean_one(self):
        self.assertEqual(self.check({})[0], 1)


if __name__ == "__main__":
    unittest.main()
