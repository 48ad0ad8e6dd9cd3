# netd.py - agentvm-netd in a namespace of the test, and callers that hold leases.
import json
import os
import signal
import socket
import subprocess

from patience import seconds, wait_until

BIN = os.environ.get("AGENTVM_BIN_DIR", "")
PROGRAM = os.path.join(BIN, "agentvm-netd")
SKIPPED = 77


def obstacle():
    """Why these tests cannot run here; "" when they can."""
    if os.geteuid() != 0:
        return "network namespaces with bridges and taps take root"
    if not os.path.exists(PROGRAM):
        return f"agentvm-netd is not in AGENTVM_BIN_DIR ({BIN or 'not set'})"
    for name in ("ip", "nft", "dnsmasq", "unshare", "mount"):
        if not any(os.access(f"{directory}/{name}", os.X_OK) for directory in ("/usr/sbin", "/usr/bin", "/sbin", "/bin")):
            return f"{name} is not installed"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"/dev/net/tun: {error.strerror}"
    return ""


class Lease:
    """A connection to netd with what it answered; closing it gives the lease back."""

    def __init__(self, directory, request=None, **fields):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds(20))
        self.socket.connect(f"{directory}/netd.sock")
        if request is None:
            request = json.dumps({"request": "acquire", "multi_queue": False, **fields})
        self.socket.sendall(request.encode() + b"\n")
        with self.socket.makefile(encoding="utf-8") as lines:
            self.answer = json.loads(lines.readline() or "{}")

    def __getitem__(self, name):
        return self.answer["lease"][name]

    def lost(self):
        """Waits until netd has closed it."""
        return self.socket.recv(1) == b""

    def close(self):
        self.socket.close()


class Netd:
    """A running netd. `files` are put over others in a mount namespace of its own, as {"/etc/resolv.conf": path}."""

    def __init__(self, space, directory, *options, files=None):
        self.space, self.directory = space, directory
        os.makedirs(directory, exist_ok=True)
        mounts = [f'mount --bind "{source}" {target} &&' for target, source in (files or {}).items()]
        self.log = open(f"{directory}/log", "a+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", " ".join([*mounts, 'exec "$0" "$@"']), PROGRAM, "--directory", directory, *options],
            stdin=subprocess.DEVNULL, stderr=self.log, preexec_fn=space.enter)
        wait_until(self.listens, 10, "netd to listen")

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"netd ended with {self.process.returncode}: {self.text()}")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(f"{self.directory}/netd.sock") == 0

    def text(self):
        with open(f"{self.directory}/log", encoding="utf-8") as log:
            return log.read()

    def lease(self, name, **fields):
        lease = Lease(self.directory, name=name, **fields)
        if "lease" not in lease.answer:
            lease.close()
            raise AssertionError(f"{name} got no lease: {lease.answer}")
        return lease

    def show(self):
        asked = Lease(self.directory, '{"request":"show"}')
        asked.close()
        return asked.answer["network"]

    def pause(self, paused=True):
        """A paused netd neither hears nor undoes what the test does to its rules."""
        self.process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(seconds(20))
        self.log.close()


def links(space, own=True):
    """Names of the links with (or without) agentvm's mark, sorted."""
    listed = json.loads(space.run("ip", "-j", "link"))
    return sorted(link["ifname"] for link in listed if link.get("ifalias", "").startswith("agentvm") == own)


def tables(space):
    """Families of the tables named agentvm."""
    listed = json.loads(space.run("nft", "-j", "list", "tables"))["nftables"]
    return sorted(item["table"]["family"] for item in listed if item.get("table", {}).get("name") == "agentvm")


def nothing_left(space):
    return not links(space) and not tables(space)


def rest_of_host(space):
    """Everything of a host that agentvm must leave as it is, as one comparable value."""
    volatile = ("stats64", "stats", "valid_life_time", "preferred_life_time", "flags", "operstate", "cacheinfo")

    def still(value):
        if isinstance(value, dict):
            return {key: still(item) for key, item in value.items()
                    if key not in volatile and not key.endswith("_timer")}
        return [still(item) for item in value] if isinstance(value, list) else value

    foreign = links(space, own=False)
    rules = [item for item in json.loads(space.run("nft", "-j", "list", "ruleset"))["nftables"]
             if next(iter(item.values())).get("table", next(iter(item.values())).get("name")) != "agentvm"]
    return {
        "links": [still(json.loads(space.run("ip", "-d", "-j", "addr", "show", "dev", name))) for name in foreign],
        "routes": [route for route in json.loads(space.run("ip", "-j", "route", "show", "table", "all"))
                   if route.get("dev") in foreign],
        "rules": json.loads(space.run("ip", "-j", "rule")),
        "nftables": rules,
    }
