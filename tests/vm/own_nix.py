# own_nix.py - a sandbox whose commands see a Nix store of their own: the real Nix, on files of the test's alone.
import contextlib
import os
import shutil
import subprocess

import harness

SETTINGS = "sandbox = false\nsubstituters =\n"
# Nix's own sandbox, where it builds as whoever owns the store, has nothing of Debian; what these flakes build with is /bin/bash.
OWNER_SETTINGS = "sandbox = false\nsubstituters =\nsandbox-paths = /bin /usr /lib /lib64\n"


def missing():
    """Why there can be no such thing here; "" when there can."""
    if os.getuid() != 0:
        return "a mount namespace with another /nix takes root"
    for name in ("nix", "unshare", "bwrap", "git"):
        if not shutil.which(name):
            return f"there is no {name} on PATH"
    return "" if os.path.exists("/etc/nix/nix.conf") else "there is no /etc/nix/nix.conf to put another in the place of"


class NixSandbox(harness.Sandbox):
    """As a Sandbox; /nix is its directory `nix`, /etc/nix/nix.conf is `settings`."""

    def __init__(self, owner=None, settings=SETTINGS):
        super().__init__(owner)
        self.made_nix = False
        self.own = harness.Sandbox.path(self, "nix")
        for name in ("store", "var/nix"):
            os.makedirs(f"{self.own}/{name}")
        if owner is not None:
            for root, directories, _ in os.walk(self.own):
                for entry in [root, *(os.path.join(root, name) for name in directories)]:
                    os.chown(entry, owner, owner)
        self.settings = self.write("nix.conf", settings)

    def __enter__(self):
        with contextlib.suppress(FileExistsError):
            os.mkdir("/nix", 0o755)
            self.made_nix = True
        return super().__enter__()

    def __exit__(self, *error):
        # Nix takes the right to write from what is in the store.
        subprocess.run(["chmod", "-R", "u+w", self.own], check=False)
        super().__exit__(*error)
        if self.made_nix:
            os.rmdir("/nix")

    def around(self, argv):
        """The command in a mount namespace of its own; its pid stays what was started."""
        return ["unshare", "--mount", "sh", "-c",
                'mount --bind "$0" /nix && mount --bind "$1" /etc/nix/nix.conf && shift && exec "$@"', self.own, self.settings, *argv]

    def _argv(self, words):
        return self.around(super()._argv(words))

    def flake(self, name, text, files=(), git=True):
        """A workspace with this flake.nix, the files ("name", "text", mode) and a repository that tracks them."""
        for file, content, mode in (("flake.nix", text, 0o644), *files):
            self.write(f"{name}/{file}", content, mode)
        workspace = self.path(name)
        if git:
            self.git(workspace, "init", "-q")
            self.git(workspace, "add", "-A")
        if self.owner is not None:
            for root, directories, files_there in os.walk(workspace):
                for entry in [root, *(os.path.join(root, child) for child in directories + files_there)]:
                    os.lchown(entry, self.owner, self.owner)
        return workspace

    def git(self, workspace, *words):
        subprocess.run(["git", "-C", workspace, *words], check=True, env={**self.env, "GIT_CONFIG_NOSYSTEM": "1"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def nix(self, *words):
        """The real Nix as root, without any sandbox of agentvm's."""
        argv = self.around(["nix", "--extra-experimental-features", "nix-command flakes", *words])
        return subprocess.run(argv, env=self.env, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, timeout=harness.seconds(60))

    def store_has(self, text):
        """Whether a file of the store holds the text."""
        return subprocess.run(["grep", "-rqF", text, f"{self.own}/store"], check=False).returncode == 0
