# nested.py - a machine with a working KVM anywhere: an emulated CPU with SVM, booted from this host's own root.
"""usage: nested.py [--memory MIB] -- COMMAND [ARGUMENT...]

Runs the command in it as root, on this host's files (what it changes is forgotten), without any network. Its output and
its exit code are the command's. Needs QEMU, virtiofsd and a kernel with kvm-amd, as `./dev setup` gets them.
"""
import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import harness
from bare_vm import newc
from patience import seconds

HERE = os.path.dirname(os.path.abspath(__file__))
INIT = os.environ.get("AGENTVM_TEST_NESTED_INIT", "")
BOOT_MODULES = ("virtio_pci", "virtio_console", "virtiofs", "overlay")
# KVM, and what agentvm-netd's network takes: nothing is loaded by itself in there, /lib/modules being another kernel's.
MODULES = ("kvm-amd", "tun", "bridge", "veth", "nf_tables", "nft_ct", "nft_connlimit", "nft_fib_inet", "nft_masq", "nft_chain_nat",
           "nft_meta_bridge", "nf_conntrack_netlink")
CMDLINE = "console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests random.trust_cpu=on 8250.nr_uarts=1"
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def missing():
    """Why there can be no such machine here; "" when there can."""
    if not INIT or not os.path.exists(INIT):
        return f"nested_init is not built (AGENTVM_TEST_NESTED_INIT is {INIT or 'not set'})"
    for name in ("qemu", "virtiofsd", "kernel"):
        if not doctor(name)["good"]:
            return f"agentvm doctor misses {name}"
    return "" if module_files(BOOT_MODULES + MODULES[:1]) else f"the kernel {kernel()} has no kvm-amd"


def doctor(name):
    return next(item for item in harness.doctor_items() if item["what"] == name)


def kernel():
    return os.path.realpath(doctor("kernel")["found"].split(", ")[0])


def modules_root():
    """The directory that holds lib/modules/VERSION of the kernel; its boot lies beside."""
    return os.path.dirname(os.path.dirname(kernel()))


def modules_directory():
    return os.path.join(modules_root(), "lib/modules", kernel().rsplit("/vmlinuz-", 1)[1])


def module_files(names):
    """Paths of the modules and of what they need, in the order to load; None when one is missing. Built in: left out."""
    files, needs = {}, {}

    def name_of(path):
        return os.path.basename(path).split(".ko")[0].replace("-", "_")

    with open(f"{modules_directory()}/modules.dep", encoding="utf-8") as file:
        for line in file:
            path, _, rest = line.partition(":")
            files[name_of(path)], needs[name_of(path)] = path, [name_of(other) for other in reversed(rest.split())]
    with open(f"{modules_directory()}/modules.builtin", encoding="utf-8") as file:
        builtin = {name_of(line.strip()) for line in file}
    order = []
    for name in (name.replace("-", "_") for name in names):
        if name in builtin:
            continue
        if name not in files:
            return None
        order += [other for other in [*needs[name], name] if other not in order]
    return [f"{modules_directory()}/{files[name]}" for name in order]


def initramfs(path):
    entries = [("dev", 0o040755, b""), ("modules", 0o040755, b"")]
    with open(INIT, "rb") as file:
        entries.append(("init", 0o100755, file.read()))
    listing = ""
    for module in module_files(BOOT_MODULES):
        with open(module, "rb") as file:
            entries.append((f"modules/{os.path.basename(module)}", 0o100644, file.read()))
        listing += f"/modules/{os.path.basename(module)}\n"
    entries.append(("modules.list", 0o100644, listing.encode()))
    with open(path, "wb") as file:
        file.write(b"".join(newc(*entry) for entry in entries) + newc("TRAILER!!!", 0, b""))


