# devshell_test.py - guest.devshell: the real Nix builds a workspace's devShell, the agent works in it, and a hostile flake
# gets nothing of the host's.
import glob
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import unittest

import harness
import own_nix
import processes
import user_test
from harness import small, wait_until

DEVSHELL = ("--set", "guest.devshell=true")
HOST_BUILD = ("build", "--profile", "small", "--guest", "host", *DEVSHELL)


def flake(script="true", inputs="", variables=""):
    """A devShell of nothing but this host's bash: no nixpkgs is at hand."""
    return """{
  inputs = { %s };
  outputs = { self, ... }@inputs: {
    devShells.x86_64-linux.default = derivation {
      name = "shell"; system = "x86_64-linux"; builder = "/bin/bash"; outputs = [ "out" ]; args = [ "-c" "true" ];
      PATH = "${./tools}/bin:/usr/bin:/bin";
      GREETING = "it's a $devShell";
      shellHook = "echo hello from the hook; export HOOKED=yes";
      slow = "${derivation { name = "slow"; system = "x86_64-linux"; builder = "/bin/bash"; args = [ "-c" ''%s; echo done > $out'' ]; }}";
      %s
    };
  };
}
""" % (inputs, script, variables)


TOOL = ("tools/bin/of-the-shell", "#!/bin/sh\necho tool of the shell\n", 0o755)
LOOK = 'of-the-shell; echo "$GREETING $HOOKED $HOME"; grep -c " /nix/store " /proc/mounts; touch /nix/store/x; read line; echo "$line"; exit 7'
SEEN = "tool of the shell\nit's a $devShell yes /home/agent\n1\nfrom stdin\n"


