# namespace.py - network namespaces without names: held by descriptors, gone with the test whatever happens to it.
import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


class Namespace:
    """A network namespace with its loopback up. Sockets made inside `entered()` stay in it for good."""

    def __init__(self):
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc.unshare(CLONE_NEWNET), "unshare")
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _check(_libc.setns(before, CLONE_NEWNET), "setns")
            os.close(before)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        # Addresses are there at once, and not a second later.
        self.setting("ipv6/conf/default/accept_dad", "0")
        self.ip("link set lo up")

    def enter(self):
        """For the calling thread, or a child before it executes a program."""
        _check(_libc.setns(self.fd, CLONE_NEWNET), "setns")

    @contextlib.contextmanager
    def entered(self):
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.enter()
            yield self
        finally:
            _check(_libc.setns(before, CLONE_NEWNET), "setns")
            os.close(before)

    def run(self, *command, text=None, check=True):
        """A program inside; its output."""
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, preexec_fn=self.enter)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def ip(self, line):
        return self.run("ip", *line.split())

    def nft(self, text):
        return self.run("nft", "-f", "-", text=text)

    def setting(self, name, value=None):
        """A sysctl below /proc/sys/net, read or written."""
        with self.entered(), open(f"/proc/sys/net/{name}", "r+" if value is not None else "r", encoding="ascii") as file:
            if value is not None:
                file.write(value)
            return file.read().strip() if value is None else value

    def close(self):
        os.close(self.fd)


def cable(one, name, address, other, other_name, other_address):
    """A veth pair between two namespaces, both ends with an address and up."""
    one.ip(f"link add {name} type veth peer name {other_name} netns {other.path}")
    for space, link, prefix in ((one, name, address), (other, other_name, other_address)):
        space.ip(f"addr add {prefix} dev {link}")
        space.ip(f"link set {link} up")
