# own_nix.py - a sandbox whose commands see a Nix store of their own: the real Nix, on files of the test's alone.
import contextlib
import os
import shutil
import socket
import subprocess

import harness

# The host's own setting is none: agentvm has to ask for the sandbox. It has nothing of Debian; what these flakes build with is /bin/bash.
SETTINGS = "sandbox = false\nsubstituters =\nsandbox-paths = /bin /usr /lib /lib64\n"
CONFIGURATION = "/etc/nix/nix.conf"
BUILDERS = 4


def missing():
    """Why there can be no such thing here; "" when there can."""
    if os.getuid() != 0:
        return "a mount namespace with another /nix takes root"
    for name in ("nix", "nix-daemon", "unshare", "bwrap", "git"):
        if not shutil.which(name):
            return f"there is no {name} on PATH"
    return ""


def accounts(name, builders):
    """A file of /etc with the build users that Nix's own packages would have made."""
    with open(f"/etc/{name}", encoding="utf-8") as file:
        text = file.read()
    return text if "nixbld" in text else text + builders


class NixSandbox(harness.Sandbox):
    """As a Sandbox; /nix is its directory `nix`, /etc/nix/nix.conf is `settings`, and the daemon is one of its own."""

    def __init__(self, owner=None, settings=SETTINGS, daemon=True, store_owner=None):
        super().__init__(owner)
        self.made = []
        self.daemon = daemon
        self.process = None
        self.own = harness.Sandbox.path(self, "nix")
        for name in ("store", "var/nix"):
            os.makedirs(f"{self.own}/{name}")
        if store_owner is not None:
            for root, directories, _ in os.walk(self.own):
                for entry in [root, *(os.path.join(root, name) for name in directories)]:
                    os.chown(entry, store_owner, store_owner)
        numbers = range(1, BUILDERS + 1)
        users = "".join(f"nixbld{n}:x:{30000 + n}:30000::/var/empty:/usr/sbin/nologin\n" for n in numbers)
        self.files = {
            "/etc/passwd": self.write("etc-passwd", accounts("passwd", users), 0o644),
            "/etc/group": self.write("etc-group", accounts("group", f"nixbld:x:30000:{','.join(f'nixbld{n}' for n in numbers)}\n"), 0o644)}
        self.settings = self.write("nix.conf", settings)

    def __enter__(self):
        # What other files are put in the place of.
        for path in ("/nix", os.path.dirname(CONFIGURATION)):
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o755)
                self.made.append(path)
        with contextlib.suppress(FileExistsError), open(CONFIGURATION, "x", encoding="utf-8"):
            self.made.append(CONFIGURATION)
        if self.daemon:
            self.start_daemon()
        return super().__enter__()

    def start_daemon(self):
        log = open(self.path("daemon.log"), "wb")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(self.around(["nix-daemon"]), env={"PATH": self.env["PATH"], "HOME": "/var/empty"}, cwd="/", stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, start_new_session=True)
        log.close()
        address = f"{self.own}/var/nix/daemon-socket/socket"

        def answers():
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(address) == 0
        harness.wait_until(answers, 30, "the Nix daemon")

    def __exit__(self, *error):
        if self.process:
            self.process.terminate()
            self.process.wait(harness.seconds(10))
        # Nix takes the right to write from what is in the store.
        subprocess.run(["chmod", "-R", "u+w", self.own], check=False)
        super().__exit__(*error)
        for path in reversed(self.made):
            with contextlib.suppress(OSError):  # another test is using it
                (os.unlink if path == CONFIGURATION else os.rmdir)(path)

    def around(self, argv):
        """The command in a mount namespace of its own; its pid stays what was started."""
        binds = {"/nix": self.own, CONFIGURATION: self.settings, **self.files}
        script = " && ".join(f'mount --bind "{source}" {place}' for place, source in binds.items())
        return ["unshare", "--mount", "sh", "-c", script + ' && exec "$@"', "sh", *argv]

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
