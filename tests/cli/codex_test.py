# codex_test.py - which program `run` and `doctor` take for Codex: installers' layouts, shims, and what a workspace cannot overrule.
import os
import shutil
import unittest

import harness
from harness import Sandbox

RELEASE = "home/.codex/packages/standalone/releases/0.169.0-x86_64-unknown-linux-musl"


@unittest.skipUnless(harness.BIN, "AGENTVM_BIN_DIR is not set")
class Codex(unittest.TestCase):
    def setUp(self):
        self.sandbox = self.enterContext(Sandbox())
        self.bin = self.sandbox.path("home/.local/bin")
        os.makedirs(self.bin)
        self.mark = self.sandbox.path("started")
        self.sandbox.env.pop("AGENTVM_CODEX", None)
        self.env = {"PATH": f"{self.bin}:{self.sandbox.env['PATH']}", "OPENAI_API_KEY": "sk-test",
                    "XDG_CACHE_HOME": self.cache_without_codex()}

    def cache_without_codex(self):
        """The tools but Codex's copy, so that what is on PATH is all there is."""
        cache = self.sandbox.path("cache/agentvm")
        os.makedirs(f"{cache}/tools")
        real = harness.real_cache()
        if real:
            os.symlink(os.path.join(real, "kernel"), f"{cache}/kernel")
            for name in os.listdir(os.path.join(real, "tools")):
                if name != "codex":
                    os.symlink(os.path.join(real, "tools", name), f"{cache}/tools/{name}")
        return os.path.dirname(cache)

    def native(self, relative, name="grep"):
        """A native program; grep's answer to --version begins with the name that it has."""
        path = self.sandbox.path(relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(shutil.which(name), path)
        return path

    def on_path(self, target):
        link = f"{self.bin}/codex"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(target, link)

    def script(self, text, path=None):
        """One that leaves a mark when it is started."""
        return self.sandbox.write(path or "home/.local/bin/codex", text.replace("\n", f"\necho started >> {self.mark}\n", 1), 0o755)

    def plan(self, *options, env=None):
        return self.sandbox.run("run", "--dry-run", "--json", *options, "ws", "--", "do it", env={**self.env, **(env or {})})

    def doctor(self, env=None):
        shown = self.sandbox.run("doctor", "--json", env={**self.env, **(env or {})})
        return next(item for item in shown.json() if item["what"] == "codex")

    def assert_refused(self, *words, hint=(), env=None):
        """By both, in the same words; nothing was started."""
        run, item = self.plan(env=env), self.doctor(env=env)
        self.assertIn(run.code, (125, 126), run)  # 125 where QEMU or a kernel is missing too
        self.assertFalse(item["good"], item)
        for word in words:
            self.assertIn(word, run.stderr)
            self.assertIn(word, item["found"])
        for word in hint:
            self.assertIn(word, run.stderr)
            self.assertIn(word, item["how_to_get_it"])
        self.assertFalse(os.path.exists(self.mark), "a shim was started")

    def assert_taken(self, program, env=None):
        """By both; only the program's own directory is shown to the guest."""
        item = self.doctor(env=env)
        self.assertTrue(item["good"], item)
        self.assertTrue(item["found"].startswith(program), item)
        run = self.plan(env=env)
        if run.code == 125 and "Codex" not in run.stderr:
            self.skipTest(f"no plan can be made here: {run.stderr}")
        self.assertEqual(run.code, 0, run)
        shares = run.json()["shares"]
        self.assertIn(os.path.dirname(program), [share["source"] for share in shares if share["tag"] == "agent"])
        self.assertTrue(all(share["read_only"] for share in shares if share["tag"] == "agent"))
        home = self.sandbox.path("home")
        inside = [share["source"] for share in shares if share["source"].startswith(home)]
        self.assertEqual(inside, [os.path.dirname(program)] if program.startswith(home) else [])
        self.assertFalse(os.path.exists(self.mark), "a shim was started")

    def test_the_layout_of_openais_installer(self):
        for below in ("bin/codex", "codex"):
            with self.subTest(below=below):
                shutil.rmtree(self.sandbox.path("home/.codex"), ignore_errors=True)
                self.sandbox.write("home/.codex/auth.json", '{"OPENAI_API_KEY":"sk-secret"}', 0o600)
                program = self.native(f"{RELEASE}/{below}")
                current = self.sandbox.path("home/.codex/packages/standalone/current")
                os.symlink(self.sandbox.path(RELEASE), current)
                self.on_path(f"{current}/{below}")
                self.assert_taken(program)

    def test_beside_the_secrets_it_is_refused_by_both(self):
        for place in ("home/.codex/codex", "home/.codex/bin/codex", "home/codex"):
            with self.subTest(place=place):
                program = self.native(place)
                self.assert_refused(program, "its directory must not be shown to a guest", env={"AGENTVM_CODEX": program})

    def test_a_link_of_mise(self):
        self.on_path(self.native("home/bin/mise"))
        self.assert_refused(f"{self.bin}/codex is not Codex itself: it leads to {self.sandbox.path('home/bin/mise')}, mise",
                            hint=["`mise which codex` prints it"])

    def test_scripts_of_version_managers(self):
        for text, word in (('#!/usr/bin/env bash\nexec /opt/asdf exec "codex" "$@"\n', "by its text a shim of asdf"),
                           ('#!/bin/sh\nexec /opt/codex-launcher "$@"\n', "it is a script (#!/bin/sh)")):
            with self.subTest(word=word):
                self.script(text)
                self.assert_refused(f"{self.bin}/codex is not Codex itself", word, hint=["AGENTVM_CODEX"])

    def test_a_program_that_calls_itself_something_else(self):
        self.on_path(self.native("home/opt/codex", "cat"))
        self.assert_refused("is not Codex: asked for its --version, it says 'cat")

    def test_pnpms_script_is_followed(self):
        modules = "home/.local/bin/global/5/node_modules/@openai"
        self.sandbox.write(f"{modules}/codex/bin/codex.js", "#!/usr/bin/env node\n", 0o755)
        machine = "arm64" if os.uname().machine == "aarch64" else "x64"
        program = self.native(f"{modules}/codex-linux-{machine}/vendor/some-target/bin/codex")
        self.script('#!/bin/sh\nbasedir=$(dirname "$0")\n'
                    'exec node  "$basedir/global/5/node_modules/@openai/codex/bin/codex.js" "$@"\n')
        self.assert_taken(program)

    def test_a_script_that_leads_into_the_workspace(self):
        modules = "ws/node_modules/@openai"
        self.sandbox.write(f"{modules}/codex/bin/codex.js", "#!/usr/bin/env node\n", 0o755)
        machine = "arm64" if os.uname().machine == "aarch64" else "x64"
        self.native(f"{modules}/codex-linux-{machine}/vendor/some-target/bin/codex")
        named = f"{self.sandbox.workspace}/node_modules/@openai/codex/bin/codex.js"
        self.script(f'#!/bin/sh\nexec node "{named}" "$@"\n')
        # A link that leads out of it again is the guest's word all the same.
        for elsewhere in (False, True):
            with self.subTest(elsewhere=elsewhere):
                if elsewhere:
                    os.rename(self.sandbox.path(modules), self.sandbox.path("home/openai"))
                    os.symlink(self.sandbox.path("home/openai"), self.sandbox.path(modules))
                run = self.plan()
                self.assertIn(run.code, (125, 126), run)
                self.assertIn(f"{named} is not started, because a guest may write in {self.sandbox.workspace}", run.stderr)

    def test_what_is_decided_is_on_the_command_line(self):
        """Where the workspace's own .codex/config.toml cannot overrule it; the caller's own words come after it."""
        program = self.native("home/opt/codex")
        run = self.plan("--model", "a-model", "--agent-arg=-mmine", env={"AGENTVM_CODEX": program})
        if run.code == 125 and "Codex" not in run.stderr:
            self.skipTest(f"no plan can be made here: {run.stderr}")
        self.assertEqual(run.code, 0, run)
        argv = run.json()["agent"]["argv"]
        settings = [argv[at + 1] for at, word in enumerate(argv) if word == "-c"]
        self.assertIn('model="a-model"', settings)
        self.assertIn('model_provider="agentvm"', settings)
        for start in ("model_providers={agentvm = {", "projects={", "features={", 'web_search="disabled"'):
            self.assertTrue(any(setting.startswith(start) for setting in settings), (start, settings))
        self.assertEqual(argv[-3:], ["-mmine", "--", "do it"])
        shown = self.sandbox.run("run", "--dry-run", "ws", "--", "do it", env={**self.env, "AGENTVM_CODEX": program})
        self.assertRegex(shown.stdout, r"\nagent .* exec ")
        self.assertNotIn(" -c ", shown.stdout, "the plan for people is short")


if __name__ == "__main__":
    harness.main()
