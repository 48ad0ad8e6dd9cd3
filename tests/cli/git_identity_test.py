# git_identity_test.py - the caller's name and address in Git, and nothing else of their configuration, in a run's plan.
import os
import shutil
import subprocess
import unittest

import harness
from harness import Sandbox, small

FILE = "/run/agentvm/gitconfig"


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class GitIdentity(unittest.TestCase):
    def setUp(self):
        reason = harness.missing_for_vms()
        if reason:
            self.skipTest(reason)
        self.sandbox = self.enterContext(Sandbox())

    def plan(self, env=None, workspace=None):
        run = self.sandbox.run(*small("--dry-run", "--json"), workspace or self.sandbox.workspace, "--command", "--", "true", env=env)
        self.assertEqual(run.code, 0, run)
        return run.json()

    def config(self, **how):
        """What the guest's Git is told, and all notes."""
        plan = self.plan(**how)
        return next((file["content"] for file in plan["files"] if file["path"] == FILE), None), plan["notes"]

    def value(self, text, key):
        """As Git itself reads it."""
        git = shutil.which("git")
        if not git:
            self.skipTest("git is not installed")
        return subprocess.run([git, "config", "-f", "-", "--get", key], input=text.encode(), stdout=subprocess.PIPE, check=True,
                              cwd="/").stdout.decode()[:-1]

    def test_name_and_address_alone(self):
        self.sandbox.write("home/.gitconfig", """\
[user]
	name = "Jürgen \\"JJ\\" O'Neill \\\\ #1; Sr."
	email = jj@example.org ; mine
	signingKey = SECRETKEY
[credential]
	helper = store --file=/secret
[alias]
	x = !touch /tmp/x
[commit]
	gpgSign = true
""")
        text, _ = self.config()
        self.assertEqual(self.value(text, "user.name"), "Jürgen \"JJ\" O'Neill \\ #1; Sr.")
        self.assertEqual(self.value(text, "user.email"), "jj@example.org")
        self.assertEqual(len(text.splitlines()), 3, text)
        for word in ("SECRETKEY", "gpgSign", "alias"):
            self.assertNotIn(word, str(self.plan()))
        self.assertIn(FILE, self.sandbox.run(*small("--dry-run"), self.sandbox.workspace, "--command", "--", "true").stdout)

    def test_nobody_who_did_not_say(self):
        self.assertEqual(self.config()[0], None)
        self.sandbox.write("config/git/config", "[user]\nname = Me\n")
        self.assertIn("Me", self.config()[0])
        self.assertEqual(self.config(env={"GIT_CONFIG_GLOBAL": "/dev/null"})[0], None)

    def test_another_address_for_work(self):
        self.sandbox.write("home/.gitconfig",
                           "[user]\nname = Me\nemail = me@home\n[includeIf \"gitdir:~/work/\"]\npath = .gitconfig-work\n")
        self.sandbox.write("home/.gitconfig-work", "[user]\nemail = me@work\n")
        work = self.sandbox.path("home/work/app")
        os.makedirs(work)
        self.assertEqual(self.value(self.config(workspace=work)[0], "user.email"), "me@work")
        self.assertEqual(self.value(self.config()[0], "user.email"), "me@home")

    def test_no_file_that_a_guest_may_write(self):
        """Neither a repository's own configuration nor the user's when it lies in a workspace."""
        self.sandbox.write("ws/.git/config", "[user]\nname = Guest\n")
        self.sandbox.write("ws/gitconfig", "[user]\nname = Guest\n")
        os.symlink(self.sandbox.path("ws/gitconfig"), self.sandbox.path("home/.gitconfig"))
        self.sandbox.write("config/git/config", f"[include]\npath = {self.sandbox.path('ws/gitconfig')}\n[user]\nemail = me@home\n")
        text, notes = self.config()
        self.assertEqual(text, '[user]\n\temail = "me@home"\n')
        self.assertEqual(sum("a guest may write in " + self.sandbox.workspace in note for note in notes), 2, notes)

    def test_what_is_no_text_is_left_out_and_said(self):
        with open(self.sandbox.path("home/.gitconfig"), "wb") as file:
            file.write(b"[user]\nname = J\xfcrgen\nemail = " + b"x" * 300 + b"\n")
        text, notes = self.config()
        self.assertEqual(text, None)
        for words in ("user.name of your Git configuration is left out: it is not UTF-8", "user.email of your Git configuration"):
            self.assertTrue(any(words in note for note in notes), notes)


if __name__ == "__main__":
    harness.main()