class DevShell(harness.VmTestCase):
    @classmethod
    def setUpClass(cls):
        reason = own_nix.missing() or harness.missing_for_vms()
        if reason:
            raise unittest.SkipTest(reason)

    def setUp(self):
        self.box = self.enterContext(own_nix.NixSandbox())
        self.box.env["XDG_CACHE_HOME"] = self.own_cache()

    def own_cache(self):
        """Tools and kernel are the real ones."""
        cache = self.box.path("cache/agentvm")
        os.makedirs(cache)
        for name in ("tools", "kernel"):
            real = os.path.realpath(os.path.join(harness.shared_cache(), "agentvm", name))
            if os.path.exists(real):
                os.symlink(real, os.path.join(cache, name))
        return self.box.path("cache")

    def run_in(self, workspace, *command, options=(), **how):
        return self.box.run(*small(*DEVSHELL, *options), workspace, "--command", "--", *command, **how)

    def shells(self):
        path = self.box.path("cache/agentvm/devshells")
        return os.listdir(path) if os.path.isdir(path) else []

    def test_built_by_the_first_run_and_entered_by_each(self):
        workspace = self.box.flake("app", flake(), [TOOL])
        dry = self.run_in(workspace, "true", options=("--dry-run",))
        self.assert_code(dry, 0)
        self.assertIn("which Nix has to build first", dry.stdout)
        self.assertEqual(self.shells(), [])
        first = self.run_in(workspace, "sh", "-c", LOOK, input=b"from stdin\n")
        self.assert_code(first, 7)
        self.assertEqual(first.stdout, SEEN, first)
        self.assertIn("building the devShell of ", first.stderr)
        self.assertIn("hello from the hook\n", first.stderr)
        self.assertIn("Read-only file system", first.stderr)
        self.assertNotIn("flake.lock", os.listdir(workspace))
        second = self.run_in(workspace, "sh", "-c", LOOK, input=b"from stdin\n")
        self.assertEqual((second.code, second.stdout), (7, SEEN), second)
        self.assertNotIn("building", second.stderr)
        self.box.assert_nothing_left()

    def test_kept_vm_and_what_gc_leaves_alone(self):
        workspace = self.box.flake("app", flake(), [TOOL])
        self.assert_code(self.run_in(workspace, "true", options=("--name", "kept", "-d", "--keep")), 0)
        (key,) = self.shells()
        shell = self.box.path("cache/agentvm/devshells", key, "shell.json")
        os.utime(shell, (0, 0))
        self.assert_code(self.box.run("gc"), 0)
        self.assertEqual(self.shells(), [key], "a VM that lives works in it")
        run = self.box.run("exec", "kept", "--", "sh", "-c", "of-the-shell; echo $GREETING")
        self.assertEqual((run.code, run.stdout), (0, "tool of the shell\nit's a $devShell\n"), run)
        # As Codex runs its commands: a login shell, whose /etc/profile sets a PATH.
        run = self.box.run("exec", "kept", "--", "bash", "-lc", "of-the-shell; bash -lc of-the-shell")
        self.assertEqual((run.code, run.stdout), (0, "tool of the shell\n" * 2), run)
        run = self.box.run("shell", "kept", input=b"of-the-shell\n")
        self.assertEqual((run.code, run.stdout), (0, "tool of the shell\n"), run)
        run = self.box.run("exec", "--env", "PATH=/mine:/usr/bin:/bin", "kept", "--", "bash", "-lc", "echo $PATH")
        self.assertEqual((run.code, run.stdout), (0, "/mine:/usr/bin:/bin\n"), run)
        self.assert_code(self.box.run("destroy", "kept"), 0)
        os.utime(shell, (0, 0))
        swept = self.box.run("gc")
        self.assertIn("removed devShell ", swept.stdout)
        self.assertEqual(self.shells(), [])
        self.box.assert_nothing_left()

    def test_build_prints_the_root_and_builds_again_when_told(self):
        workspace = self.box.flake("app", flake(), [TOOL])
        built = self.box.run(*HOST_BUILD, cwd=workspace)
        self.assert_code(built, 0)
        root = built.stdout.rstrip("\n")
        self.assertTrue(os.readlink(root + "-1-link").startswith("/nix/store/"), root)
        log = os.path.join(os.path.dirname(os.path.dirname(root)), "build.log")
        os.unlink(log)
        self.assertEqual(self.box.run(*HOST_BUILD, cwd=workspace).stdout, built.stdout)
        self.assertFalse(os.path.exists(log), "what is built is found without Nix")
        self.assertEqual(self.box.run(*HOST_BUILD, "--update", cwd=workspace).stdout, built.stdout)
        self.assertTrue(os.path.exists(log))

    def test_mistakes_are_one_message(self):
        cases = (("broken", "{ outputs = { self }: { devShells = missing; }; }", "undefined variable 'missing'"),
                 ("none", "{ outputs = { self }: { }; }", "does not provide attribute"),
                 ("failing", flake("echo no such luck; exit 3"), "failed with exit code 3: no such luck"))
        for name, text, words in cases:
            with self.subTest(flake=name):
                workspace = self.box.flake(name, text, [TOOL])
                run = self.run_in(workspace, "true", options=("--json",))
                self.assert_code(run, 125)
                self.assertEqual(run.stdout, "")
                self.assertIn(f"the devShell of {workspace} could not be built", run.stderr)
                self.assertIn(words, run.stderr)
                self.assertIn("build.log", run.stderr)
        without = self.run_in(self.box.workspace, "true")
        self.assert_code(without, 126)
        self.assertIn("guest.devshell: the workspace has no flake.nix", without.stderr)
        self.box.assert_nothing_left()

    def test_interrupted_build_leaves_nothing_running(self):
        workspace = self.box.flake("app", flake("while true; do read -t 1000 <> <(:); done"), [TOOL])
        for number in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(signal=number):
                running = self.box.start(*small(*DEVSHELL), workspace, "--command", "--", "true")
                wait_until(lambda: self.builders(), 30, "the builder")
                os.kill(running.process.pid, number)
                running.process.wait(harness.seconds(10))
                if number == signal.SIGKILL:
                    # bubblewrap's inner process misses its parent's death while it sets its mounts up.
                    self.assert_code(self.box.run("gc"), 0)
                processes.wait_gone(self.builders, harness.seconds(10))
                self.assertEqual(self.builders(), [])
                self.assertEqual([name for name in self.shells() if name.startswith("unfinished")], [])
        self.box.assert_nothing_left()

    def builders(self):
        """Processes of the build: it has nothing of ours in its environment."""
        return processes.find("read -t 1000 <> <(:)", self.box.directory + "/cache/agentvm/devshells")


