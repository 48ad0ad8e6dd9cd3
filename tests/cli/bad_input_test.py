# bad_input_test.py - what cannot work is refused at once: one clear message, the right exit code, nothing left.
import json
import os
import shutil
import subprocess
import unittest

import harness
from harness import Sandbox, sentences, small

STRANGER = 45219  # a uid of nobody


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class BadInput(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())

    def refuse(self, run, code, *words, lines=2):
        """The message is short and holds the words; nothing went to stdout; nothing is left."""
        self.assertEqual(run.code, code, run)
        self.assertEqual(run.stdout, "", run)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertTrue(1 <= len(sentences(run)) <= lines, run)
        self.assertEqual(self.sandbox.left(), [])
        return run

    def command(self, *options, workspace=None, **how):
        return self.sandbox.run(*small(*options), workspace or self.sandbox.workspace, "--command", "--", "true", limit=30, **how)

    def test_missing_workspace(self):
        self.refuse(self.command(workspace="./no-such-place"), 2, "no-such-place")

    def test_file_as_workspace(self):
        path = self.sandbox.write("plain-file")
        self.refuse(self.command(workspace=path), 2, path, "directory")

    def test_workspace_that_may_not_be_shared(self):
        """The root of the file system, or a home with keys in it, is no workspace."""
        run = self.command("--dry-run", workspace="/")
        self.assertIn(run.code, (2, 125), run)
        self.assertTrue(1 <= len(sentences(run)) <= 2, run)

    def test_mcp_server_in_a_place_that_the_guest_writes(self):
        """Its program, a script it is given, and a link to either, also from a directory that is exposed."""
        inside = self.sandbox.write("work/srv.py", "#!/usr/bin/python3\n", 0o755)
        workspace = os.path.dirname(inside)
        link = self.sandbox.path("link.py")
        os.symlink(inside, link)
        for command in ([inside], [link], ["/usr/bin/python3", inside], ["/usr/bin/python3", link],
                        ["/usr/bin/env", f"SCRIPT={inside}"], ["/usr/bin/python3", f"{workspace}/not-there-yet.py"]):
            with self.subTest(command=command):
                profile = self.sandbox.write_profile("served", f"{harness.SMALL_PROFILE}[mcp.x]\ncommand = {json.dumps(command)}\n")
                run = self.sandbox.run("run", "--profile", profile, "--dry-run", workspace, "--command", "--", "true", limit=30)
                self.refuse(run, 126, "mcp.x.command", workspace, "a guest may write")

    def test_no_qemu(self):
        self.refuse(self.command(env={"AGENTVM_QEMU": "/nonexistent/qemu"}), 125, "QEMU", "AGENTVM_QEMU")

    def test_no_virtiofsd(self):
        self.refuse(self.command(env={"AGENTVM_VIRTIOFSD": "/nonexistent/virtiofsd"}), 125, "virtiofsd")

    def test_no_kernel(self):
        cache = self.sandbox.path("cache/agentvm")
        os.makedirs(cache)
        if harness.real_cache():
            os.symlink(os.path.join(harness.real_cache(), "tools"), f"{cache}/tools")
        env = {"XDG_CACHE_HOME": self.sandbox.path("cache")}
        if self.command("--dry-run", env=env).code == 0:
            self.skipTest("this machine has a kernel outside the cache")
        self.refuse(self.command(env=env), 125, "kernel", "AGENTVM_KERNEL")

    def test_no_guest_program(self):
        self.refuse(self.command(env={"AGENTVM_GUEST": "/nonexistent/guest"}), 125, "agentvm-guest")

    def test_everything_missing_is_said_at_once(self):
        run = self.command(env={"AGENTVM_QEMU": "/nonexistent/a", "AGENTVM_VIRTIOFSD": "/nonexistent/b"})
        self.refuse(run, 125, "QEMU", "virtiofsd", lines=5)

    def test_no_codex(self):
        run = self.sandbox.run(*small(), self.sandbox.workspace, "--", "do something", limit=30,
                               env={"AGENTVM_CODEX": "/nonexistent/codex", "OPENAI_API_KEY": "sk-test"})
        self.refuse(run, 126, "Codex", "npm")

    def test_no_key(self):
        run = self.sandbox.run(*small(), self.sandbox.workspace, "--", "do something", limit=30)
        if "Codex" in run.stderr:
            self.skipTest("there is no Codex here")
        self.refuse(run, 126, "there is no key for the model: OPENAI_API_KEY is not set", "export OPENAI_API_KEY=", "--upstream",
                    "--command -- make test")

    def test_a_command_needs_no_model(self):
        """Nor a word about it, nor the MCP server of the built-in profile."""
        run = self.sandbox.run("run", "--dry-run", "--json", self.sandbox.workspace, "--command", "--", "true", limit=30)
        if run.code != 0:
            self.skipTest(f"no run can be planned here: {run.stderr}")
        planned = run.json()
        self.assertEqual((planned["model"], planned["mcp"]), (None, []))
        self.assertNotIn("OPENAI_API_KEY", run.stdout + run.stderr)

    def test_no_prompt_and_no_terminal(self):
        run = self.sandbox.run(*small(), self.sandbox.workspace, limit=30, env={"OPENAI_API_KEY": "sk-test"})
        if "Codex" in run.stderr and "prompt" not in run.stderr:
            self.skipTest("there is no Codex here")
        self.refuse(run, 2, "prompt")

    def test_tool_the_host_has_not_got(self):
        run = self.command("--tool", "no-such-tool-here")
        self.assertIn(run.code, (125, 126, 127), run)
        self.assertIn("no-such-tool-here", run.stderr)
        self.assertEqual(self.sandbox.left(), [])

    def test_exposing_secrets(self):
        self.sandbox.write("home/.ssh/id_ed25519", "secret")
        for path in ("~/.ssh", "/etc/shadow", "/root"):
            with self.subTest(path=path):
                run = self.command("--expose", path)
                self.assertIn(run.code, (2, 125), run)
                self.assertIn(path, run.stderr)
                self.assertEqual(self.sandbox.left(), [])

    def test_bad_names(self):
        for name in ("Upper", "-dash", "a/b", "../up", "x" * 42, ""):
            with self.subTest(name=name):
                run = self.command(f"--name={name}")
                if name == "":
                    continue
                self.refuse(run, 2, "name")

    def test_too_long_runtime_path(self):
        """Also where only libvirt's own socket, the longest one, does not fit."""
        for length in (60, 100):
            with self.subTest(length=length):
                deep = self.sandbox.path("run")
                deep += "/" + "d" * (length - len(deep) - 1)
                os.mkdir(deep, 0o700)
                run = self.command(env={"XDG_RUNTIME_DIR": deep})
                self.assertEqual(run.code, 125, run)
                self.assertIn("XDG_RUNTIME_DIR", run.stderr)
                self.assertIn("107", run.stderr)
                self.assertTrue(1 <= len(sentences(run)) <= 2, run)
                vms = self.sandbox.path("state/agentvm/vms")
                self.assertEqual(os.listdir(vms) if os.path.isdir(vms) else [], [])

    def test_unwritable_state(self):
        if os.getuid() == 0:
            path = self.sandbox.write("state/agentvm")  # a file where the directory belongs stops even root
        else:
            path = self.sandbox.path("state")
            os.chmod(path, 0o500)
        run = self.command()
        self.assertEqual(run.code, 125, run)
        self.assertIn(path, run.stderr)
        self.assertTrue(1 <= len(sentences(run)) <= 2, run)

    def test_full_disk(self):
        if os.getuid() != 0:
            self.skipTest("mounting a small file system takes root")
        for what in ("cache", "state"):
            with self.subTest(what=what):
                full = self.sandbox.path(f"full-{what}")
                os.mkdir(full)
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", full], check=True)
                try:
                    env = {f"XDG_{what.upper()}_HOME": full}
                    if what == "cache":
                        os.makedirs(f"{full}/agentvm")
                        for name in ("tools", "kernel"):
                            real = os.path.join(harness.shared_cache(), "agentvm", name)
                            if os.path.exists(real):
                                os.symlink(os.path.realpath(real), f"{full}/agentvm/{name}")
                    with open(f"{full}/filler", "wb") as filler:
                        try:
                            filler.write(b"x" * 65536)
                            filler.flush()
                        except OSError:
                            pass
                    run = self.command(env=env)
                    self.assertEqual(run.code, 125, run)
                    self.assertIn("No space left on device", run.stderr)
                    self.assertIn(full, run.stderr, "which file system is full")
                    self.assertTrue(1 <= len(sentences(run)) <= 2, run)
                    for directory in ("run/agentvm", "state/agentvm/vms"):
                        if os.path.isdir(self.sandbox.path(directory)):
                            self.assertEqual(os.listdir(self.sandbox.path(directory)), [])
                    if what == "state" and os.path.isdir(f"{full}/agentvm/vms"):
                        self.assertEqual(os.listdir(f"{full}/agentvm/vms"), [])
                    if what == "cache" and os.path.isdir(f"{full}/agentvm/images"):
                        self.assertEqual(os.listdir(f"{full}/agentvm/images"), [], "no half-made image")
                finally:
                    subprocess.run(["umount", full], check=True)

    def test_dry_run_as_json_holds_no_key(self):
        key = "sk-agentvm-test-key-0123456789"
        run = self.sandbox.run(*small("--dry-run", "--json"), self.sandbox.workspace, "--", "do something", limit=30,
                               env={"OPENAI_API_KEY": key})
        if run.code == 126:
            self.skipTest("there is no Codex here")
        self.assertEqual(run.code, 0, run)
        plan = run.json()
        self.assertEqual(plan["workspace"], self.sandbox.workspace)
        self.assertNotIn(key, run.stdout + run.stderr)
        self.assertIn("OPENAI_API_KEY", json.dumps(plan), "where the key comes from is part of the plan")
        self.assertEqual(self.sandbox.left(), [])

    def test_report_that_cannot_be_written(self):
        run = self.command("--report", "/nonexistent/report.json")
        self.refuse(run, 2, "/nonexistent/report.json")

    def test_more_memory_than_there_is(self):
        self.refuse(self.command("--memory", "900GiB"), 126, "--memory", "900GiB is more than this host has")

    def test_workspace_profile_may_not_reach_outside(self):
        """A workspace's agentvm.toml is the guest's to write: keys that reach the host need --trust-workspace."""
        self.sandbox.write("ws/agentvm.toml", 'guest.expose = ["/srv"]\n[mcp.mine]\ncommand = ["/bin/sh"]\n')
        run = self.sandbox.run("run", "--dry-run", self.sandbox.workspace, "--command", "--", "true", limit=30)
        self.assertIn(run.code, (2, 125), run)
        self.assertIn("--trust-workspace", run.stderr)


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class UnreadableKvm(unittest.TestCase):
    """A user who may not open /dev/kvm gets an emulated machine, and is told why."""

    def test_told_in_the_plan(self):
        if os.getuid() != 0:
            self.skipTest("becoming a user without /dev/kvm takes root")
        if not os.path.exists("/dev/kvm"):
            self.skipTest("this machine has no /dev/kvm")
        reason = harness.missing_for_vms()
        if reason:
            self.skipTest(reason)
        with Sandbox(owner=STRANGER) as sandbox:
            os.chmod(sandbox.directory, 0o755)
            programs = sandbox.path("bin")
            os.mkdir(programs)
            for name in harness.PROGRAMS:
                shutil.copy(harness.program(name), programs)
            sandbox.programs = programs
            cache = sandbox.path("cache/agentvm")
            shutil.copytree(os.path.join(harness.real_cache(), "kernel"), f"{cache}/kernel", symlinks=True)
            shutil.copytree(os.path.join(harness.real_cache(), "tools/bin"), f"{cache}/tools/bin")
            subprocess.run(["chown", "-R", f"{STRANGER}:{STRANGER}", sandbox.path("cache")], check=True)
            mode = os.stat("/dev/kvm").st_mode
            if mode & 0o006:
                self.skipTest("/dev/kvm is open to everybody here")
            run = sandbox.run(*small("--dry-run"), sandbox.workspace, "--command", "--", "true",
                              env={"XDG_CACHE_HOME": sandbox.path("cache")})
            self.assertEqual(run.code, 0, run)
            self.assertIn("/dev/kvm", run.stdout + run.stderr)
            self.assertEqual(sandbox.left(), [])


if __name__ == "__main__":
    harness.main()
