# state_test.py - verbs that look at VMs or remove them, where there are none or only leftovers; and doctor.
import fcntl
import json
import os
import unittest

import harness
from harness import Sandbox, sentences


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class State(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())

    def leftovers(self, name, uuid="00000000-0000-4000-8000-000000000001"):
        """What a VM leaves whose supervisor and reaper were both killed."""
        self.sandbox.write(f"state/agentvm/vms/{name}/lock")
        self.sandbox.write(f"state/agentvm/vms/{name}/spec.json", json.dumps({"name": name, "uuid": uuid}))
        self.sandbox.write(f"state/agentvm/vms/{name}/state.json", json.dumps(
            {"name": name, "uuid": uuid, "phase": "running", "started": "2026-01-01T00:00:00.000Z", "processes": [], "exit_code": -1}))
        self.sandbox.write(f"run/agentvm/{name}/sv.sock")

    def test_nothing_there(self):
        for words, code in ((("ls",), 0), (("gc",), 0), (("gc", "--dry-run"), 0), (("destroy", "--all"), 0), (("destroy",), 2),
                            (("stop",), 2), (("shell",), 2), (("logs",), 2)):
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertEqual(run.code, code, run)
                self.assertLessEqual(len(sentences(run)), 2, run)
        self.assertEqual(self.sandbox.run("ls", "--json").json(), [])
        self.assertEqual(self.sandbox.run("ls", "-q").stdout, "")
        self.assertEqual(self.sandbox.left(), [])

    def test_unknown_names(self):
        for words, code in ((("exec", "nobody", "--", "true"), 125), (("stop", "nobody"), 125), (("inspect", "nobody"), 125),
                            (("attach", "nobody"), 125), (("logs", "nobody"), 125), (("shell", "nobody"), 125),
                            (("destroy", "nobody"), 0)):  # what is not there needs no destroying, but it is said
            with self.subTest(words=words):
                run = self.sandbox.run(*words)
                self.assertEqual(run.code, code, run)
                self.assertIn("nobody", run.stderr)
                self.assertEqual(run.stdout, "")
                self.assertLessEqual(len(sentences(run)), 2, run)

    def test_gc_removes_leftovers(self):
        self.leftovers("dead")
        only_said = self.sandbox.run("gc", "--dry-run")
        self.assertEqual(only_said.code, 0, only_said)
        self.assertIn("dead", only_said.stdout)
        self.assertTrue(os.path.isdir(self.sandbox.path("state/agentvm/vms/dead")))
        self.assertEqual(self.sandbox.run("ls", "--json").json()[0]["state"], "dead")
        swept = self.sandbox.run("gc")
        self.assertEqual(swept.code, 0, swept)
        self.assertIn("dead", swept.stdout)
        self.assertEqual(self.sandbox.left(), [])

    def test_gc_leaves_the_living(self):
        self.leftovers("alive")
        with open(self.sandbox.path("state/agentvm/vms/alive/lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertEqual(self.sandbox.run("gc").code, 0)
            self.assertTrue(os.path.isdir(self.sandbox.path("state/agentvm/vms/alive")))
        self.assertEqual(self.sandbox.run("gc").code, 0)
        self.assertEqual(self.sandbox.left(), [])

    def test_name_in_use(self):
        self.leftovers("taken")
        with open(self.sandbox.path("state/agentvm/vms/taken/lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            run = self.sandbox.run(*harness.small("--name", "taken"), self.sandbox.workspace, "--command", "--", "true")
            self.assertEqual(run.code, 125, run)
            self.assertIn("taken", run.stderr)
            self.assertEqual(run.stdout, "")
            self.assertLessEqual(len(sentences(run)), 2, run)
            self.assertEqual(sorted(os.listdir(self.sandbox.path("state/agentvm/vms/taken"))), ["lock", "spec.json", "state.json"])

    def test_a_run_is_told_who_works_on_its_files(self):
        """In a plan's notes, as a text and as JSON, also for a directory inside or around the other's."""
        reason = harness.missing_for_vms()
        if reason:
            self.skipTest(reason)
        inside = self.sandbox.path("ws/part")
        os.makedirs(inside)
        os.mkdir(self.sandbox.path("ws2"))

        def plan(workspace, *options):
            return self.sandbox.run(*harness.small("--dry-run", "--name", "next", *options), workspace, "--command", "--", "true")

        self.leftovers("first")
        spec = plan(inside, "--json").json() | {"name": "first"}
        self.sandbox.write("state/agentvm/vms/first/spec.json", json.dumps(spec))
        words = "neither file locks nor news of changes (inotify) cross between VMs"
        self.assertNotIn(words, plan(inside).stdout, "a dead one works on nothing")
        with open(self.sandbox.path("state/agentvm/vms/first/lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for workspace, named in ((inside, "(first)"), (self.sandbox.workspace, f"(first on {inside})")):
                with self.subTest(workspace=workspace):
                    shown = plan(workspace, "--json").json()
                    for where in ("notes", "advice"):
                        told = [note for note in shown[where] if words in note]
                        self.assertEqual(len(told), 1, shown)
                        self.assertIn(named, told[0])
                    self.assertIn(words, " ".join(plan(workspace).stdout.split()))
            self.assertNotIn(words, " ".join(plan(self.sandbox.path("ws2")).stdout.split()))

    def test_destroy_removes_leftovers_too(self):
        self.leftovers("dead")
        self.assertEqual(self.sandbox.run("destroy", "dead").code, 0)
        self.assertEqual(self.sandbox.left(), [])

    def test_broken_state_is_swept(self):
        self.sandbox.write("state/agentvm/vms/broken/state.json", "{ not json")
        self.sandbox.write("state/agentvm/vms/broken/spec.json", "")
        self.assertEqual(self.sandbox.run("ls").code, 0)
        self.assertEqual(self.sandbox.run("gc").code, 0)
        self.assertEqual(self.sandbox.left(), [])

    def test_doctor(self):
        shown = self.sandbox.run("doctor")
        listed = self.sandbox.run("doctor", "--json")
        self.assertEqual(shown.code, listed.code)
        self.assertIn(shown.code, (0, 1))
        items = listed.json()
        names = [item["what"] for item in items]
        for name in ("qemu", "virtiofsd", "codex", "kvm"):
            self.assertTrue(any(name in known.lower() for known in names), f"{name} in {names}")
            self.assertIn(name, shown.stdout.lower())

    def test_doctor_says_how_to_get_what_is_missing(self):
        lacking = {"AGENTVM_QEMU": "/nonexistent/qemu", "AGENTVM_CODEX": "/nonexistent/codex"}
        run = self.sandbox.run("doctor", env=lacking)
        self.assertEqual(run.code, 1, run)
        self.assertIn("qemu-system-x86", run.stdout, "the package to install")
        self.assertIn("npm", run.stdout)


if __name__ == "__main__":
    harness.main()