class HostileFlake(DevShell):
    """What an agent may have left in a workspace, evaluated on the host at the next run."""

    test_built_by_the_first_run_and_entered_by_each = test_kept_vm_and_what_gc_leaves_alone = None
    test_build_prints_the_root_and_builds_again_when_told = test_mistakes_are_one_message = None
    test_interrupted_build_leaves_nothing_running = None

    def test_an_input_that_is_a_file_of_the_callers(self):
        secret = "secret-" + secrets.token_hex(16)
        self.box.write("home/.ssh/id", secret, 0o600)
        inputs = f'stolen = {{ url = "path:{self.box.path("home/.ssh")}"; flake = false; }};'
        workspace = self.box.flake("app", flake(inputs=inputs, variables='STOLEN = builtins.readFile "${inputs.stolen}/id";'), [TOOL])
        run = self.run_in(workspace, "sh", "-c", "echo $STOLEN")
        self.assert_code(run, 125)
        self.assertIn("could not be built", run.stderr)
        self.assertFalse(self.box.store_has(secret))
        plain = self.box.nix("print-dev-env", "--json", "--no-write-lock-file", workspace)
        self.assertIn(secret.encode(), plain.stdout, "without the sandbox it is stolen")
        self.assertTrue(self.box.store_has(secret))
        self.box.assert_nothing_left()

    def test_programs_that_git_would_start(self):
        """By the workspace's own configuration, and by that of a repository that is an input."""
        # The only place outside of itself that a program in there could leave a mark in; and one that it has without a sandbox.
        mark = self.box.path("mark")
        shells = self.box.path("cache/agentvm/devshells")
        program = f"touch {mark}; for roots in {shells}/*/roots; do touch $roots/mark; done; false"

        def marks():
            return [mark] * os.path.exists(mark) + glob.glob(f"{shells}/*/roots/mark")
        workspace = self.box.flake("app", flake(), [TOOL])
        self.box.git(workspace, "config", "core.fsmonitor", program)
        self.assert_code(self.box.run(*HOST_BUILD, cwd=workspace), 0)
        self.assertEqual(marks(), [], "Git started a program of the workspace's")
        plain = self.box.nix("print-dev-env", "--json", "--no-write-lock-file", workspace)
        self.assertEqual(plain.returncode, 0, plain)
        self.assertEqual(len(marks()), 2, "without the sandbox Git starts it")
        for path in marks():
            os.unlink(path)
        for name, place in (("inside", "/flake/inner"), ("beside", self.box.path("inner"))):
            with self.subTest(input=name):
                other = self.box.flake(name, flake(inputs=f'inner = {{ url = "git+file://{place}"; flake = false; }};'), [TOOL], git=False)
                for inner in (f"{other}/inner", self.box.path("inner")):
                    os.makedirs(inner, exist_ok=True)
                    self.box.git(inner, "init", "-q")
                    self.box.git(inner, "config", "core.fsmonitor", program)
                run = self.box.run(*HOST_BUILD, cwd=other)
                self.assert_code(run, 125)
                self.assertIn("fetched without Git and Mercurial", run.stderr)
                self.assertEqual(marks(), [])

    def test_tokens_of_nix_conf(self):
        secret = "ghp_" + secrets.token_hex(16)
        self.box.write("nix.conf", own_nix.SETTINGS + f"access-tokens = github.com={secret}\n")
        workspace = self.box.flake("app", flake(inputs='conf = { url = "path:/etc/nix"; flake = false; };',
                                                variables='CONF = builtins.readFile "${inputs.conf}/nix.conf";'), [TOOL])
        self.assert_code(self.box.run(*HOST_BUILD, cwd=workspace), 0)
        self.assertFalse(self.box.store_has(secret))
        self.assertEqual(self.box.nix("print-dev-env", "--json", "--no-write-lock-file", workspace).returncode, 0)
        self.assertTrue(self.box.store_has(secret), "without the sandbox it is copied")

    def test_keys_of_the_callers_session(self):
        """What a builder finds in the session keyring, which a process hands down to whoever it starts (keyrings(7))."""
        look = "import ctypes; print('key', ctypes.CDLL(None).syscall(250, 10, -3, b'user', b'agentvm-test', 0) > 0)"
        workspace = self.box.flake("app", flake(f'/usr/bin/python3 -c "{look}"'), [TOOL])
        # add_key(2) in a keyring of the test's own.
        give = ("import ctypes, os, sys; call = ctypes.CDLL(None).syscall; call(250, 1, None); "
                "call(248, b'user', b'agentvm-test', b'secret', 6, -3) > 0 or sys.exit('no keyrings here'); os.execvp(sys.argv[1], sys.argv[1:])")

        def said(*command):
            argv = self.box.around(["/usr/bin/python3", "-c", give, *command])
            done = subprocess.run(argv, env=self.box.env, cwd=workspace, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, check=False, timeout=harness.seconds(60))
            if b"no keyrings here" in done.stderr:
                self.skipTest("this kernel, or a filter, has no keyrings")
            self.assertEqual(done.returncode, 0, done)
            return done.stderr.decode()

        self.assertIn("key False", said(os.path.join(harness.BIN, "agentvm"), *HOST_BUILD))
        nix = ("nix", "--extra-experimental-features", "nix-command flakes", "build", "--no-link", "-L", "--impure", "--expr")
        plain = 'derivation { name = "plain"; system = "x86_64-linux"; builder = "/bin/bash"; args = [ "-c" "%s; echo > $out" ]; }'
        shown = said(*nix, plain % f"/usr/bin/python3 -c \\\"{look}\\\"")
        self.assertIn("key True", shown, "without a keyring of its own it has the caller's")

    def test_names_that_need_care(self):
        """The workspace's path is nobody's URL."""
        for name in ("with space", "a#b?c%20d", "\u00fcml\u00e4ut", "line\nbreak"):
            for git in (True, False):
                with self.subTest(name=name, git=git):
                    workspace = self.box.flake(f"{name} {git}", flake(), [TOOL], git=git)
                    self.assert_code(self.box.run(*HOST_BUILD, cwd=workspace), 0)

    def test_a_hook_that_was_taken_back(self):
        """Whatever a flake reads belongs to what it is found again by."""
        hook = ("hook.sh", "export HOOK=mine\n", 0o644)
        workspace = self.box.flake("app", flake(variables="HOOK = builtins.readFile ./hook.sh;"), [TOOL, hook])
        mine = self.box.run(*HOST_BUILD, cwd=workspace).stdout
        self.box.write("app/hook.sh", "export HOOK=theirs\n")
        theirs = self.box.run(*HOST_BUILD, cwd=workspace).stdout
        self.assertNotEqual(mine, theirs)
        self.box.git(workspace, "checkout-index", "-f", "hook.sh")
        self.assertEqual(self.box.run(*HOST_BUILD, cwd=workspace).stdout, mine)

    def test_builders_are_in_a_sandbox_though_the_daemon_has_none(self):
        secret = self.box.write("seen-by-nobody", "", 0o644)
        os.chmod(self.box.directory, 0o755)
        look = f"echo x >/nix/store/mark; if [ -e {secret} ]; then echo the builder is on the host >&2; exit 1; fi"
        workspace = self.box.flake("app", flake(look), [TOOL])
        self.assert_code(self.box.run(*HOST_BUILD, cwd=workspace), 0)
        self.assertFalse(os.path.exists(f"{self.box.own}/store/mark"))
        other = self.box.flake("other", flake("true; " + look), [TOOL])
        plain = self.box.nix("print-dev-env", "--json", "--no-write-lock-file", other)
        self.assertIn(b"the builder is on the host", plain.stderr, "without being asked Nix builds on the bare host")

    def test_a_workspace_that_wants_it_is_not_asked(self):
        workspace = self.box.flake("app", flake(), [TOOL, ("agentvm.toml", "[guest]\ndevshell = true\n", 0o644)])
        run = self.box.run(*small(), workspace, "--command", "--", "true")
        self.assert_code(run, 2)
        self.assertIn("guest.devshell", run.stderr)
        self.assertIn("--trust-workspace", run.stderr)
        self.assertEqual(self.shells(), [])


