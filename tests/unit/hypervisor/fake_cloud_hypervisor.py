#!/usr/bin/python3
# fake_cloud_hypervisor.py - takes cloud-hypervisor's place in unit tests: its command line, its API, its events.
"""The kernel's path in vm.create says what happens, as /script/boot-fails. Requests go to "requests" in the vsock's folder."""
import http.server
import json
import os
import socket
import sys
import threading
import time

EMPTY = {"vmm.ping": {"build_version": "v53.0", "version": "53.0.0", "pid": os.getpid()}}

ENDINGS = ("powers-off", "panics", "reboots-panicked", "reboots", "reboots-late", "dies")


class Vm:
    script = ""
    folder = ""
    monitor = -1


def report(source, event, **properties):
    text = json.dumps({"timestamp": {"secs": 0, "nanos": 1}, "source": source, "event": event, "properties": properties or None},
                      indent=2)
    os.write(Vm.monitor, text.encode() + b"\n\n")


def leave_group():
    """Into the group of a child, which ends with us."""
    reading, writing = os.pipe()
    joined, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.write(told, b"x")
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.read(joined, 1)
    os.setpgid(0, child)


def flood():
    while True:  # faster than anybody reads it
        os.write(Vm.monitor, b"{}\n\n" * 100_000)


def wait_for_go():
    """Until the test has seen that the VM runs: the end of one that is not yet known to run is another thing."""
    while not os.path.exists(f"{Vm.folder}/go"):
        time.sleep(0.01)


def end(code):
    report("vmm", "shutdown")
    os._exit(code)


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, document=None):
        body = b"" if document is None else document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body:  # who has its whole answer may be gone
            self.wfile.write(body)

    def do_GET(self):
        self.answer(200, EMPTY[self.path.removeprefix("/api/v1/")])

    def do_PUT(self):
        endpoint = self.path.removeprefix("/api/v1/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        document = json.loads(body) if body else None
        if endpoint == "vm.create":
            Vm.script = os.path.basename(document["payload"]["kernel"])
            Vm.folder = os.path.dirname(document["vsock"]["socket"])
            with open(document["serial"]["file"], "wb", 0) as console:
                console.write(b"hello from the console\n")
                if Vm.script in ("panics", "reboots-panicked"):
                    console.write(b"Kernel panic - not syncing: sysrq triggered crash\n")
        with open(f"{Vm.folder}/requests", "a", encoding="utf-8") as file:
            file.write(endpoint + (f" {json.dumps(document, sort_keys=True)}" if endpoint != "vm.create" and document else "") + "\n")
        self.act(endpoint, document)

    def act(self, endpoint, document):
        if endpoint == "vm.boot" and Vm.script == "boot-fails":
            return self.answer(500, ["Error from API", "The VM could not boot", "Cannot open the kernel file"])
        if endpoint == "vm.boot" and Vm.script == "dies-at-boot":
            sys.stderr.write("cloud-hypervisor: WARN: something\ncloud-hypervisor: thread panicked at: no memory\n")
            sys.stderr.flush()
            os._exit(101)
        if endpoint == "vm.pause" and Vm.script == "cannot-pause":
            return self.answer(500, ["Error from API", "The VM could not be paused"])
        if endpoint == "vm.pause" and Vm.script == "floods":
            return self.answer(200, "[" * 500_000 + "]" * 500_000)
        if endpoint == "vm.pause" and Vm.script == "answers-much":
            return self.answer(200, '"' + "x" * 10_000_000 + '"')
        if endpoint == "vm.boot" and Vm.script == "leaves-its-group":
            leave_group()
        self.answer(204)
        if endpoint == "vm.boot" and Vm.script == "floods":
            threading.Thread(target=flood, daemon=True).start()
        if endpoint == "vm.boot":
            report("vm", "booted")
            if Vm.script in ENDINGS:
                wait_for_go()
            {"powers-off": lambda: end(0), "panics": lambda: report("guest", "panic"),
             "reboots-panicked": lambda: report("vm", "rebooting"), "reboots": lambda: report("vm", "rebooting"),
             "reboots-late": lambda: (os.write(Vm.monitor, b"x\n\n" * 10_000), report("vm", "rebooting")),
             "dies": lambda: os._exit(3)}.get(Vm.script, lambda: None)()
        if endpoint == "vm.remove-device" and Vm.script != "keeps-devices":
            report("vm", "device-removed", id=document["id"], bdf="0000:00:08.0")
        if endpoint == "vm.power-button" and Vm.script == "obeys" or endpoint == "vmm.shutdown" and Vm.script == "needs-shutdown":
            end(0)


def main():
    options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    if options["--seccomp"] != "true" or "AGENTVM_INSTANCE" not in os.environ:
        sys.exit("fake_cloud_hypervisor.py: wrong arguments")
    Vm.monitor = int(options["--event-monitor"].removeprefix("fd="))
    listener = socket.socket(fileno=int(options["--api-socket"].removeprefix("fd=")))
    listener.setblocking(True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=lambda c=connection: Api(c, ("", 0), None), daemon=True).start()


if __name__ == "__main__":
    main()
