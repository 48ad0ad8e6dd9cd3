# places_test.py - names that an attacker exchanges, programs and profiles that a guest could have written: what the program makes of them.
import json
import os
import unittest

import harness
from harness import Sandbox, small
from swapper import Swapper

PROGRAMS = ("virtiofsd", "qemu-system-x86_64", "qemu-kvm", "bwrap", "codex", "nix", "git", "sudo", "cloud-hypervisor", "python3", "node",
            "mcp-nixos")
ROUNDS = 200


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class GuestsPrograms(unittest.TestCase):
    """Everything that agentvm starts, in the workspace and first on PATH: each leaves a mark when it is started."""

    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())
        self.mark = self.sandbox.path("started")
        self.venv = self.sandbox.path("ws/.venv/bin")
        for name in PROGRAMS:
            self.sandbox.write(f"ws/.venv/bin/{name}", f"#!/bin/sh\necho {name} >> {self.mark}\necho virtiofsd 9.9.9\n", 0o755)
        self.path = {"PATH": f"{self.venv}:{self.sandbox.env['PATH']}"}

    def assert_none_started(self, result):
        self.assertFalse(os.path.exists(self.mark), result)
        named = [line for line in result.stdout.splitlines() if self.venv in line and "is not started, because" not in line]
        self.assertEqual(named, [], result)

    def test_a_plan(self):
        for options in ((), ("--guest", "nix"), ("--set", "guest.devshell=true")):
            with self.subTest(options=options):
                self.sandbox.write("ws/flake.nix", "{ }\n")
                self.assert_none_started(self.sandbox.run("run", "--dry-run", *options, "ws", "--", "do it", env=self.path))

    def test_a_link_elsewhere_leads_there(self):
        bin = self.sandbox.path("bin")
        os.mkdir(bin)
        for name in PROGRAMS:
            os.symlink(f"{self.venv}/{name}", f"{bin}/{name}")
        result = self.sandbox.run("run", "--dry-run", "ws", "--", "do it", env={"PATH": f"{bin}:{self.sandbox.env['PATH']}"})
        self.assert_none_started(result)
        self.assertNotIn(bin, result.stdout)

    def test_doctor_and_build_in_the_workspace(self):
        for words in (("doctor",), ("build",), ("build", "--set", "guest.devshell=true", "--guest", "host")):
            with self.subTest(words=words):
                self.assert_none_started(self.sandbox.run(*words, env=self.path, cwd=self.sandbox.workspace))

    def test_an_earlier_workspace_counts_too(self):
        other = self.sandbox.path("other")
        os.mkdir(other)
        os.makedirs(self.sandbox.path("state/agentvm/guest-places"))
        os.symlink(self.sandbox.workspace, self.sandbox.path("state/agentvm/guest-places/0"))
        for words in (("run", "--dry-run", other, "--", "do it"), ("doctor",)):
            with self.subTest(words=words):
                self.assert_none_started(self.sandbox.run(*words, env=self.path, cwd=other))

    def test_one_that_was_named_is_refused_with_the_reason(self):
        run = self.sandbox.run(*small("--dry-run"), "ws", "--command", "--", "true", env={"AGENTVM_VIRTIOFSD": f"{self.venv}/virtiofsd"})
        self.assertNotEqual(run.code, 0)
        self.assertIn(f"{self.venv}/virtiofsd is not started, because a guest may write in {self.sandbox.workspace}", run.stderr)
        self.assert_none_started(run)


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Workspaces(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())

    def dry_run(self, workspace, *options):
        return self.sandbox.run(*small("--dry-run", *options), workspace, "--command", "--", "true")

    def test_the_users_profiles_behind_a_link(self):
        os.rename(self.sandbox.path("config/agentvm"), self.sandbox.path("ws/agentvm"))
        os.symlink(self.sandbox.path("ws/agentvm"), self.sandbox.path("config/agentvm"))
        run = self.dry_run("ws")
        self.assertEqual(run.code, 2, run)
        self.assertIn("profiles", run.stderr)

    def test_a_link_is_said_and_followed_once(self):
        os.symlink("ws", self.sandbox.path("link"))
        run = self.dry_run("link")
        if run.code != 0:
            self.skipTest(f"no plan can be made here: {run.stderr}")
        self.assertIn(f"link leads through a link: the workspace is {self.sandbox.workspace}.", run.stdout)

    @unittest.skipUnless(os.geteuid() == 0, "giving a link away takes root")
    def test_another_users_link_is_not_followed(self):
        link = self.sandbox.path("theirs")
        os.symlink("ws", link)
        os.lchown(link, 4711, 4711)
        run = self.dry_run(link)
        self.assertEqual(run.code, 2, run)
        self.assertIn("belongs to another user", run.stderr)
        for words in (("definition", "-o", link), (*small("--dry-run", "--report", f"{link}/report"), "ws", "--command", "--", "true")):
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertNotEqual(run.code, 0, run)
                self.assertIn("belongs to another user", run.stderr)


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
@unittest.skipUnless(os.geteuid() == 0, "giving a link away takes root")
class Exchanged(unittest.TestCase):
    """A directory and another user's link to a secret one change places all the time."""

    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())
        for name in ("p/work", "secret"):
            os.makedirs(self.sandbox.path(name))
        self.evil = self.sandbox.path("p/evil")
        os.symlink("../secret", self.evil)
        os.lchown(self.evil, 4711, 4711)
        self.work = self.sandbox.path("p/work")

    def rounds(self, *words):
        """How often it was done; the rest was refused, in words."""
        done = 0
        with Swapper(self.work, self.evil) as swapper:
            for _ in range(ROUNDS):
                run = self.sandbox.run(*words)
                done += run.code == 0
                if run.code != 0:
                    self.assertIn("belongs to another user", run.stderr, run)
        self.assertGreater(swapper.swaps, ROUNDS)
        return done

    def test_definition(self):
        done = self.rounds("definition", "--profile", "small", "-o", self.work, "--force")
        self.assertTrue(0 < done < ROUNDS, done)
        self.assertEqual(os.listdir(self.sandbox.path("secret")), [])

    def test_init(self):
        self.rounds("init", "--force", self.work)
        self.assertEqual(os.listdir(self.sandbox.path("secret")), [])

    def test_workspace_of_a_plan(self):
        self.sandbox.write("secret/agentvm.toml", "[machine]\nmemory = \"777MiB\"\n")
        seen = set()
        with Swapper(self.work, self.evil):
            for _ in range(ROUNDS):
                run = self.sandbox.run(*small("--dry-run", "--json"), self.work, "--command", "--", "true")
                if run.code != 0:
                    self.assertNotIn("secret", run.stderr, run)
                    continue
                plan = json.loads(run.stdout)
                seen.add((plan["workspace"] in (self.work, self.evil), plan["memory_bytes"] == 777 << 20))
        if not seen:
            self.skipTest("no plan can be made here")
        self.assertEqual(seen, {(True, False)})


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class LedByAGuest(unittest.TestCase):
    """Another VM's workspace, in which its guest exchanges a directory and a link: both belong to the caller."""

    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())
        for name in ("p/work", "secret", "state/agentvm/guest-places"):
            os.makedirs(self.sandbox.path(name))
        self.place, self.work, self.evil = (self.sandbox.path(name) for name in ("p", "p/work", "p/evil"))
        os.symlink("../secret", self.evil)
        os.symlink(self.place, self.sandbox.path("state/agentvm/guest-places/0"))
        self.refusal = f"leads through a link in {self.place}, where a guest may write"

    def test_whatever_is_resolved(self):
        for words in (("definition", "-o", self.evil), ("init", self.evil), (*small("--dry-run"), self.evil, "--command", "--", "true"),
                      (*small("--dry-run", "--report", f"{self.evil}/report"), "ws", "--command", "--", "true"),
                      (*small("--dry-run", "--expose", self.evil), "ws", "--command", "--", "true")):
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertNotEqual(run.code, 0, run)
                self.assertIn(self.refusal, run.stderr, run)
        self.assertEqual(os.listdir(self.sandbox.path("secret")), [])

    def test_a_link_that_stays_inside(self):
        os.symlink("work", self.sandbox.path("p/inside"))
        run = self.sandbox.run("init", self.sandbox.path("p/inside"))
        self.assertEqual(run.code, 0, run)
        self.assertEqual(os.listdir(self.work), ["agentvm.toml"])

    def test_exchanged_all_the_time(self):
        refused, seen = 0, set()
        with Swapper(self.work, self.evil) as swapper:
            for _ in range(ROUNDS):
                run = self.sandbox.run(*small("--dry-run", "--json"), self.work, "--command", "--", "true")
                if run.code == 0:
                    seen.add(json.loads(run.stdout)["workspace"])
                else:
                    refused += self.refusal in run.stderr
        self.assertGreater(swapper.swaps, ROUNDS)
        self.assertLessEqual(seen, {self.work, self.evil})
        self.assertGreater(refused, 0)


if __name__ == "__main__":
    harness.main()