class NoSandboxNoBuild(unittest.TestCase):
    """Where builders would be on the bare host, a workspace's flake is not built at all."""

    @classmethod
    def setUpClass(cls):
        reason = own_nix.missing()
        if reason:
            raise unittest.SkipTest(reason)

    def refused(self, box, *words):
        box.env["XDG_CACHE_HOME"] = box.path("cache")
        marked = "echo x >/nix/store/mark || :"
        run = box.run(*HOST_BUILD, cwd=box.flake("app", flake(marked), [TOOL]))
        self.assertEqual(run.code, 126, run)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertFalse(os.path.exists(f"{box.own}/store/mark"))

    def test_root_without_a_daemon(self):
        self.refused(self.enterContext(own_nix.NixSandbox(daemon=False)), "no Nix daemon answers", "Start nix-daemon")

    def test_a_daemon_that_does_not_listen_to_the_caller(self):
        for settings, words in ((own_nix.SETTINGS, "sandbox is not true"),
                                (own_nix.SETTINGS.replace("sandbox = false", "sandbox = relaxed"), "sandbox is not true"),
                                (own_nix.SETTINGS.replace("sandbox = false", "sandbox = true"), "sandbox-fallback = true")):
            with self.subTest(settings=settings):
                box = self.enterContext(own_nix.NixSandbox(user_test.UID, settings))
                user_test.give_tools(box)
                self.refused(box, words, "`sandbox-fallback = false` in /etc/nix/nix.conf")


