# nix_daemon.py - this machine's own Nix on the hybrid's store: what builds a devShell there.
import contextlib
import os
import shutil
import socket
import subprocess

import own_nix
from harness import seconds, wait_until

STORE = "/nix/store"
SOCKETS = "/nix/var/nix/daemon-socket"


class NixDaemon:
    """Its settings and build users are put in the place of the machine's own, in this mount namespace alone."""

    def __init__(self, sandbox):
        numbers = range(1, own_nix.BUILDERS + 1)
        users = "".join(f"nixbld{n}:x:{30000 + n}:30000::/var/empty:/usr/sbin/nologin\n" for n in numbers)
        group = f"nixbld:x:30000:{','.join(f'nixbld{n}' for n in numbers)}\n"
        self.files = {own_nix.CONFIGURATION: sandbox.write("nix.conf", own_nix.SETTINGS),
                      "/etc/passwd": sandbox.write("etc-passwd", own_nix.accounts("passwd", users)),
                      "/etc/group": sandbox.write("etc-group", own_nix.accounts("group", group))}
        self.log = sandbox.path("nix-daemon.log")
        self.environment = {"PATH": sandbox.without_stand_in["PATH"], "HOME": "/var/empty"}
        self.made = []
        self.process = None

    def __enter__(self):
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.dirname(own_nix.CONFIGURATION), 0o755)
            self.made.append(os.path.dirname(own_nix.CONFIGURATION))
        with contextlib.suppress(FileExistsError), open(own_nix.CONFIGURATION, "x", encoding="utf-8"):
            self.made.append(own_nix.CONFIGURATION)
        for place, source in self.files.items():
            subprocess.run(["mount", "--bind", source, place], check=True)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(["nix-daemon"], env=self.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        wait_until(self.answers, 30, "the Nix daemon")
        return self

    @staticmethod
    def answers():
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(f"{SOCKETS}/socket") == 0

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(seconds(10))
        shutil.rmtree(SOCKETS, ignore_errors=True)
        # The daemon gave the store to its build users' group, and whoever prepared it has none.
        os.chown(STORE, 0, 0)
        os.chmod(STORE, 0o755)
        for place in self.files:
            subprocess.run(["umount", place], check=True)
        for path in reversed(self.made):
            with contextlib.suppress(OSError):  # another test is using it
                (os.unlink if path == own_nix.CONFIGURATION else os.rmdir)(path)