class Machine:
    """One machine, one command; everything of it is gone at the end of the `with`, or when this process is killed."""

    def __init__(self, memory_mib=4096):
        self.directory = tempfile.mkdtemp(prefix="nested-")
        self.memory = memory_mib
        self.processes = []
        self.sockets = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        for ours in self.sockets.values():
            ours.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def _start(self, argv, log, **how):
        with open(self.path(log), "wb") as file:
            self.processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                                   preexec_fn=die_with_parent, **how))
        return self.processes[-1]

    def _serve_root(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path("root.sock"))
            listener.listen(1)
            argv = [doctor("virtiofsd")["found"].split(", ")[0], f"--fd={listener.fileno()}", "--shared-dir=/", "--readonly",
                    "--cache=always", "--sandbox=namespace", "--no-announce-submounts", "--inode-file-handles=never"]
            if os.getuid() != 0:
                argv += ["--translate-uid=squash-host:0:0:4294967295", "--translate-gid=squash-host:0:0:4294967295"]
            self._start(argv, "virtiofsd.log", pass_fds=(listener.fileno(),))

    def boot(self):
        self._serve_root()
        initramfs(self.path("initramfs"))
        memory = f"memory-backend-memfd,id=mem,size={self.memory}M,share=on"
        argv = [doctor("qemu")["found"].split(", ")[0], "-machine", "q35,accel=tcg,memory-backend=mem,usb=off", "-cpu", "max,+svm",
                "-smp", "2", "-m", str(self.memory), "-object", memory, "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", "-kernel", kernel(), "-initrd", self.path("initramfs"),
                "-append", f"{CMDLINE} nested.inside={HERE}/inside.py", "-serial", f"file:{self.path('console')}",
                "-chardev", f"socket,id=root,path={self.path('root.sock')}", "-device", "vhost-user-fs-pci,chardev=root,tag=root",
                "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
        theirs = []
        for name in ("control", "out", "err"):
            self.sockets[name], other = socket.socketpair()
            theirs.append(other)
            argv += ["-chardev", f"socket,id={name},fd={other.fileno()}", "-device", f"virtserialport,chardev={name},name=nested.{name}"]
        self.qemu = self._start(argv, "qemu.log", pass_fds=[other.fileno() for other in theirs])
        for other in theirs:
            other.close()

    def run(self, argv, env, cwd, keep=()):
        """Boots, runs the command and returns its exit code (128 + signal as a shell has it); its output goes to ours."""
        self.boot()
        order = {"argv": argv, "env": env, "cwd": cwd, "keep": list(keep), "modules_root": modules_root(), "modules": MODULES}
        self.sockets["control"].sendall(json.dumps(order).encode() + b"\n")
        pumps = [threading.Thread(target=self._pump, args=(name, stream), daemon=True)
                 for name, stream in (("out", sys.stdout.buffer), ("err", sys.stderr.buffer))]
        for pump in pumps:
            pump.start()
        answer = self._answer()
        self.qemu.wait()
        for pump in pumps:
            pump.join(seconds(10))
        if not answer:
            raise RuntimeError(f"the nested machine ended before its command:\n{self._last_words()}")
        code = json.loads(answer)["exit"]
        return code if code >= 0 else 128 - code

    def _answer(self):
        """What the machine says until it ends; it may end without having read its order."""
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.sockets["control"].recv(4096):
                answer += piece
        return answer

    def _pump(self, name, stream):
        while piece := self.sockets[name].recv(65536):
            stream.write(piece)
            stream.flush()

    def _last_words(self):
        words = []
        for name in ("virtiofsd.log", "qemu.log", "console"):
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                words += [f"{name}: {line}" for line in file.read().splitlines()[-15:]]
        return "\n".join(words)


def keep_paths():
    """What lies below /tmp and must be seen inside: the checkout, the build, the cache of tools, what boots real NixOS."""
    cache = harness.real_cache()
    wanted = {harness.SOURCE, harness.BIN and os.path.dirname(harness.BIN), cache and os.path.dirname(cache),
              os.environ.get("AGENTVM_NIXOS_BOOT")}
    real = sorted(os.path.realpath(path) for path in wanted if path)
    below = [path for path in real if path.startswith(("/tmp/", "/run/", "/var/tmp/"))]
    return [path for path in below if not any(path.startswith(other + "/") for other in below)]


def run_in_machine(argv, env, memory_mib=4096):
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with Machine(memory_mib) as machine:
        return machine.run(argv, env, "/", keep_paths())


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--memory", type=int, default=4096)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    reason = missing()
    if reason:
        sys.exit(f"nested.py: {reason}")
    sys.exit(run_in_machine(options.command, dict(os.environ), options.memory))


if __name__ == "__main__":
    main()