# What a builder that may fetch finds: the caller's proxy password, an abstract unix socket of the host's, the way out.
FETCHER = """fetched = "${derivation { name = "fetched"; system = "x86_64-linux"; builder = "/bin/bash";
      args = [ "-c" ''case "$https_proxy" in http://127.0.0.1:3128) ;; *) echo "proxy $https_proxy" >$out; exit ;; esac
        if /usr/bin/python3 -c "import socket; socket.socket(socket.AF_UNIX).connect(chr(0) + '%s')"; then echo reached; else echo ok; fi >$out'' ];
      outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "%s"; impureEnvVars = [ "https_proxy" ]; }}";"""


class OrdinaryUsersDevShell(unittest.TestCase):
    """A store of the caller's own: Nix builds as the caller, so in a sandbox of its own or not at all."""

    @classmethod
    def setUpClass(cls):
        reason = own_nix.missing() or harness.missing_for_vms()
        if reason:
            raise unittest.SkipTest(reason)

    def test_run(self):
        box = self.enterContext(own_nix.NixSandbox(user_test.UID, daemon=False, store_owner=user_test.UID))
        user_test.give_tools(box)
        box.env["https_proxy"] = "http://me:password@127.0.0.1:9"
        name = "agentvm-test-" + secrets.token_hex(8)
        listener = self.enterContext(socket.socket(socket.AF_UNIX))
        listener.bind("\0" + name)
        listener.listen()
        fetcher = FETCHER % (name, hashlib.sha256(b"ok\n").hexdigest())
        workspace = box.flake("app", flake("echo mine > /nix/store/mark || :", variables=fetcher), [TOOL])
        run = box.run(*small(*DEVSHELL), workspace, "--command", "--", "sh", "-c", LOOK, input=b"from stdin\n")
        self.assertEqual((run.code, run.stdout), (7, SEEN), run)
        self.assertFalse(os.path.exists(f"{box.own}/store/mark"), "its builder wrote into the store")
        box.assert_nothing_left()
        shutil.rmtree(box.path("cache/agentvm/devshells"))


if __name__ == "__main__":
    harness.main()
